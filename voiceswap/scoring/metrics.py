"""Scores that need nothing but the recordings: is it the target's sound, and the source's melody?"""

from __future__ import annotations

import numpy as np

from voiceswap.arrays import Array
from voiceswap.config import FeatureConfig
from voiceswap.signal import features, loudness
from voiceswap.signal.f0 import MIN_VOICED_FRAMES, estimate_f0


def melody_correlation(source: Array, made: Array, config: FeatureConfig) -> float:
    """Correlation of log F0 over the frames that both voice.

    Args:
        source: Shape (n_samples,), float32, at `mel_rate_hz`.
        made: The same, of its conversion.
        config: Framing.

    Returns:
        -1 to 1; nan if hardly anything is voiced.
    """
    a, b = estimate_f0(source, config), estimate_f0(made, config)
    n = min(len(a), len(b))
    both = (a[:n] > 0) & (b[:n] > 0)
    if both.sum() < MIN_VOICED_FRAMES:
        return float("nan")
    return float(np.corrcoef(np.log(a[:n][both]), np.log(b[:n][both]))[0, 1])


def timbre(samples: Array, config: FeatureConfig) -> Array:
    """The mean log spectrum of a voice, (n_mels,), over its louder half, level taken out.

    Args:
        samples: Shape (n_samples,), float32, at `mel_rate_hz`.
        config: Framing.

    Returns:
        Shape (n_mels,), natural log, zero mean.
    """
    mel = features.decoder_mel(samples, config)
    level = mel.mean(axis=1)
    mean = mel[level >= np.median(level)].mean(axis=0)
    return np.asarray(mean - mean.mean())


def timbre_distance_db(a: Array, b: Array) -> float:
    """Root mean square difference of two timbres, in dB."""
    return float(np.sqrt(np.mean((a - b) ** 2)) * 20 / np.log(10))


def level_db(samples: Array, sample_rate_hz: int) -> float:
    """Level of the sounding parts in dBFS."""
    return loudness.active_level_db(loudness.frame_levels_db(samples, sample_rate_hz))
