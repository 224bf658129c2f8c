"""Breaths: what a source breathes, and a voice makes nothing of, stays the source's own.

A voice whose recordings were clean in their pauses says nothing where another person draws breath or a room is heard.
To follow the source's loudness there could only raise the vocoder's idle hum (docs/measurements.md).
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import minimum_filter1d, uniform_filter1d

from voiceswap.config import FeatureConfig
from voiceswap.signal.features import Array

# What the voice lacks of the source's level where some of the source's own begins to be heard, and where nothing else.
LACKING_DB = (12.0, 18.0)
# How loud that is against speech where it is heard no more, and where it is heard in full: louder is noise, or said.
LOUD_DB = (-13.0, -19.0)
# Frames that levels, and shares, are averaged over; a note's neighbours are left alone.
LEVEL_FRAMES, SHARE_FRAMES = 5, 3
# Frames to either side that the answer depends on.
REACH_FRAMES = LEVEL_FRAMES // 2 + 2 * (SHARE_FRAMES // 2)


def kept(made: Array, source: Array, samples: Array, voiced: Array, config: FeatureConfig) -> Array:
    """A voice's mel, with the source's where the source breathes and the voice has next to nothing.

    Args:
        made: Shape (n_frames, n_mels), natural log: what the voice makes.
        source: The same shape: the mel of `samples`.
        samples: Shape (n_frames * hop_samples,), float32, speech in it at `speech_level_db`.
        voiced: Shape (n_frames,), bool: where the source has a melody.
        config: Framing, and the level of speech.

    Returns:
        Shape (n_frames, n_mels), natural log, float32: `made` where the source is voiced, as loud as speech, or no more
        than 12 dB louder than what was made; `source` where it is unvoiced, soft, and 18 dB louder.
    """
    source_power, made_power = (np.exp(2 * mel.astype(np.float64)).mean(axis=1) for mel in (source, made))
    power = np.square(samples, dtype=np.float64).reshape(len(made), config.hop_samples).mean(axis=1)
    lacking = _between(_mean_db(source_power) - _mean_db(made_power), LACKING_DB)
    soft = _between(_mean_db(power) - config.speech_level_db, LOUD_DB)
    share = lacking * soft * minimum_filter1d(~voiced, SHARE_FRAMES)
    share = uniform_filter1d(share, SHARE_FRAMES)[:, None].astype(np.float32)
    return np.asarray(np.log(np.exp(made) * (1 - share) + np.exp(source) * share))


def _mean_db(power: Array) -> Array:
    return np.asarray(10 * np.log10(np.maximum(uniform_filter1d(power, LEVEL_FRAMES), 1e-12)))


def _between(level_db: Array, ends_db: tuple[float, float]) -> Array:
    """0 at the first end and beyond it, 1 at the second."""
    none_db, all_db = ends_db
    return np.clip((level_db - none_db) / (all_db - none_db), 0.0, 1.0)
