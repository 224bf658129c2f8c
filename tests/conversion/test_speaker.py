"""A speaker is a decoder and a vector: who speaks is an argument."""

import numpy as np
import pytest

from conftest import TINY, keras_network
from voiceswap.conversion.speaker import Speaker, open_speaker
from voiceswap.errors import ModelError
from voiceswap.model.decoder import N_SCALARS, SPEAKERS
from voiceswap.model.weights import to_arrays


@pytest.fixture(scope="module")
def arrays():
    return to_arrays(keras_network("decoder"))


@pytest.fixture
def inputs():
    random = np.random.default_rng(1)
    sizes = (TINY.encoder.content_dim, N_SCALARS + TINY.features.n_mels)
    return [random.normal(size=(30, n)).astype(np.float32) for n in sizes]


def test_a_speaker_speaks_frames_of_any_number(arrays, inputs):
    speaker = open_speaker(TINY, lambda expected: arrays)
    mel = speaker.decode(*inputs)
    assert mel.shape == (30, TINY.features.n_mels) and mel.dtype == np.float32 and np.isfinite(mel).all()
    assert speaker.decode(*(each[:7] for each in inputs)).shape == (7, TINY.features.n_mels)


def test_another_vector_is_another_speaker_of_the_same_network(arrays, inputs):
    speaker = open_speaker(TINY, lambda expected: arrays)
    other = Speaker(speaker.network, speaker.vector + 1)
    assert np.abs(other.decode(*inputs) - speaker.decode(*inputs)).max() > 1e-4
    np.testing.assert_array_equal(Speaker(speaker.network, speaker.vector).decode(*inputs), speaker.decode(*inputs))


def test_the_vector_is_asked_for_with_the_weights(arrays):
    asked = []

    def read(expected):
        asked.append(expected)
        raise ModelError("damaged")

    with pytest.raises(ModelError, match="damaged"):
        open_speaker(TINY, read)
    assert asked[0].keys() == arrays.keys()
    assert asked[0][SPEAKERS] == ((TINY.decoder.n_speakers, TINY.decoder.speaker_dim), "F16")
