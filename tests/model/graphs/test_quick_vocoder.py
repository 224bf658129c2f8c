"""The quick vocoder's graph says what its Keras model says, for any length."""

import numpy as np
import pytest

from conftest import TINY
from voiceswap.config import Config
from voiceswap.model.networks import quick_vocoder as quick_vocoder_network
from voiceswap.model.vocoders.quick_vocoder import count_inputs


@pytest.mark.parametrize("config", [TINY, Config()], ids=["tiny", "shipped sizes"])
@pytest.mark.parametrize("n_frames", [1, 5, 60])
def test_the_graph_says_what_keras_says(compare, config, n_frames):
    inputs = np.random.default_rng(n_frames).normal(size=(1, n_frames, count_inputs(config))).astype(np.float32)
    compare("quick_vocoder", quick_vocoder_network.build(config), [inputs], config)
