"""The separator's graph says what its Keras model says."""

import numpy as np

from voiceswap.model.networks import separator as separator_network
from voiceswap.model.separator import N_BINS


def test_the_graph_says_what_keras_says(compare):
    magnitudes = np.abs(np.random.default_rng(0).normal(size=(2, 64, N_BINS, 2))).astype(np.float32)
    compare("separator", separator_network.build(), [magnitudes])
