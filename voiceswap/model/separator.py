"""The separator: the vocal network of Spleeter's two stems (Hennequin et al., 2020; MIT), a mix in, its singing out.

A U-Net looks at 12 s of a magnitude spectrogram and says for each bin which share of it is voice. What remains of the
mix is the accompaniment: `mix - vocals`, so that both always add up to the mix.

    window k       |--edge--|--fade--|--------------- ----------------|--fade--|--edge--|
    window k + 1                                                      |--edge--|--fade--|------ ...
    mask           ... from k .......................................... fading ... from k + 1

Windows lie on a grid that begins with the recording, so the result does not depend on how the recording is cut into
blocks. Where two windows overlap, the mask of one fades into that of the other over `fade`, and what a window says of
its own edges is not heard at all; it is masks that are mixed, not waveforms, so that nothing cancels.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import scipy.fft

from voiceswap import weights
from voiceswap.arrays import Array
from voiceswap.audio.prefetch import prefetch
from voiceswap.model.processor import quick_dtype
from voiceswap.model.runtime import Graph, open_network
from voiceswap.model.weights import HALF
from voiceswap.storage.folder import Expected, open_folder

KIND = "separator"
WEIGHTS = "vocals"
MAX_BYTES = 30_000_000
SHIPPED = weights.path("separator")
# Smaller kernels keep single precision: rounding them moves the mask most, and they weigh little (docs/separation.md).
HALF_FROM_VALUES = 300_000

SAMPLE_RATE_HZ = 44_100
FRAME_SAMPLES = 4096
HOP_SAMPLES = 1024
N_BINS = 1024
TOP_BINS = 186
WINDOW_FRAMES = 512
OVERLAP_FRAMES = 128
EDGE_FRAMES = 16
CORE_FRAMES = WINDOW_FRAMES - OVERLAP_FRAMES
CORE_SAMPLES = CORE_FRAMES * HOP_SAMPLES
# One or more windows at a time.
INPUT_SHAPE = (None, WINDOW_FRAMES, N_BINS, 2)
# What the first frame of a window lacks of its neighbours before it.
LEAD_SAMPLES = FRAME_SAMPLES - HOP_SAMPLES
WINDOW_SAMPLES = (WINDOW_FRAMES - 1) * HOP_SAMPLES + FRAME_SAMPLES
# The network errs otherwise with each loudness and each key: a window is shown to it at these levels, raised by so many
# semitones, and the mean of its answers counts (docs/separation.md).
LEVELS_DB = (-21.0, -12.0)
RAISED_SEMITONES = (0, 3, 5)
# Whether there is a voice at all, and how loud, is told as well by the first level, raised by the second key alone.
ROUGH_LEVELS_DB = LEVELS_DB[:1]
ROUGH_SEMITONES = RAISED_SEMITONES[1:2]
# The power to which that mean is raised: below 1, less of the voice is lost for a little more accompaniment in it.
BOLDNESS = 0.8


HANN = np.hanning(FRAME_SAMPLES + 1)[:-1].astype(np.float32)
# What squared windows, a hop apart, add up to.
OVERLAP_SUM = np.float32(1.5)


def stored_types(expected: Expected) -> Expected:
    """Names, shapes and safetensors types of the shipped weights: the smaller ones in single precision."""
    return {
        name: (shape, HALF if np.prod(shape) >= HALF_FROM_VALUES else "F32") for name, (shape, _) in expected.items()
    }


class Separator:
    """The singing in recordings at 44.1 kHz of any length, in flat memory.

    Args:
        network: Of `networks.separator`, for inputs of `INPUT_SHAPE`.
    """

    def __init__(self, network: Graph) -> None:
        self.network = network

    def separate_vocals(self, blocks: Iterator[Array], level_db: float, *, roughly: bool = False) -> Iterator[Array]:
        """Find the singing.

        Args:
            blocks: The mix, in blocks (n, n_channels) of any size, float32 in [-1, 1], at `SAMPLE_RATE_HZ`.
            level_db: How loud it is on the whole, `loudness.active_level_db`.
            roughly: Whether one look at it is enough: a sixth of the time, for a mask that is not as good.

        Yields:
            Blocks (n, n_channels) float32 of the singing alone, of other sizes, in all as many samples as came.

        Example:
            >>> vocals = np.concatenate(list(load_separator().separate_vocals(iter([mix]), -20.0)))
            >>> accompaniment = mix - vocals
        """
        tail = np.zeros((LEAD_SAMPLES, 1), np.float32)
        n_skipped = LEAD_SAMPLES
        with (
            closing(prefetch((_to_spectra(window), n_due) for window, n_due in _cut_windows(blocks))) as seen,
            closing(prefetch(self._mask_windows(seen, level_db, roughly))) as shared,
        ):
            for spectra, share, n_due in shared:
                summed = _overlap_add(spectra * _extend(share))
                summed[:LEAD_SAMPLES] += tail
                tail = summed[CORE_SAMPLES:]
                yield summed[n_skipped:n_due]
                n_skipped = 0

    def _mask_windows(
        self, seen: Iterator[tuple[Array, int]], level_db: float, roughly: bool
    ) -> Iterator[tuple[Array, Array, int]]:
        """The core of each window's spectra, and the voice's share in it; both windows' where two overlap."""
        before: Array | None = None
        for spectra, n_due in seen:
            share = _crossfade(before, self.find_share(np.abs(spectra[:, :N_BINS]), level_db, roughly=roughly))
            before = share[CORE_FRAMES:]
            yield spectra[:CORE_FRAMES], share[:CORE_FRAMES], n_due

    def find_share(self, magnitudes: Array, level_db: float, *, roughly: bool = False) -> Array:
        """The voice's share in each bin.

        Args:
            magnitudes: Shape (WINDOW_FRAMES, N_BINS, n_channels), of a Hann-windowed transform of `FRAME_SAMPLES`.
            level_db: How loud the mix is on the whole.
            roughly: Whether one look at it is enough.

        Returns:
            The same shape, or with one channel for all if there are not two, 0 to 1.
        """
        stereo = magnitudes.shape[-1] == 2
        if not stereo:
            mean = np.sqrt(np.mean(np.square(magnitudes), axis=-1, keepdims=True))
            magnitudes = np.repeat(mean, 2, axis=-1)
        levels_db, raised = (ROUGH_LEVELS_DB, ROUGH_SEMITONES) if roughly else (LEVELS_DB, RAISED_SEMITONES)
        levelled = np.stack([magnitudes * np.float32(10 ** ((shown_db - level_db) / 20)) for shown_db in levels_db])
        summed = np.zeros_like(magnitudes)
        n_answers = np.zeros((N_BINS, 1), np.float32)
        ratios = [2 ** (semitones / 12) for semitones in raised]
        shown = prefetch(_stretch(levelled, 1 / ratio) for ratio in ratios)
        answers = prefetch(np.mean(self.network(each), axis=0) for each in shown)
        for ratio, answer in zip(ratios, answers, strict=True):
            # What lies higher than this was raised out of its sight.
            n_seen = int((N_BINS - 1) / ratio) + 1
            summed[:, :n_seen] += _stretch(answer, ratio)[:, :n_seen]
            n_answers[:n_seen] += 1
        # What no key has shown is as the bins below it.
        n_shown = int(n_answers.astype(bool).sum())
        summed[:, n_shown:] = summed[:, n_shown - TOP_BINS : n_shown].mean(axis=1, keepdims=True)
        share = (summed / np.maximum(n_answers, 1)) ** np.float32(BOLDNESS)
        return np.asarray(share if stereo else np.mean(share, axis=-1, keepdims=True))


def load_separator(path: Path | None = None) -> Separator:
    """Open a separator.

    Args:
        path: Its folder; the shipped one if not given.

    Returns:
        The separator, its file verified against its sum.

    Raises:
        ModelError: It is missing, damaged, or no separator.
    """
    folder = open_folder(path or SHIPPED, kind=KIND, max_bytes=MAX_BYTES)
    return Separator(
        open_network(
            "separator",
            quick_dtype(),
            read=lambda expected: folder.arrays(WEIGHTS, stored_types(expected)),
            shapes=[INPUT_SHAPE],
        )
    )


def _cut_windows(blocks: Iterator[Array]) -> Iterator[tuple[Array, int]]:
    """Windows of `WINDOW_SAMPLES`, `CORE_SAMPLES` apart, the first `LEAD_SAMPLES` before the recording.

    With each comes how many of its samples, from its start, nothing later adds to; zeros lie around the recording.
    """
    first = next(blocks, None)
    if first is None:
        return
    held, n_held = [np.zeros((LEAD_SAMPLES, first.shape[1]), np.float32), first], LEAD_SAMPLES + len(first)
    for block in blocks:
        held.append(block)
        n_held += len(block)
        while n_held >= WINDOW_SAMPLES:
            joined = np.concatenate(held)
            yield joined[:WINDOW_SAMPLES], CORE_SAMPLES
            held, n_held = [joined[CORE_SAMPLES:]], n_held - CORE_SAMPLES
    joined = np.concatenate(held)
    while len(joined):
        missing = max(0, WINDOW_SAMPLES - len(joined))
        yield np.pad(joined[:WINDOW_SAMPLES], ((0, missing), (0, 0))), min(CORE_SAMPLES, len(joined))
        joined = joined[CORE_SAMPLES:]


def _to_spectra(window: Array) -> Array:
    """(WINDOW_SAMPLES, n_channels) to (WINDOW_FRAMES, FRAME_SAMPLES // 2 + 1, n_channels) complex64."""
    frames = np.lib.stride_tricks.sliding_window_view(window, FRAME_SAMPLES, axis=0)[::HOP_SAMPLES]
    return np.asarray(scipy.fft.rfft(frames * HANN, axis=-1)).transpose(0, 2, 1)


def _stretch(values: Array, ratio: float) -> Array:
    """(..., N_BINS, 2) read at `ratio` times each bin's place, in a straight line between bins."""
    if ratio == 1:
        return values
    place = np.minimum(np.arange(N_BINS) * ratio, N_BINS - 1)
    low = np.minimum(place.astype(int), N_BINS - 2)
    above = (place - low).astype(np.float32)[:, None]
    return np.asarray(values[..., low, :] * (1 - above) + values[..., low + 1, :] * above)


def _overlap_add(spectra: Array) -> Array:
    """(n, n_bins, n_channels) back to samples (n * HOP_SAMPLES + LEAD_SAMPLES, n_channels)."""
    frames = np.asarray(scipy.fft.irfft(spectra.transpose(0, 2, 1), FRAME_SAMPLES, axis=-1)) * (HANN / OVERLAP_SUM)
    n_frames, n_channels, _ = frames.shape
    summed = np.zeros((n_frames + LEAD_SAMPLES // HOP_SAMPLES, HOP_SAMPLES, n_channels), np.float32)
    for i, part in enumerate(np.split(frames, FRAME_SAMPLES // HOP_SAMPLES, axis=-1)):
        summed[i : i + n_frames] += part.transpose(0, 2, 1)
    return summed.reshape(-1, n_channels)


def _crossfade(before: Array | None, share: Array) -> Array:
    """A window's share, its beginning faded in from the end of the window before."""
    if before is None:
        return share
    faded_frames = OVERLAP_FRAMES - 2 * EDGE_FRAMES
    new = np.clip((np.arange(OVERLAP_FRAMES, dtype=np.float32) + 0.5 - EDGE_FRAMES) / faded_frames, 0, 1)[:, None, None]
    return np.concatenate([before * (1 - new) + share[:OVERLAP_FRAMES] * new, share[OVERLAP_FRAMES:]])


def _extend(share: Array) -> Array:
    """The share for all bins of the transform."""
    n_above = FRAME_SAMPLES // 2 + 1 - N_BINS
    return np.concatenate([share, np.repeat(share[:, -TOP_BINS:].mean(axis=1, keepdims=True), n_above, axis=1)], axis=1)
