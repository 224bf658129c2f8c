"""The decoder: content, melody and loudness in, one person's mel out; one per voice."""

from __future__ import annotations

import numpy as np

from voiceswap.arrays import Array, Arrays
from voiceswap.config import Config
from voiceswap.model.runtime import Network, Read, expected_weights, open_network
from voiceswap.model.weights import HALF
from voiceswap.storage.folder import Expected

SPEAKERS = "speakers/embeddings"
# Voicing, log F0, energy; beside them the harmonic comb, one number a band.
N_SCALARS = 3
# A log-mel lies about -5 +- 2: the last layer works on a unit scale.
MEL_SCALE = 2.0
MEL_CENTRE = -5.0


def single_speaker(config: Config) -> Config:
    """The same settings for a decoder of one speaker: a voice's."""
    return config.model_copy(update={"decoder": config.decoder.model_copy(update={"n_speakers": 1})})


def start_of_voice(base_arrays: Arrays) -> Arrays:
    """A voice's first weights: the base decoder's, its speaker the mean of all that the base has learnt."""
    mean = base_arrays[SPEAKERS].astype(np.float32).mean(axis=0, keepdims=True)
    return {**base_arrays, SPEAKERS: mean.astype(base_arrays[SPEAKERS].dtype)}


def expected_decoder(config: Config) -> Expected:
    """Names, shapes and safetensors types of a decoder's weights, its speakers' vectors among them."""
    size = config.decoder
    return {**expected_weights("decoder", config), SPEAKERS: ((size.n_speakers, size.speaker_dim), HALF)}


def open_decoder(config: Config, read: Read) -> tuple[Network, Array]:
    """A decoder that is given the speaker's vector, and the vectors of those that it has learnt.

    Args:
        config: Its settings.
        read: Gives its weights.

    Returns:
        The network, from content `(1, n_frames, content_dim)`, conditions `(1, n_frames, 3 + n_mels)` and a vector
        `(1, speaker_dim)` to a mel `(1, n_frames, n_mels)`; and vectors (n_speakers, speaker_dim), float32.

    Raises:
        ModelError: The weights are not those of such a decoder.
    """
    vectors: dict[str, Array] = {}

    def read_both(_expected: Expected) -> Arrays:
        arrays = dict(read(expected_decoder(config)))
        vectors[SPEAKERS] = arrays.pop(SPEAKERS).astype(np.float32)
        return arrays

    network = open_network("decoder", config, read=read_both)
    network.prepare()
    return network, vectors[SPEAKERS]
