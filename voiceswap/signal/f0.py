"""F0: tracked, repaired, interpolated, its range, and its way from one voice to another."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import maximum_filter1d, minimum_filter1d

from voiceswap import compute
from voiceswap.arrays import Array
from voiceswap.audio.resample import resample
from voiceswap.config import FeatureConfig
from voiceswap.errors import UsageError
from voiceswap.offline import silence_onnxruntime
from voiceswap.signal import world
from voiceswap.signal.features import find_runs

if TYPE_CHECKING:
    silence_onnxruntime()
    from swift_f0 import SwiftF0

F0_METHODS = ("swift", "dio", "harvest")
# Fewer voiced frames than this (about 0.2 s) say nothing about a range.
MIN_VOICED_FRAMES = 20
VOICED_CONFIDENCE = 0.5
# A tracker errs by an octave, or loses F0, for so long at most; a creaking voice falls by an octave for longer.
ERROR_S = 0.035
LOST_S = 0.025
# How far from an octave, and how far apart around a loss, frames may be.
OCTAVE_SLACK_SEMITONES = 1.0
LOST_SLACK_SEMITONES = 1.0
# Between two frames of a tracker (16 ms) a voice slides no further: what does is another note, or a slip.
SLIDE_SEMITONES = 3.0
# A note that is hardly voiced any more, or not yet, is held for so long.
HELD_S = 0.2
# Notes of singing: so long, within so little, and how much of what is voiced they are at least.
SUNG_NOTE_S = 0.3
SUNG_NOTE_SEMITONES = 1.0
SUNG_SHARE = 0.1
# The tracker takes what peaks below -60 dBFS for silence: quiet recordings are raised to half of full scale for it.
TRACKED_PEAK = 0.5
MAX_GAIN = 100.0


@dataclass(frozen=True)
class F0Range:
    """A voice's range: the 5th, 50th and 95th percentile of its voiced frames, in Hz."""

    low_hz: float
    mid_hz: float
    high_hz: float


def _load_tracker() -> SwiftF0:
    n_threads = compute.get_threads()
    if n_threads not in _trackers:
        silence_onnxruntime()
        from swift_f0 import SwiftF0  # brings onnxruntime: only where F0 is asked for

        _trackers[n_threads] = SwiftF0(threads=n_threads, spin=False)
    return _trackers[n_threads]


# By their number of threads.
_trackers: dict[int, SwiftF0] = {}


def _forget_trackers() -> None:
    for tracker in _trackers.values():
        compute.never_end(tracker)
    _trackers.clear()


compute.call_in_child(_forget_trackers)


def estimate_f0(samples: Array, config: FeatureConfig, method: str = F0_METHODS[0]) -> Array:
    """F0 on the decoder's frames.

    Args:
        samples: Shape (n_samples,), float32, finite, at `mel_rate_hz`.
        config: Framing and the range looked in.
        method: "swift" (SwiftF0; Nieradzik, 2025), "harvest" (Morise, 2017) or "dio" (with StoneMask; Morise et al.,
            2009).

    Returns:
        Shape (n_samples // hop_samples,), float32, 0.0 = unvoiced, else within that range; frame i is centred on
        sample (i + 0.5) * `hop_samples`.

    Raises:
        UsageError: An unknown method.
    """
    if method not in F0_METHODS:
        raise UsageError(f"unknown F0 method {method!r}", f"wanted one of {', '.join(F0_METHODS)}")
    n_frames = len(samples) // config.hop_samples
    if len(samples) < 2 * config.n_fft:
        return np.zeros(n_frames, np.float32)
    track = _track_by_swift if method == "swift" else _track_by_world
    times_s, f0, voiced = track(samples, config, method)
    centres_s = (np.arange(n_frames) + 0.5) / config.frames_per_s
    f0_hz = repair_octaves(interpolate_at(centres_s, times_s, np.where(voiced, f0, 0.0)), config.frames_per_s)
    return transpose_f0(f0_hz, 0.0, config)  # What is an octave off may leave the range when it is put right.


def interpolate_at(at_s: Array, times_s: Array, f0: Array) -> Array:
    """F0 at other times: between two voiced frames in a straight line of log F0, elsewhere as the nearest has it.

    A line from one note to the next, or over a pause, would make notes that nobody sang.

    Args:
        at_s: Shape (n,), in seconds.
        times_s: Shape (n_found,), at least two, rising, in seconds.
        f0: Shape (n_found,), in Hz, 0.0 = unvoiced.

    Returns:
        Shape (n,), float32, in Hz, 0.0 = unvoiced.
    """
    tones = np.log2(np.where(f0 > 0, f0, 1.0))
    after = np.clip(np.searchsorted(times_s, at_s), 1, len(times_s) - 1)
    before = after - 1
    share = np.clip((at_s - times_s[before]) / (times_s[after] - times_s[before]), 0.0, 1.0)
    nearest = np.where(share > 0.5, after, before)
    sliding = (f0[before] > 0) & (f0[after] > 0) & (12 * np.abs(tones[after] - tones[before]) <= SLIDE_SEMITONES)
    f0_hz = 2 ** np.where(sliding, tones[before] * (1 - share) + tones[after] * share, tones[nearest])
    return np.where(f0[nearest] > 0, f0_hz, 0.0).astype(np.float32)


def repair_octaves(f0: Array, frames_per_s: float) -> Array:
    """F0 `(n_frames,)` in Hz, 0.0 = unvoiced, without a tracker's short slips; slides and vibrato stay.

        before   220 221 222 444 445 224   0   0 223        a jump by an octave and back, then two frames lost
        after    220 221 222 222 223 224 224 223 223

    A slip is at most 35 ms long, begins or ends with a jump of 11 to 13 semitones, and lies between frames of the
    other octave, or at either end of a voiced stretch. Lost are at most 25 ms between frames a semitone apart or less.
    """
    f0_hz = f0.astype(np.float64)
    max_frames = round(ERROR_S * frames_per_s)
    for first, last in find_runs(f0_hz > 0):
        tones = 12 * np.log2(f0_hz[first:last])
        cuts = np.flatnonzero(np.abs(np.abs(np.diff(tones)) - 12) <= OCTAVE_SLACK_SEMITONES) + 1
        edges = [0, *cuts, last - first]
        for start, stop in itertools.pairwise(edges):
            # What lies before is repaired already; the very first part has only what comes after to go by.
            before, after = start > 0, stop < last - first
            if stop - start > max_frames or not (before or after):
                continue
            off = tones[start] - tones[start - 1] if before else tones[stop - 1] - tones[stop]
            back = tones[stop - 1] - tones[stop] if before and after else off
            if abs(abs(off) - 12) <= OCTAVE_SLACK_SEMITONES and abs(back - off) <= 2 * OCTAVE_SLACK_SEMITONES:
                tones[start:stop] -= 12 * np.sign(off)
        f0_hz[first:last] = 2 ** (tones / 12)
    for first, last in find_runs(f0_hz == 0):
        if first > 0 and last < len(f0_hz) and last - first <= LOST_S * frames_per_s:
            ends = np.log2(f0_hz[[first - 1, last]])
            if 12 * abs(ends[1] - ends[0]) <= LOST_SLACK_SEMITONES:
                f0_hz[first:last] = 2 ** np.interp(np.arange(first, last), [first - 1, last], ends)
    return np.asarray(f0_hz, dtype=np.float32)


def _track_by_swift(samples: Array, config: FeatureConfig, _method: str) -> tuple[Array, Array, Array]:
    gain = min(MAX_GAIN, TRACKED_PEAK / max(float(np.abs(samples).max()), 1e-9))
    tracked = resample(samples * np.float32(gain), config.mel_rate_hz, config.content_rate_hz)
    track = _load_tracker().detect(tracked, config.content_rate_hz, config.f0_min_hz, config.f0_max_hz)
    return track.timestamps, track.pitch_hz, track.confidence >= VOICED_CONFIDENCE


def _track_by_world(samples: Array, config: FeatureConfig, method: str) -> tuple[Array, Array, Array]:
    times_s, f0 = world.track_f0(samples, config, method)
    # StoneMask can run away from DIO's answer on creak.
    return times_s, f0, (f0 >= config.f0_min_hz) & (f0 <= config.f0_max_hz)


def interpolate_f0(f0: Array, frames_per_s: float) -> Array:
    """F0 `(n_frames,)` in Hz, 0.0 = unvoiced, without gaps, float32; as it is if nothing is voiced.

        before   220 222   0   0   0   0   0   0   0 330
        after    220 222 222 222 245 271 299 330 330 330        if two frames lasted 0.2 s

    Weakly voiced frames, which a tracker leaves out at either end of a note, then still have its pitch: each end is
    held for 0.2 s, or half of the gap; what is left is crossed in a straight line of log F0 (docs/lab/notes.md).
    """
    voiced = np.flatnonzero(f0 > 0)
    if not len(voiced):
        return f0
    first, last = voiced[:-1], voiced[1:]
    held_frames = np.minimum(HELD_S * frames_per_s, (last - first - 1) / 2)
    gaps = last - first > 1
    known_frames = np.concatenate([voiced, (first + held_frames)[gaps], (last - held_frames)[gaps]])
    tones = np.log2(np.concatenate([f0[voiced], f0[first[gaps]], f0[last[gaps]]]))
    order = np.argsort(known_frames, kind="stable")
    return np.asarray(2 ** np.interp(np.arange(len(f0)), known_frames[order], tones[order]), dtype=np.float32)


def measure_f0_range(f0: Array) -> F0Range | None:
    """The range of F0 `(n_frames,)` in Hz, 0.0 = unvoiced; None where too little of it is voiced."""
    voiced = f0[f0 > 0]
    if len(voiced) < MIN_VOICED_FRAMES:
        return None
    low, mid, high = np.percentile(voiced, [5, 50, 95])
    return F0Range(round(float(low), 1), round(float(mid), 1), round(float(high), 1))


def is_singing(f0: Array, frames_per_s: float) -> bool:
    """Whether F0 `(n_frames,)` in Hz, 0.0 = unvoiced, holds notes as singing does, a tenth of its voiced time.

    A held note stays within a semitone for .3 s. What speech has of them: docs/lab/transposition.md.
    """
    voiced, size = f0 > 0, 2 * round(SUNG_NOTE_S * frames_per_s / 2) + 1
    if not voiced.any():
        return False
    tones = 12 * np.log2(np.where(voiced, f0, 1.0))
    # Beside an unvoiced frame, or an end, nothing is held.
    highest = maximum_filter1d(np.where(voiced, tones, np.inf), size, mode="constant", cval=np.inf)
    apart = highest - minimum_filter1d(tones, size)
    return bool(maximum_filter1d(apart <= SUNG_NOTE_SEMITONES, size)[voiced].mean() > SUNG_SHARE)


def find_transposition(source: F0Range | None, voice: F0Range, *, sung: bool = False) -> float:
    """Semitones that bring the middle of the source's range onto the middle of the voice's; 0.0 if it is unvoiced.

    Of singing, whose range may be much wider, both ends count as much as the middle.
    """
    if source is None:
        return 0.0
    source_hz, voice_hz = ((r.low_hz, r.mid_hz, r.high_hz) if sung else (r.mid_hz,) for r in (source, voice))
    return round(12 * float(np.mean(np.log2(np.divide(voice_hz, source_hz)))), 2)


def transpose_f0(f0: Array, semitones: float, config: FeatureConfig) -> Array:
    """F0 `(n_frames,)` moved by `semitones`, kept within the range that the networks know."""
    transposed_hz = np.clip(f0 * 2 ** (semitones / 12), config.f0_min_hz, config.f0_max_hz)
    return np.where(f0 > 0, transposed_hz, 0.0).astype(np.float32)
