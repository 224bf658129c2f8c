"""Formants of a mel, moved while its harmonics stay."""

from __future__ import annotations

import numpy as np
from scipy.fft import dct, idct

from voiceswap.arrays import Array
from voiceswap.config import FeatureConfig
from voiceswap.signal.features import mel_filters

# So many cepstral coefficients hold the envelope and not the harmonics.
ENVELOPE_COEFFICIENTS = 14


def shift_formants(mel: Array, semitones: float, config: FeatureConfig) -> Array:
    """Move the formants of a mel.

    Args:
        mel: Shape (n_frames, n_mels), natural log.
        semitones: How far up; 3 semitones are a vocal tract shorter by 16 %.
        config: Bands.

    Returns:
        The same shape, float32; the mel itself for 0.
    """
    if not semitones:
        return mel
    bands = mel_filters(config.mel_rate_hz, config.n_fft, config.n_mels, config.mel_max_hz)
    centres = bands @ np.arange(bands.shape[1]) / bands.sum(axis=1)  # In bins of the spectrum.
    cepstrum = dct(mel, axis=-1, norm="ortho")
    cepstrum[:, ENVELOPE_COEFFICIENTS:] = 0
    envelope = idct(cepstrum, axis=-1, norm="ortho")
    place = np.interp(centres / 2 ** (semitones / 12), centres, np.arange(len(centres)))
    low = np.minimum(place.astype(int), len(centres) - 2)
    share = place - low
    shifted = envelope[:, low] * (1 - share) + envelope[:, low + 1] * share
    return np.asarray(mel + shifted - envelope, dtype=np.float32)
