"""The decoder's graph says what its Keras model says, for any length."""

import numpy as np
import pytest

from conftest import TINY
from voiceswap.config import Config
from voiceswap.model.decoder import N_SCALARS
from voiceswap.model.networks import decoder as decoder_network


@pytest.mark.parametrize("config", [TINY, Config()], ids=["tiny", "shipped sizes"])
@pytest.mark.parametrize("n_frames", [1, 5, 60])
def test_the_graph_says_what_keras_says(compare, config, n_frames):
    random = np.random.default_rng(n_frames)
    sizes = ((1, n_frames, config.encoder.content_dim), (1, n_frames, N_SCALARS + config.features.n_mels))
    inputs = [random.normal(size=size).astype(np.float32) for size in (*sizes, (1, config.decoder.speaker_dim))]
    compare("decoder", decoder_network.build(config, by_vector=True), inputs, config)
