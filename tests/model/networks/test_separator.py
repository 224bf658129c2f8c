"""The separator's network: shares of each bin, between 0 and 1, for any number of frames that halves six times."""

import keras
import numpy as np
import pytest

from voiceswap.model.networks import separator as separator_network
from voiceswap.model.networks.separator import Affine
from voiceswap.model.separator import N_BINS


@pytest.mark.parametrize("n_frames", [64, 128])
def test_shares_lie_between_none_and_all(n_frames):
    keras.utils.set_random_seed(0)
    network = separator_network.build()
    magnitudes = np.abs(np.random.default_rng(0).normal(size=(1, n_frames, N_BINS, 2))).astype(np.float32)
    share = network.predict_on_batch(magnitudes)
    assert share.shape == magnitudes.shape and share.min() >= 0 and share.max() <= 1 and share.std() > 0


def test_an_affine_layer_is_a_batch_norm_at_rest():
    x = np.random.default_rng(1).normal(size=(2, 3, 4, 5)).astype(np.float32)
    ours = Affine()
    ours.build(x.shape)
    scale, shift = np.linspace(0.5, 2, 5, dtype=np.float32), np.linspace(-1, 1, 5, dtype=np.float32)
    ours.scale.assign(scale)
    ours.shift.assign(shift)
    oracle = keras.layers.BatchNormalization(epsilon=0)
    oracle.build(x.shape)
    oracle.set_weights([scale, shift, np.zeros(5), np.ones(5)])
    np.testing.assert_allclose(np.asarray(ours(x)), np.asarray(oracle(x, training=False)), atol=1e-6)
