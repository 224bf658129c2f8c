"""The decoder: content, melody and loudness in, one person's mel out; one per voice."""

from __future__ import annotations

import numpy as np

from voiceswap.arrays import Arrays
from voiceswap.config import Config

SPEAKERS = "speakers/embeddings"
# Voicing, log F0, energy; beside them the harmonic comb, one number a band.
N_SCALARS = 3


def single_speaker(config: Config) -> Config:
    """The same settings for a decoder of one speaker: a voice's."""
    return config.model_copy(update={"decoder": config.decoder.model_copy(update={"n_speakers": 1})})


def start_of_voice(base_arrays: Arrays) -> Arrays:
    """A voice's first weights: the base decoder's, its speaker the mean of all that the base has learnt."""
    mean = base_arrays[SPEAKERS].astype(np.float32).mean(axis=0, keepdims=True)
    return {**base_arrays, SPEAKERS: mean.astype(base_arrays[SPEAKERS].dtype)}
