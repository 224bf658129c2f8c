"""The separator: the vocal network of Spleeter's two stems (Hennequin et al., 2020; MIT), a mix in, its singing out.

A U-Net looks at 12 s of a magnitude spectrogram and says for each bin which share of it is voice. What remains of the
mix is the accompaniment: `mix - vocals`, so that both always add up to the mix.

    window k       |--edge--|--fade--|--------------- ----------------|--fade--|--edge--|
    window k + 1                                                      |--edge--|--fade--|------ ...
    mask           ... from k .......................................... fading ... from k + 1

Windows lie on a grid that begins with the recording, so the result does not depend on how the recording is cut into
blocks. Where two windows overlap, the mask of one fades into that of the other over `fade`, and the masks at a window's
own edges are not used. Masks are mixed, not waveforms, so that nothing cancels.
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
from voiceswap.model.runtime import Network, open_network
from voiceswap.model.weights import HALF
from voiceswap.storage.folder import Expected, open_folder

KIND = "separator"
WEIGHTS = "vocals"
MAX_BYTES = 30_000_000
SHIPPED = weights.path("separator")
# Smaller kernels stay in single precision: rounding them changes the mask most and saves little
# (docs/lab/separation.md).
MIN_HALF_VALUES = 300_000

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
# The network sees the bins below 11 kHz; those above are masked as the topmost 2 kHz of these are on average.
DOWN_CHANNELS = (16, 32, 64, 128, 256, 512)
UP_CHANNELS = (256, 128, 64, 32, 16, 1)
KERNEL = 5
SLOPE = 0.2
# What the first frame of a window lacks of its neighbours before it.
LEAD_SAMPLES = FRAME_SAMPLES - HOP_SAMPLES
WINDOW_SAMPLES = (WINDOW_FRAMES - 1) * HOP_SAMPLES + FRAME_SAMPLES
# The network errs differently at each loudness and in each key: it sees a window at these levels, transposed up by so
# many semitones, and the mean of its masks counts (docs/lab/separation.md).
LEVELS_DB = (-21.0, -12.0)
TRANSPOSITIONS_SEMITONES = (0, 3, 5)
# The first level and the second key alone are enough to tell whether there is a voice at all, and how loud.
ROUGH_LEVELS_DB = LEVELS_DB[:1]
ROUGH_TRANSPOSITIONS_SEMITONES = TRANSPOSITIONS_SEMITONES[1:2]
# The power to which that mean is raised: below 1, less of the voice is lost for a little more accompaniment in it.
MASK_EXPONENT = 0.8

HANN = np.hanning(FRAME_SAMPLES + 1)[:-1].astype(np.float32)
# What squared windows, a hop apart, add up to.
OVERLAP_SUM = np.float32(1.5)


def stored_types(expected: Expected) -> Expected:
    """Names, shapes and safetensors types of the shipped weights: the smaller ones in single precision."""
    return {
        name: (shape, HALF if np.prod(shape) >= MIN_HALF_VALUES else "F32") for name, (shape, _) in expected.items()
    }


class Separator:
    """The singing in recordings at 44.1 kHz of any length, in flat memory.

    Args:
        network: Of `graphs.separator`.
    """

    def __init__(self, network: Network) -> None:
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
            closing(prefetch((_to_spectra(window), n_final) for window, n_final in _cut_windows(blocks))) as windows,
            closing(prefetch(self._mask_windows(windows, level_db, roughly))) as masked,
        ):
            for spectra, mask, n_final in masked:
                samples = _overlap_add(spectra * _extend_mask(mask))
                samples[:LEAD_SAMPLES] += tail
                tail = samples[CORE_SAMPLES:]
                yield samples[n_skipped:n_final]
                n_skipped = 0

    def _mask_windows(
        self, windows: Iterator[tuple[Array, int]], level_db: float, roughly: bool
    ) -> Iterator[tuple[Array, Array, int]]:
        """The core of each window's spectra, and the mask for it, blended where two windows overlap."""
        overlap: Array | None = None
        for spectra, n_final in windows:
            mask = _crossfade(overlap, self.find_share(np.abs(spectra[:, :N_BINS]), level_db, roughly=roughly))
            overlap = mask[CORE_FRAMES:]
            yield spectra[:CORE_FRAMES], mask[:CORE_FRAMES], n_final

    def find_share(self, magnitudes: Array, level_db: float, *, roughly: bool = False) -> Array:
        """The voice's share in each bin.

        Args:
            magnitudes: Shape (WINDOW_FRAMES, N_BINS, n_channels), of a Hann-windowed transform of `FRAME_SAMPLES`.
            level_db: How loud the mix is on the whole.
            roughly: Whether one look at it is enough.

        Returns:
            The same shape, or with one channel for all if there are not two, 0 to 1.
        """
        is_stereo = magnitudes.shape[-1] == 2
        if not is_stereo:
            mean = np.sqrt(np.mean(np.square(magnitudes), axis=-1, keepdims=True))
            magnitudes = np.repeat(mean, 2, axis=-1)
        input_levels_db = ROUGH_LEVELS_DB if roughly else LEVELS_DB
        transpositions_semitones = ROUGH_TRANSPOSITIONS_SEMITONES if roughly else TRANSPOSITIONS_SEMITONES
        gains = [np.float32(10 ** ((input_db - level_db) / 20)) for input_db in input_levels_db]
        levelled = np.stack([magnitudes * gain for gain in gains])
        mask_sum = np.zeros_like(magnitudes)
        n_masks = np.zeros((N_BINS, 1), np.float32)
        ratios = [2 ** (semitones / 12) for semitones in transpositions_semitones]
        inputs = prefetch(_stretch(levelled, 1 / ratio) for ratio in ratios)
        masks = prefetch(np.mean(self.network(batch), axis=0) for batch in inputs)
        for ratio, mask in zip(ratios, masks, strict=True):
            # Higher bins were transposed beyond the last bin that the network sees.
            n_visible = int((N_BINS - 1) / ratio) + 1
            mask_sum[:, :n_visible] += _stretch(mask, ratio)[:, :n_visible]
            n_masks[:n_visible] += 1
        # Bins that were visible in no key get the mean of those just below.
        n_masked = int(n_masks.astype(bool).sum())
        mask_sum[:, n_masked:] = mask_sum[:, n_masked - TOP_BINS : n_masked].mean(axis=1, keepdims=True)
        share = (mask_sum / np.maximum(n_masks, 1)) ** np.float32(MASK_EXPONENT)
        return np.asarray(share if is_stereo else np.mean(share, axis=-1, keepdims=True))


def load_separator(path: Path | None = None) -> Separator:
    """Open a separator.

    Args:
        path: Its folder; the shipped one if not given.

    Returns:
        The separator, its file verified against its sum.

    Raises:
        ModelError: It is missing, damaged, or no separator.
    """
    folder = open_folder(path or SHIPPED, kind=KIND, max_bytes=MAX_BYTES, hold=False)
    return Separator(open_network("separator", read=lambda expected: folder.arrays(WEIGHTS, stored_types(expected))))


def _cut_windows(blocks: Iterator[Array]) -> Iterator[tuple[Array, int]]:
    """Windows of `WINDOW_SAMPLES`, `CORE_SAMPLES` apart, the first `LEAD_SAMPLES` before the recording.

    With each comes how many of its first samples are final, as no later window adds to them. Zeros lie around the
    recording.
    """
    first = next(blocks, None)
    if first is None:
        return
    pending = [np.zeros((LEAD_SAMPLES, first.shape[1]), np.float32), first]
    n_pending = LEAD_SAMPLES + len(first)
    for block in blocks:
        pending.append(block)
        n_pending += len(block)
        while n_pending >= WINDOW_SAMPLES:
            samples = np.concatenate(pending)
            yield samples[:WINDOW_SAMPLES], CORE_SAMPLES
            pending = [samples[CORE_SAMPLES:]]
            n_pending -= CORE_SAMPLES
    samples = np.concatenate(pending)
    while len(samples):
        n_missing = max(0, WINDOW_SAMPLES - len(samples))
        yield np.pad(samples[:WINDOW_SAMPLES], ((0, n_missing), (0, 0))), min(CORE_SAMPLES, len(samples))
        samples = samples[CORE_SAMPLES:]


def _to_spectra(window: Array) -> Array:
    """(WINDOW_SAMPLES, n_channels) to (WINDOW_FRAMES, FRAME_SAMPLES // 2 + 1, n_channels) complex64."""
    frames = np.lib.stride_tricks.sliding_window_view(window, FRAME_SAMPLES, axis=0)[::HOP_SAMPLES]
    return np.asarray(scipy.fft.rfft(frames * HANN, axis=-1)).transpose(0, 2, 1)


def _stretch(values: Array, ratio: float) -> Array:
    """(..., N_BINS, 2) read at `ratio` times each bin's position, interpolated linearly between bins."""
    if ratio == 1:
        return values
    position = np.minimum(np.arange(N_BINS) * ratio, N_BINS - 1)
    lower = np.minimum(position.astype(int), N_BINS - 2)
    upper_weight = (position - lower).astype(np.float32)[:, None]
    return np.asarray(values[..., lower, :] * (1 - upper_weight) + values[..., lower + 1, :] * upper_weight)


def _overlap_add(spectra: Array) -> Array:
    """(n, n_bins, n_channels) back to samples (n * HOP_SAMPLES + LEAD_SAMPLES, n_channels)."""
    frames = np.asarray(scipy.fft.irfft(spectra.transpose(0, 2, 1), FRAME_SAMPLES, axis=-1)) * (HANN / OVERLAP_SUM)
    n_frames, n_channels, _ = frames.shape
    summed = np.zeros((n_frames + LEAD_SAMPLES // HOP_SAMPLES, HOP_SAMPLES, n_channels), np.float32)
    for i, hop in enumerate(np.split(frames, FRAME_SAMPLES // HOP_SAMPLES, axis=-1)):
        summed[i : i + n_frames] += hop.transpose(0, 2, 1)
    return summed.reshape(-1, n_channels)


def _crossfade(overlap: Array | None, mask: Array) -> Array:
    """A window's mask, its beginning faded in from the end of the previous window's."""
    if overlap is None:
        return mask
    fade_frames = OVERLAP_FRAMES - 2 * EDGE_FRAMES
    fade_in = np.clip((np.arange(OVERLAP_FRAMES, dtype=np.float32) + 0.5 - EDGE_FRAMES) / fade_frames, 0, 1)
    fade_in = fade_in[:, None, None]
    return np.concatenate([overlap * (1 - fade_in) + mask[:OVERLAP_FRAMES] * fade_in, mask[OVERLAP_FRAMES:]])


def _extend_mask(mask: Array) -> Array:
    """The mask for all bins of the transform: above the network's, the mean of its highest."""
    n_above = FRAME_SAMPLES // 2 + 1 - N_BINS
    above = np.repeat(mask[:, -TOP_BINS:].mean(axis=1, keepdims=True), n_above, axis=1)
    return np.concatenate([mask, above], axis=1)
