"""The encoder's network: half as many vectors as frames, attention over all of a window."""

import keras
import numpy as np
import pytest

from conftest import TINY
from voiceswap.model.networks import encoder as encoder_network

N_FRAMES = 2 * TINY.encoder.window_vectors


@pytest.fixture
def mel():
    return np.random.default_rng(0).normal(size=(1, N_FRAMES, TINY.features.content_n_mels)).astype(np.float32)


def test_two_frames_become_one_vector(mel):
    keras.utils.set_random_seed(0)
    content = encoder_network.build(TINY).predict_on_batch(mel)
    assert content.shape == (1, TINY.encoder.window_vectors, TINY.encoder.content_dim) and content.std() > 0.01


def test_every_vector_hears_the_whole_window(mel):
    keras.utils.set_random_seed(0)
    network = encoder_network.build(TINY)
    changed = mel.copy()
    changed[0, -1] += 3.0
    difference = np.abs(network.predict_on_batch(changed) - network.predict_on_batch(mel))[0].max(axis=-1)
    assert difference[0] > 0 and difference[-1] > difference[0]


def test_where_a_sound_lies_matters(mel):
    """Its place is coded: the same frames later in the window are other vectors."""
    keras.utils.set_random_seed(0)
    network = encoder_network.build(TINY)
    steady = np.repeat(mel[:, :1], N_FRAMES, axis=1)
    content = network.predict_on_batch(steady)[0]
    inner = content[2:-2]
    assert np.abs(np.diff(inner, axis=0)).max() > 1e-4
