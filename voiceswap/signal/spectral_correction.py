"""Samples brought nearer to the mel that they were made from: what a vocoder says a little wrong is put right."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.signal import ShortTimeFFT

from voiceswap.arrays import Array
from voiceswap.config import FeatureConfig
from voiceswap.signal.features import decoder_mel, mel_filters

# In natural-log units: 13 dB up or down at most.
MAX_CORRECTION = 1.5


@lru_cache(maxsize=8)
def _share_bands(config: FeatureConfig) -> Array:
    """How the bands' gains share in each bin's, (n_mels, n_bins): above and below all bands the outermost one's."""
    bands = mel_filters(config.mel_rate_hz, config.n_fft, config.n_mels, config.mel_max_hz)
    covered = np.flatnonzero(bands.sum(axis=0))
    shares = np.asarray(bands / np.maximum(bands.sum(axis=0), 1e-9))
    shares[0, : covered[0]] = shares[-1, covered[-1] + 1 :] = 1.0
    return shares


def correct_mel(samples: Array, mel: Array, config: FeatureConfig) -> Array:
    """Raise and lower each band of the samples, frame by frame, by what it lacks of a mel; phases stay.

    Args:
        samples: Shape (n_frames * hop_samples,), float32, at `mel_rate_hz`: made from the mel.
        mel: Shape (n_frames, n_mels), natural log.
        config: Framing.

    Returns:
        The same shape, float32. Its mel is nearer to the one asked for, not equal: neighbouring frames overlap.
    """
    if not len(mel):
        return samples
    lacking = np.clip(mel - decoder_mel(samples, config), -MAX_CORRECTION, MAX_CORRECTION)
    gains = np.exp(lacking @ _share_bands(config)).T
    # Its slices are centred on multiples of the hop, frames half a hop later, hence the padding by half a hop. Slices
    # overlap by all but a hop, so that a gain acts on its frame and fades into the next ones:
    #
    #     frame i      |------*------|
    #     frame i + 1     |------*------|
    hop, shift = config.hop_samples, config.hop_samples // 2
    transform = ShortTimeFFT(np.hanning(config.n_fft + 1)[:-1], hop, config.mel_rate_hz, mfft=config.n_fft)
    # It takes no less than half a window.
    padded = np.pad(samples.astype(np.float64), (shift, config.n_fft // 2))
    spectra = transform.stft(padded)
    frame = np.clip(np.arange(spectra.shape[1]) + transform.p_min - 1, 0, len(mel) - 1)
    corrected = transform.istft(spectra * gains[:, frame], k1=len(padded))
    return np.asarray(corrected[shift : shift + len(samples)], dtype=np.float32)
