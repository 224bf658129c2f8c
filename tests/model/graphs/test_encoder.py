"""The encoder's graph says what its Keras model says, attention and all."""

import numpy as np
import pytest

from conftest import TINY
from voiceswap.config import EncoderConfig
from voiceswap.model.networks import encoder as encoder_network

WIDER = TINY.model_copy(
    update={"encoder": EncoderConfig(width=64, n_heads=4, n_layers=2, content_dim=8, window_vectors=700)}
)


@pytest.mark.parametrize("config", [TINY, WIDER], ids=["tiny", "wider"])
def test_the_graph_says_what_keras_says(compare, config):
    random = np.random.default_rng(0)
    frames = 2 * config.encoder.window_vectors
    mel = random.normal(size=(1, frames, config.features.content_n_mels)).astype(np.float32)
    compare("encoder", encoder_network.build(config), [mel], config)
