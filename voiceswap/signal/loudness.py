"""Levels: how loud speech is, where it pauses, and how a result follows its source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import scipy.signal
from scipy.ndimage import maximum_filter1d, minimum_filter1d, uniform_filter1d

from voiceswap.arrays import Array, db_to_gain, db_to_power, power_to_db
from voiceswap.signal.features import find_runs

FLOOR_DB = -120.0
FLOOR_POWER = db_to_power(FLOOR_DB)
LEVEL_FRAME_S = 0.02
# Speech is what comes within this of the loudest parts.
ACTIVE_RANGE_DB = 30.0
# A recording whose sounding parts are softer than this holds no speech.
NO_SPEECH_DB = -60.0
PAUSE_S = 0.4
MIN_CLIP_S = 0.5
MAX_CLIP_S = 14.0
EDGE_S = 0.06
DIGITAL_SILENCE = 1e-5
SILENT_RUN_S = 0.02
SILENT_FADE_S = 0.004
FOLLOW_WINDOW_S = 0.05
FOLLOW_MAX_DB = 18.0
PEAK_CEILING = 0.985
# What is slower than this is an offset of the recorder, no sound.
OFFSET_HZ = 20.0
PEAK_REACH_S = 0.005


def frame_levels_db(samples: Array, sample_rate_hz: int) -> Array:
    """RMS level of each 20 ms of (n_samples,), in dBFS, at least -120; the last frame may be shorter."""
    size = max(1, round(LEVEL_FRAME_S * sample_rate_hz))
    n_frames = -(-len(samples) // size)
    padded = np.pad(samples.astype(np.float64), (0, n_frames * size - len(samples)))
    power = np.square(padded).reshape(n_frames, size).sum(axis=1)
    lengths = np.minimum(size, len(samples) - size * np.arange(n_frames))
    return power_to_db(power / np.maximum(lengths, 1), FLOOR_POWER)


def remove_dc(blocks: Iterable[Array], sample_rate_hz: int) -> Iterator[Array]:
    """Blocks (n,) or (n, n_channels) without what is slower than 20 Hz."""
    sections = scipy.signal.butter(2, OFFSET_HZ, "highpass", fs=sample_rate_hz, output="sos")
    state: Array | None = None
    for block in blocks:
        if state is None and len(block):
            # As if the first sample had lasted for ever, so that an offset is no step.
            state = np.multiply.outer(scipy.signal.sosfilt_zi(sections), block[0])
        if len(block):
            block, state = scipy.signal.sosfilt(sections, block, axis=0, zi=state)
            block = block.astype(np.float32)  # Before it is given away, or the doubles would be held until the next.
        yield block


class Levels:
    """`frame_levels_db` of what comes in blocks, all channels together.

    Args:
        sample_rate_hz: The rate.
        n_channels: Its channels.
    """

    def __init__(self, sample_rate_hz: int, n_channels: int) -> None:
        self._size = max(1, round(LEVEL_FRAME_S * sample_rate_hz)) * n_channels
        self._rest = np.zeros(0, np.float32)
        self._levels_db = [np.zeros(0)]
        self.n_samples = 0

    def push(self, samples: Array) -> None:
        """Listen to (n, n_channels)."""
        self.n_samples += len(samples)
        joined = np.concatenate([self._rest, samples.reshape(-1)])
        whole, self._rest = np.split(joined, [len(joined) // self._size * self._size])
        power = np.square(whole.astype(np.float64)).reshape(-1, self._size).mean(axis=1)
        self._levels_db.append(power_to_db(power, FLOOR_POWER))

    def finish(self) -> Array:
        """Level of each 20 ms, in dBFS, at least -120."""
        if not len(self._rest):
            return np.concatenate(self._levels_db)
        power = float(np.mean(np.square(self._rest, dtype=np.float64)))
        return np.append(np.concatenate(self._levels_db), power_to_db(power, FLOOR_POWER))


def active_level_db(levels_db: Array) -> float:
    """How loud the sounding part is: mean power of the frames within 30 dB of the 95th percentile, in dBFS."""
    if not len(levels_db):
        return FLOOR_DB
    # Of a recording that is mostly pause, the percentile would fall into the pause.
    loud = np.percentile(levels_db[levels_db > levels_db.max() - 2 * ACTIVE_RANGE_DB], 95)
    active = levels_db[levels_db > loud - ACTIVE_RANGE_DB]
    return float(power_to_db(np.mean(db_to_power(active))))


def speech_segments(samples: Array, sample_rate_hz: int) -> list[tuple[int, int]]:
    """Where there is speech, cut at pauses of .4 s and longer.

    Args:
        samples: Shape (n_samples,), float32.
        sample_rate_hz: Their rate.

    Returns:
        Ranges [start, stop) of samples, .5 to 14 s long, silence left out but for 60 ms at the edges. Speech without a
        pause is cut at its quietest moments. Empty if all of it is below -60 dBFS.
    """
    levels = frame_levels_db(samples, sample_rate_hz)
    active_db = active_level_db(levels)
    if active_db < NO_SPEECH_DB:
        return []
    # Half way (in dB) between the noise of the pauses and the speech, but never far from either.
    noise_db = max(float(np.percentile(levels, 10)), active_db - 50.0)
    threshold_db = float(np.clip((noise_db + active_db) / 2, active_db - ACTIVE_RANGE_DB, active_db - 20.0))
    sounding = levels > threshold_db
    n, pause, edge, longest = len(levels), *(round(s / LEVEL_FRAME_S) for s in (PAUSE_S, EDGE_S, MAX_CLIP_S))
    # Silence around: pauses are closed, but speech is not cut where the samples begin and end.
    padded = np.pad(sounding, pause)
    bridged = minimum_filter1d(maximum_filter1d(padded, pause), pause, origin=_find_origin(pause))[pause:-pause]
    pieces = [p for a, b in find_runs(bridged) for p in _split(levels, max(0, a - edge), min(n, b + edge), longest)]
    size = round(LEVEL_FRAME_S * sample_rate_hz)
    ranges = [(a * size, len(samples) if b == n else b * size) for a, b in pieces]
    return [(a, b) for a, b in ranges if b - a >= MIN_CLIP_S * sample_rate_hz]


def _split(levels: Array, start: int, stop: int, longest: int) -> list[tuple[int, int]]:
    if stop - start <= longest:
        return [(start, stop)]
    third = longest // 3
    middle = start + third + int(np.argmin(levels[start + third : start + longest]))
    return [(start, middle), *_split(levels, middle, stop, longest)]


def digital_silence_gain(samples: Array, sample_rate_hz: int) -> Array:
    """A gain that is 0 where a source is digitally silent.

    Args:
        samples: Shape (n_samples,), float32: the source.
        sample_rate_hz: Its rate.

    Returns:
        Shape (n_samples,), float32 in 0 to 1: exactly 0 on runs of 20 ms and more below 1e-5, faded within the 4 ms
        before and after them, 1 elsewhere.
    """
    run = max(1, round(SILENT_RUN_S * sample_rate_hz))
    fade = max(1, round(SILENT_FADE_S * sample_rate_hz))
    quiet = np.abs(samples) <= DIGITAL_SILENCE
    # Opening: runs shorter than `run` vanish, longer ones keep their length.
    silent = maximum_filter1d(
        minimum_filter1d(quiet, run, mode="nearest"), run, mode="nearest", origin=_find_origin(run)
    )
    silent &= quiet
    if not silent.any():
        return np.ones(len(samples), np.float32)
    where = np.flatnonzero(silent)
    position = np.arange(len(samples))
    after = np.searchsorted(where, position)
    to_next = np.where(after < len(where), where[np.minimum(after, len(where) - 1)] - position, fade)
    since_last = np.where(after > 0, position - where[np.maximum(after - 1, 0)], fade)
    return np.clip(np.minimum(to_next, since_last) / fade, 0, 1).astype(np.float32)


def _find_origin(size: int) -> int:
    # An even window reaches one further back than ahead; the second filter must reach the other way.
    return -1 if size % 2 == 0 else 0


def smooth_power(power: Array, sample_rate_hz: int) -> Array:
    """Power (n_samples, ...) averaged over 50 ms around each sample."""
    size = max(1, round(FOLLOW_WINDOW_S * sample_rate_hz))
    mean = uniform_filter1d(power.astype(np.float64), size, axis=0, mode="nearest")
    return np.asarray(np.maximum(mean, 0.0))


def follow_gain(made: Array, source: Array, sample_rate_hz: int) -> Array:
    """The gain that makes a result as loud as its source, moment by moment.

    Args:
        made: Shape (n_samples,), float32: the result.
        source: Shape (n_samples,), float32: what it shall follow.
        sample_rate_hz: The rate of both.

    Returns:
        Shape (n_samples,), float32: averaged over 50 ms, at most 18 dB up or down; not above 1 where the source is
        silent, but for 25 ms next to where it is not.
    """
    source_power, made_power = (smooth_power(np.square(x), sample_rate_hz) for x in (source, made))
    max_gain = db_to_gain(FOLLOW_MAX_DB)
    gain = np.clip(np.sqrt(source_power / np.maximum(made_power, 1e-10)), 1 / max_gain, max_gain)
    gain = np.where(source_power < db_to_power(NO_SPEECH_DB), np.minimum(gain, 1.0), gain)
    return smooth_power(gain, sample_rate_hz).astype(np.float32)


def limit(samples: Array, sample_rate_hz: int = 22050) -> Array:
    """Samples turned down around peaks above 0.985, 5 ms ahead and after; the same array if there are none."""
    over = np.abs(samples) / PEAK_CEILING
    if not len(samples) or over.max() <= 1:
        return samples
    reach = max(1, round(PEAK_REACH_S * sample_rate_hz)) | 1
    # The minimum over twice the reach, averaged over the reach, is nowhere above what a peak needs.
    needed = minimum_filter1d(1 / np.maximum(over, 1.0), 2 * reach + 1)
    return np.asarray(samples * uniform_filter1d(needed, reach), dtype=np.float32)
