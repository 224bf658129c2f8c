"""Framing and log-mels: the encoder's, as Whisper defines it, and the decoder's, as HiFi-GAN defines it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from safetensors.numpy import load
from scipy.fft import rfft
from scipy.ndimage import gaussian_filter1d

from voiceswap import weights
from voiceswap.arrays import Array
from voiceswap.config import FeatureConfig

# Mel filters as librosa makes them, by `mel_filters_name`; tools/store_mel_filters.py writes the file.
STORED_FILTERS = weights.path("mel_filters.safetensors")
# Whisper keeps 80 dB (8 in log10 of power) below the loudest band of a window.
RANGE_LOG10 = 8.0
MEL_FLOOR = 1e-5
SILENT_MEL = float(np.log(MEL_FLOOR))
# The conditions are scaled to about unit size; their zero points are a 150 Hz voice at usual loudness.
F0_CENTRE_HZ = 150.0
ENERGY_SCALE = 3.0
ENERGY_CENTRE = 1.2
# The decoder hears how loud a phrase is, not each sound: that is the speaker's own, and gives the source away
# (docs/lab/identity.md). A Gaussian of 10 frames (0.12 s), cut off at three times that.
ENERGY_SIGMA_FRAMES = 10
ENERGY_REACH_FRAMES = 30
# Grid and floor of the harmonic comb.
COMB_STEP_CENTS = 5.0
COMB_FLOOR = -4.0


def find_runs(where: Array) -> list[tuple[int, int]]:
    """Ranges [start, stop) in which (n,) bool is true."""
    edges = np.flatnonzero(np.diff(np.pad(where.astype(np.int8), 1)))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


@lru_cache(maxsize=8)
def mel_filters(sample_rate_hz: int, n_fft: int, n_mels: int, max_hz: float) -> Array:
    """Slaney's mel filters, `(n_mels, n_fft // 2 + 1)` float32, from 0 Hz to `max_hz`: librosa's.

    Those of the shipped networks are stored: importing librosa takes over a second.
    """
    stored = _load_stored_filters().get(mel_filters_name(sample_rate_hz, n_fft, n_mels, max_hz))
    return make_mel_filters(sample_rate_hz, n_fft, n_mels, max_hz) if stored is None else stored


def mel_filters_name(sample_rate_hz: int, n_fft: int, n_mels: int, max_hz: float) -> str:
    """What these filters are called where they are stored."""
    return f"{sample_rate_hz} Hz, {n_fft} points, {n_mels} bands to {max_hz:g} Hz"


def make_mel_filters(sample_rate_hz: int, n_fft: int, n_mels: int, max_hz: float) -> Array:
    """What `mel_filters` gives, by librosa."""
    from librosa.filters import mel

    filters = mel(sr=sample_rate_hz, n_fft=n_fft, n_mels=n_mels, fmin=0.0, fmax=max_hz)
    return np.asarray(filters, dtype=np.float32)


@lru_cache(maxsize=1)
def _load_stored_filters() -> dict[str, Array]:
    return load(STORED_FILTERS.read_bytes())


def stft_magnitudes(samples: Array, n_fft: int, hop_samples: int) -> Array:
    """Hann-windowed magnitude spectra of frames that lie wholly inside `samples`.

    Args:
        samples: Shape (n_samples,), float32.
        n_fft: Frame length.
        hop_samples: Distance between frames.

    Returns:
        Shape (1 + (n_samples - n_fft) // hop_samples, n_fft // 2 + 1), float32; no rows where not one frame fits in.
    """
    if len(samples) < n_fft:
        return np.zeros((0, n_fft // 2 + 1), np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(samples, n_fft)[::hop_samples]
    window = np.hanning(n_fft + 1)[:-1].astype(np.float32)
    return np.abs(rfft(frames * window, axis=-1)).astype(np.float32)


def encoder_mel(samples: Array, config: FeatureConfig) -> Array:
    """The encoder's mel before normalisation.

    Args:
        samples: Shape (n_samples,), float32, at `content_rate_hz`.
        config: Framing; frame i is centred on sample `i * content_hop_samples`.

    Returns:
        Shape (n_samples // content_hop_samples, content_n_mels), log10 of power, float32.
    """
    pad = config.content_n_fft // 2
    spectra = stft_magnitudes(_pad_by_reflection(samples, pad, pad), config.content_n_fft, config.content_hop_samples)
    bands = mel_filters(config.content_rate_hz, config.content_n_fft, config.content_n_mels, config.content_rate_hz / 2)
    mel = np.log10(np.maximum(spectra**2 @ bands.T, 1e-10))
    return np.asarray(mel[: len(samples) // config.content_hop_samples])


def normalise_encoder_mel(mel: Array) -> Array:
    """Whisper's scaling of one window's `(n_frames, content_n_mels)`: clipped to its loudest 80 dB, about [-1, 1]."""
    return np.asarray((np.maximum(mel, mel.max() - RANGE_LOG10) + 4) / 4)


def decoder_mel(samples: Array, config: FeatureConfig) -> Array:
    """The decoder's and vocoder's mel.

    Args:
        samples: Shape (n_samples,), float32, at `mel_rate_hz`.
        config: Framing; frame i is centred on sample `(i + 0.5) * hop_samples`.

    Returns:
        Shape (n_samples // hop_samples, n_mels), natural log of magnitude, at least log(1e-5), float32.
    """
    pad = (config.n_fft - config.hop_samples) // 2
    spectra = stft_magnitudes(_pad_by_reflection(samples, pad, pad), config.n_fft, config.hop_samples)
    bands = mel_filters(config.mel_rate_hz, config.n_fft, config.n_mels, config.mel_max_hz)
    return np.asarray(np.log(np.maximum(np.sqrt(spectra**2 + 1e-9) @ bands.T, MEL_FLOOR)))


@lru_cache(maxsize=4)
def _make_comb_table(config: FeatureConfig) -> tuple[Array, Array]:
    """Log F0 of a grid, (n,), and the comb of each, (n, n_mels)."""
    n_steps = 1 + round(1200 * np.log2(config.f0_max_hz / config.f0_min_hz) / COMB_STEP_CENTS)
    log_f0 = np.linspace(np.log(config.f0_min_hz), np.log(config.f0_max_hz), n_steps)
    bands = mel_filters(config.mel_rate_hz, config.n_fft, config.n_mels, config.mel_max_hz)
    bin_hz = config.mel_rate_hz / config.n_fft
    position = np.arange(bands.shape[1]) * bin_hz / np.exp(log_f0)[:, None]
    spectrum = np.zeros_like(position)
    # Each bin hears the harmonics next to it through the main lobe and the first side lobes of Hann's window.
    for neighbour in (-1, 0, 1, 2):
        harmonic = np.floor(position) + neighbour
        offset = (position - harmonic) * np.exp(log_f0)[:, None] / bin_hz
        # Off by a hair from the poles of the window's transform.
        offset = np.where(np.abs(np.abs(offset) - 1) < 1e-6, 1 + 1e-6, offset)
        spectrum += np.abs(np.sinc(offset) / (1 - offset**2)) * (harmonic >= 1)
    spectrum *= np.exp(log_f0)[:, None] / bin_hz
    combs = np.log(np.maximum(spectrum @ (bands / bands.sum(axis=1, keepdims=True)).T, np.exp(COMB_FLOOR)))
    return log_f0, combs.astype(np.float32)


def harmonic_comb(f0_hz: Array, config: FeatureConfig) -> Array:
    """Where the harmonics of an F0 lie on the mel's bands: the log-mel of a pulse train, its mean about zero.

    A number for F0 leaves a network to learn by itself which bands light up at 203 Hz; this says so, also for notes
    that a voice's recordings never reached.

    Args:
        f0_hz: Shape (n_frames,), 0.0 = none.
        config: Framing and bands.

    Returns:
        Shape (n_frames, n_mels), float32, -4 to about 2; zeros where there is no F0.
    """
    log_f0, combs = _make_comb_table(config)
    place = np.interp(np.log(np.maximum(f0_hz, 1.0)), log_f0, np.arange(len(log_f0)))
    low = np.minimum(place.astype(int), len(log_f0) - 2)
    share = (place - low)[:, None].astype(np.float32)
    return np.asarray((combs[low] * (1 - share) + combs[low + 1] * share) * (f0_hz > 0)[:, None].astype(np.float32))


def conditions(mel: Array, f0_hz: Array, voiced: Array, config: FeatureConfig) -> Array:
    """What goes around the encoder: voicing, F0, loudness, and where the harmonics lie.

    Args:
        mel: Shape (n_frames, n_mels), natural log; only its loudness is used, smoothed over `ENERGY_REACH_FRAMES`.
        f0_hz: Shape (n_frames,), F0 interpolated through unvoiced frames; 0.0 where there is none at all.
        voiced: Shape (n_frames,), bool.
        config: Framing and bands.

    Returns:
        Shape (n_frames, 3 + n_mels), float32: voiced (0 or 1), log F0 over 150 Hz, scaled log energy, harmonic comb.
    """
    pitch = np.where(f0_hz > 0, np.log(np.maximum(f0_hz, 1.0) / F0_CENTRE_HZ), 0.0)
    level = np.exp(mel.astype(np.float32)).mean(axis=-1)
    level = gaussian_filter1d(level, ENERGY_SIGMA_FRAMES, mode="nearest", radius=ENERGY_REACH_FRAMES)
    energy = np.log(level + MEL_FLOOR) / ENERGY_SCALE + ENERGY_CENTRE
    scalars = np.stack([voiced, pitch, energy], axis=-1).astype(np.float32)
    return np.concatenate([scalars, harmonic_comb(f0_hz, config)], axis=-1)


def decoder_inputs(
    content: Array,
    mel: Array,
    f0_hz: Array,
    voiced: Array,
    config: FeatureConfig,
    first_frame: int = 0,
    first_vector: int = 0,
) -> tuple[Array, Array]:
    """What a decoder is given, in training and in conversion alike.

    Args:
        content: Shape (n_vectors, content_dim); its row j stands at (first_vector + j) / content_per_s seconds.
        mel: Shape (n_frames, n_mels), natural log; only its loudness is used, smoothed over `ENERGY_REACH_FRAMES`.
        f0_hz: Shape (n_frames,), interpolated through unvoiced frames; 0.0 where there is none at all.
        voiced: Shape (n_frames,), bool.
        config: Framing and bands.
        first_frame: Which mel frame comes first; frame i stands at (i + 0.5) / frames_per_s seconds.
        first_vector: Which vector is the content's first row.

    Returns:
        Content (n_frames, content_dim) and conditions (n_frames, 3 + n_mels), float32.
    """
    at_frames = content_at_frames(content, first_frame, len(mel), config, first_vector)
    return at_frames, conditions(mel, f0_hz, voiced, config)


def content_at_frames(
    content: Array, first_frame: int, n_frames: int, config: FeatureConfig, first_vector: int = 0
) -> Array:
    """Content interpolated to the decoder's frames.

    Args:
        content: Shape (n_vectors, content_dim); its row j stands at (first_vector + j) / content_per_s seconds.
        first_frame: Which mel frame comes first; frame i stands at (i + 0.5) / frames_per_s seconds.
        n_frames: How many.
        config: Both rates.
        first_vector: Which vector is the content's first row.

    Returns:
        Shape (n_frames, content_dim), float32; the first and last vectors are held beyond the ends.
    """
    position = (np.arange(first_frame, first_frame + n_frames) + 0.5) * (config.content_per_s / config.frames_per_s)
    position = np.clip(position - first_vector, 0, len(content) - 1)
    low = np.minimum(position.astype(int), max(len(content) - 2, 0))
    high = np.minimum(low + 1, len(content) - 1)
    share = (position - low)[:, None].astype(np.float32)
    return np.asarray(content[low].astype(np.float32) * (1 - share) + content[high].astype(np.float32) * share)


def _pad_by_reflection(samples: Array, left: int, right: int) -> Array:
    # Too short to be mirrored: silence around it.
    if len(samples) <= max(left, right):
        return np.pad(samples, (left, right))
    return np.pad(samples, (left, right), mode="reflect")
