"""Breaths and hisses: what a source has of them, and a voice makes nothing of, stays the source's own.

A voice whose recordings were clean in their pauses says nothing where another person draws breath or a room is heard.
To follow the source's loudness there could only raise the vocoder's idle hum (docs/lab/breaths.md). And no voice says
anything above half of the vocoder's rate, where an `s` of a recording at 44.1 kHz goes on.
"""

from __future__ import annotations

import numpy as np
import scipy.signal
from scipy.ndimage import minimum_filter1d, uniform_filter1d

from voiceswap.arrays import Array, power_to_db
from voiceswap.config import FeatureConfig

# What the voice lacks of the source's level where some of the source's own begins to be heard, and where nothing else.
LACKING_DB = (12.0, 18.0)
# How loud that is against speech where it is heard no more, and where it is heard in full: louder is noise, or said.
LOUD_DB = (-13.0, -19.0)
# Frames that levels, and shares, are averaged over; a note's neighbours are left alone.
LEVEL_FRAMES = 5
SHARE_FRAMES = 3
# Frames to either side that the answer depends on.
REACH_FRAMES = LEVEL_FRAMES // 2 + 2 * (SHARE_FRAMES // 2)
# A hiss is what lies above this share of the vocoder's rate, told apart by a filter of so many seconds.
HISS_SHARE = 0.477
HISS_FILTER_S = 0.006


def keep_breaths(made_mel: Array, source_mel: Array, samples: Array, voiced: Array, config: FeatureConfig) -> Array:
    """A voice's mel, with the source's where the source breathes and the voice has next to nothing.

    Args:
        made_mel: Shape (n_frames, n_mels), natural log: what the voice makes.
        source_mel: The same shape: the mel of `samples`.
        samples: Shape (n_frames * hop_samples,), float32, speech in it at `speech_level_db`.
        voiced: Shape (n_frames,), bool: where the source has F0.
        config: Framing, and the level of speech.

    Returns:
        Shape (n_frames, n_mels), natural log, float32: `made_mel` where the source is voiced, as loud as speech, or no
        more than 12 dB louder than what was made; `source_mel` where it is unvoiced, soft, and 18 dB louder.
    """
    source_power, made_power = (np.exp(2 * mel.astype(np.float64)).mean(axis=1) for mel in (source_mel, made_mel))
    power = np.square(samples, dtype=np.float64).reshape(len(made_mel), config.hop_samples).mean(axis=1)
    lacking = _ramp(_smooth_level_db(source_power) - _smooth_level_db(made_power), LACKING_DB)
    soft = _ramp(_smooth_level_db(power) - config.speech_level_db, LOUD_DB)
    share = _soften_edges(lacking * soft, voiced)[:, None]
    return np.asarray(np.log(np.exp(made_mel) * (1 - share) + np.exp(source_mel) * share))


def hiss(samples: Array, sample_rate_hz: int, first: int, voiced: Array, config: FeatureConfig) -> Array:
    """What unvoiced samples have above the band of any voice.

    Args:
        samples: Shape (n_samples,), float32, of a source.
        sample_rate_hz: Its rate.
        first: Which of the source's samples comes first.
        voiced: Shape (n_frames,), bool: where the whole source has F0.
        config: Framing, and the vocoder's rate.

    Returns:
        Shape (n_samples,), float32: what lies above 10.5 kHz, where it is unvoiced; zeros where the rate holds no more
        than a voice does. The first and last 3 ms lack what comes before and after.
    """
    above_hz = HISS_SHARE * config.mel_rate_hz
    if sample_rate_hz <= config.mel_rate_hz or not len(voiced):
        return np.zeros_like(samples)
    at = np.clip((first + np.arange(len(samples))) * (config.frames_per_s / sample_rate_hz) - 0.5, 0, len(voiced) - 1)
    # Of a long source only the frames that it depends on.
    begin = max(0, int(at[0]) - SHARE_FRAMES)
    near = voiced[begin : int(at[-1]) + 2 + SHARE_FRAMES]
    share = np.interp(at - begin, np.arange(len(near)), _soften_edges(np.ones(len(near)), near))
    n_taps = 2 * round(HISS_FILTER_S * sample_rate_hz / 2) + 1
    taps = scipy.signal.firwin(n_taps, above_hz, pass_zero=False, fs=sample_rate_hz)
    return np.asarray(scipy.signal.oaconvolve(samples, taps, mode="same") * share, dtype=np.float32)


def _soften_edges(share: Array, voiced: Array) -> Array:
    """A share of each frame, 0 where it is voiced and next to that."""
    unvoiced = minimum_filter1d(~voiced, SHARE_FRAMES)
    return np.asarray(uniform_filter1d(share * unvoiced, SHARE_FRAMES), dtype=np.float32)


def _smooth_level_db(power: Array) -> Array:
    return power_to_db(uniform_filter1d(power, LEVEL_FRAMES), 1e-12)


def _ramp(level_db: Array, ends_db: tuple[float, float]) -> Array:
    """0 at the first end and beyond it, 1 at the second."""
    none_db, all_db = ends_db
    return np.clip((level_db - none_db) / (all_db - none_db), 0.0, 1.0)
