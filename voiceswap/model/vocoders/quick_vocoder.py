"""The quick vocoder: pulses and noise, filtered in the short-time spectrum as a small network says.

    mel, melody -- network --> filters, two sets a frame ----.
    melody -- pulses, noise -- short-time spectra -----------+-- product -- inverse, overlap-add --> samples

The network works at the mel's rate, a 256th of the samples'; hence its speed. Filtering an excitation's spectrum is
the source-filter model of speech (Fant, 1960), with a network in the throat's place (Wang et al., 2019). Spectra of
256 bands of pulses and of noise are what WORLD synthesises from, too (Morise et al., 2016); a complex gain also says
where in its period a harmonic's energy lies.

Training uses the functions here as well (`training/base/quick_vocoder.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.fft import irfft, rfft

from voiceswap import compute
from voiceswap.arrays import Array
from voiceswap.config import Config, FeatureConfig
from voiceswap.model.decoder import MEL_CENTRE, MEL_SCALE
from voiceswap.model.runtime import Network
from voiceswap.model.vocoders import Melody
from voiceswap.model.vocoders.blocks import count_padding, render_blocks, want_all
from voiceswap.signal.excitation import draw_noise, follow_melody, make_pulses
from voiceswap.signal.features import F0_CENTRE_HZ, SILENT_MEL, harmonic_comb, mel_filters

# Six seconds: of shorter blocks the context would be a larger share.
BLOCK_FRAMES = 512
INPUT_KERNEL_FRAMES = 5
# Beside mel and harmonic comb: log F0, voicing, and whether there is sound above the mel's bands.
N_SCALARS = 3
COMB_SCALE = 2.0
# What the network says of each bin: level, real and imaginary part of the pulses' gain; level of the noise, and how far
# it swells with cosine and sine of the fundamental's phase.
N_PARTS = 6
# Gains before any training: pulses as loud as the mel, noise a little softer; and the limits of both, natural log.
NOISE_LEVEL = -1.5
LEVEL_LIMITS = (-14.0, 6.0)


def count_inputs(config: Config) -> int:
    """How many numbers the network is given a frame."""
    return 2 * config.features.n_mels + N_SCALARS


def count_steps(config: Config) -> int:
    """How many sets of filters there are a frame."""
    return config.features.hop_samples // config.quick_vocoder.step_samples


def count_bins(config: Config) -> int:
    """How many bins a spectrum has."""
    return config.quick_vocoder.n_fft // 2 + 1


def count_filters(config: Config) -> int:
    """How many numbers the network gives a frame."""
    return count_steps(config) * N_PARTS * count_bins(config)


def make_inputs(mel: Array, f0_hz: Array, voiced: Array, config: FeatureConfig, *, is_wide: bool = True) -> Array:
    """What the network is given.

    Args:
        mel: Shape (n_frames, n_mels), natural log.
        f0_hz: Shape (n_frames,), interpolated through unvoiced frames; 0.0 where there is none at all.
        voiced: Shape (n_frames,), bool.
        config: Framing and bands.
        is_wide: Whether there is to be sound above the mel's bands.

    Returns:
        Shape (n_frames, 2 * n_mels + 3), float32: mel and harmonic comb, scaled, log F0 over 150 Hz, voiced, wide.
    """
    tone = np.where(f0_hz > 0, np.log(np.maximum(f0_hz, 1.0) / F0_CENTRE_HZ), 0.0)
    scalars = np.stack([tone, voiced, np.full(len(mel), is_wide)], axis=-1)
    columns = [(mel - MEL_CENTRE) / MEL_SCALE, harmonic_comb(f0_hz, config) / COMB_SCALE, scalars]
    return np.concatenate(columns, axis=-1).astype(np.float32)


@dataclass(frozen=True)
class MelSpread:
    """What makes a spectrum's level of a mel.

    Attributes:
        offset: Shape (n_mels,), the log of each band's sum, which a mel has in it.
        bins: Shape (n_mels, n_bins): straight lines between the bands' centres.
    """

    offset: Array
    bins: Array


@lru_cache(maxsize=4)
def spread_mel(features: FeatureConfig, n_fft: int) -> MelSpread:
    """What makes a level, natural log, on the bins of `n_fft` points of a mel."""
    bands = mel_filters(features.mel_rate_hz, features.n_fft, features.n_mels, features.mel_max_hz)
    centres = (bands * np.arange(bands.shape[1])).sum(axis=1) / bands.sum(axis=1)
    bins = np.arange(n_fft // 2 + 1) * (features.n_fft / n_fft)
    lines = [np.interp(bins, centres, band) for band in np.eye(features.n_mels)]
    offset = np.log(bands.sum(axis=1) + 1e-9)
    return MelSpread(offset.astype(np.float32), np.stack(lines).astype(np.float32))


def step_weights(n_steps: int) -> Array:
    """How a frame's neighbours share in the mel of each of its steps: (n_steps, 3), before, itself, after.

    frames    |-------*-------|-------*-------|       * centres
    steps     |---*---|---*---|---*---|---*---|
    """
    offset = (np.arange(n_steps) + 0.5) / n_steps - 0.5
    before = np.maximum(-offset, 0)
    after = np.maximum(offset, 0)
    return np.stack([before, 1 - before - after, after], axis=-1).astype(np.float32)


@lru_cache(maxsize=4)
def analysis_window(n_fft: int) -> Array:
    """Hann's, (n_fft,) float32."""
    return np.hanning(n_fft + 1)[:-1].astype(np.float32)


def overlap_sum(n_fft: int, step_samples: int) -> float:
    """What the squares of overlapping windows add up to, everywhere."""
    return 3 / 8 * n_fft / step_samples


def noise_scale(config: FeatureConfig) -> float:
    """What noise is multiplied by, so that its spectrum is of about unit size in the mel's windows."""
    return float((3 / 8 * config.n_fft) ** -0.5)


@dataclass(frozen=True)
class Excitation:
    """What is filtered, sample by sample.

    Attributes:
        pulses: Shape (n_samples,), float32.
        noise: Shape (n_samples,), float32.
        cosine: Shape (n_samples,), float32: of the fundamental's phase.
        sine: The same.
    """

    pulses: Array
    noise: Array
    cosine: Array
    sine: Array


class QuickVocoder:
    """Samples from mels and melodies of any length, in blocks that overlap by as much as the network sees.

    Args:
        network: Of `graphs.quick_vocoder`.
        config: The settings it was built with.
    """

    def __init__(self, network: Network, config: Config) -> None:
        self.network = network
        self.config = config
        self._features = config.features
        self._size = config.quick_vocoder
        # Frames to either side whose filters reach into one: half a window of either end of it.
        self._overlap_frames = -(-self._size.n_fft // 2 // config.features.hop_samples)
        self._margin = (self._size.n_fft - self._size.step_samples) // 2

    @property
    def context_frames(self) -> int:
        """Frames to either side that can change the samples of one."""
        reach = INPUT_KERNEL_FRAMES // 2 + self._size.n_blocks * (self._size.kernel_frames // 2)
        return reach + self._overlap_frames

    def prepare(self) -> None:
        """Build what the first block needs, which takes tenths of a second; nothing the second time."""
        self.network.prepare()

    def __call__(
        self, mel: Array, melody: Melody, wanted: Array | None = None, stopped: Callable[[], bool] | None = None
    ) -> Array:
        """Make the waveform.

        Args:
            mel: Shape (n_frames, n_mels), natural log.
            melody: Of the same frames.
            wanted: Shape (n_frames,), bool: which frames are to be heard; all if not given.
            stopped: Asked before each block of six seconds; True leaves zeros from there on.

        Returns:
            Shape (n_frames * hop_samples,), float32, about [-1, 1], at `mel_rate_hz`; zeros where longer pieces are
            not wanted.
        """
        n_frames = len(mel)
        context = self.context_frames
        if not n_frames:
            return np.zeros(0, np.float32)
        padding = (context, context + count_padding(n_frames, BLOCK_FRAMES))
        padded_mel = np.pad(mel.astype(np.float32), (padding, (0, 0)), constant_values=SILENT_MEL)
        f0_hz = np.pad(melody.f0_hz, padding, mode="edge")
        inputs = make_inputs(padded_mel, f0_hz, np.pad(melody.voiced, padding), self._features)

        def render(first: int, block_frames: int) -> Array:
            padded = slice(first, first + block_frames + 2 * context)
            return self._render(self.network(inputs[None, padded])[0], padded_mel[padded], melody, first)

        hop = self._features.hop_samples
        return render_blocks(want_all(n_frames, wanted), context, BLOCK_FRAMES, hop, render, stopped)

    def _render(self, filters: Array, mel: Array, melody: Melody, first: int) -> Array:
        """The samples of a block, its context left out.

        Args:
            filters: Shape (n_frames, n_filters), the network's.
            mel: Shape (n_frames, n_mels), the same frames.
            melody: Of the whole mel.
            first: The block's first frame in it, after the context.

        Returns:
            Shape ((n_frames - 2 * context_frames) * hop_samples,), float32.
        """
        hop = self._features.hop_samples
        # Only frames whose windows reach into the block are filtered; their mels need a neighbour more.
        spare = self.context_frames - self._overlap_frames
        kept = slice(spare, len(mel) - spare)
        level = spread_level(mel[kept.start - 1 : kept.stop + 1], self.config)
        n_frames = kept.stop - kept.start
        start = (first - self._overlap_frames) * hop - self._margin
        excitation = self._excite(melody, start, n_frames * hop + 2 * self._margin)
        spectra = filter_excitation(filters[kept], level, excitation, self.config)
        samples = overlap_add(spectra, self._size.n_fft, self._size.step_samples)
        cut = self._overlap_frames * hop
        return samples[cut : len(samples) - cut]

    def _excite(self, melody: Melody, first: int, n_samples: int) -> Excitation:
        """Pulses and noise from a sample of the melody's on."""
        f = self._features
        f0_hz, periods = follow_melody(melody.f0_hz, melody.phase, first, n_samples, f)
        pulses = make_pulses(f0_hz, periods, f.mel_rate_hz) / np.float32(f.hop_samples)
        noise = draw_noise(first + melody.first_frame * f.hop_samples, n_samples) * np.float32(noise_scale(f))
        angle = (2 * np.pi * periods).astype(np.float32)
        return Excitation(pulses, noise, np.cos(angle), np.sin(angle))


def spread_level(mel: Array, config: Config) -> Array:
    """How loud each bin is by the mel, at each step.

    Args:
        mel: Shape (n_frames + 2, n_mels), natural log: a frame more at either end.
        config: Framing and bands.

    Returns:
        Shape (n_frames * n_steps, n_bins), natural log, float32.
    """
    spread = spread_mel(config.features, config.quick_vocoder.n_fft)
    # On frames rather than steps, as there are fewer of them.
    level = (mel - spread.offset) @ spread.bins
    around = (level[:-2], level[1:-1], level[2:])
    steps = [
        sum(weight * frames for weight, frames in zip(weights, around, strict=True) if weight)
        for weights in step_weights(count_steps(config))
    ]
    return np.stack(steps, axis=1).reshape(-1, level.shape[1])


def filter_excitation(filters: Array, level: Array, excitation: Excitation, config: Config) -> Array:
    """Spectra of the samples.

    Args:
        filters: Shape (n_frames, n_filters), the network's.
        level: Shape (n_frames * n_steps, n_bins), from `spread_level`.
        excitation: Of the same frames, with (n_fft - step_samples) / 2 samples more at either end.
        config: Sizes.

    Returns:
        Shape (n_frames * n_steps, n_bins), complex64.
    """
    n_steps, n_bins = level.shape
    parts = filters.reshape(n_steps, N_PARTS, n_bins)
    real = parts[:, 1] + 1
    imaginary = parts[:, 2]
    pulse_level = np.exp(np.clip(level + parts[:, 0], *LEVEL_LIMITS))
    pulse_level /= np.sqrt(real * real + imaginary * imaginary + np.float32(1e-6))
    noise_level = np.exp(np.clip(level + (parts[:, 3] + np.float32(NOISE_LEVEL)), *LEVEL_LIMITS))
    gain = np.empty(level.shape, np.complex64)
    gain.real = pulse_level * real
    gain.imag = pulse_level * imaginary

    def spectra_of(samples: Array) -> Array:
        return _short_time_spectra(samples, config.quick_vocoder.n_fft, config.quick_vocoder.step_samples)

    noise = spectra_of(excitation.noise)
    noise += parts[:, 4] * spectra_of(excitation.noise * excitation.cosine)
    noise += parts[:, 5] * spectra_of(excitation.noise * excitation.sine)
    noise *= noise_level
    gain *= spectra_of(excitation.pulses)
    gain += noise
    return gain


def _short_time_spectra(samples: Array, n_fft: int, step_samples: int) -> Array:
    frames = np.lib.stride_tricks.sliding_window_view(samples, n_fft)[::step_samples]
    return np.asarray(rfft(frames * analysis_window(n_fft), axis=-1, workers=compute.get_threads()))


def overlap_add(spectra: Array, n_fft: int, step_samples: int) -> Array:
    """Samples of short-time spectra.

    Args:
        spectra: Shape (n_steps, n_bins), complex64; step i is centred on sample `(i + 0.5) * step_samples`.
        n_fft: Length of a window.
        step_samples: Distance between windows.

    Returns:
        Shape (n_steps * step_samples,), float32.
    """
    window = analysis_window(n_fft) / np.float32(overlap_sum(n_fft, step_samples))
    frames = irfft(spectra, n_fft, axis=-1, workers=compute.get_threads()) * window
    n_overlapping = n_fft // step_samples
    n_steps = len(frames)
    added = np.zeros((n_steps + n_overlapping - 1, step_samples), np.float32)
    for i in range(n_overlapping):
        added[i : i + n_steps] += frames[:, i * step_samples : (i + 1) * step_samples]
    margin = (n_fft - step_samples) // 2
    return added.reshape(-1)[margin : margin + n_steps * step_samples]
