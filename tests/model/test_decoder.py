"""Decoders of voices: one speaker, who begins as the mean of all, by a vector."""

import numpy as np
import pytest

from conftest import TINY, keras_network
from voiceswap.model import decoder
from voiceswap.model.weights import expected_arrays, load_arrays, to_arrays

MANY = TINY.model_copy(update={"decoder": TINY.decoder.model_copy(update={"n_speakers": 5})})


def test_a_voice_begins_as_the_mean_of_all_speakers():
    arrays = to_arrays(keras_network("decoder", MANY))
    start = decoder.start_of_voice(arrays)
    single = decoder.single_speaker(MANY)
    assert single.decoder.n_speakers == 1 and single.features == MANY.features
    assert {k: a.shape for k, a in start.items()} == {
        k: shape for k, (shape, _) in expected_arrays(keras_network("decoder", single)).items()
    }
    vectors = arrays[decoder.SPEAKERS].astype(np.float32)
    np.testing.assert_allclose(start[decoder.SPEAKERS][0], vectors.mean(axis=0), atol=1e-3)
    assert all(start[name] is arrays[name] for name in arrays if name != decoder.SPEAKERS)


def test_an_opened_decoder_is_given_the_speakers_vector():
    model = keras_network("decoder", MANY)
    arrays = to_arrays(model)
    load_arrays(model, arrays)
    network, vectors = decoder.open_decoder(MANY, lambda expected: arrays)
    assert vectors.shape == (5, TINY.decoder.speaker_dim) and vectors.dtype == np.float32
    random = np.random.default_rng(0)
    content = random.normal(size=(1, 20, TINY.encoder.content_dim)).astype(np.float32)
    conditions = random.normal(size=(1, 20, decoder.N_SCALARS + TINY.features.n_mels)).astype(np.float32)
    for i in (0, 4):
        wanted = model.predict_on_batch([content, conditions, np.array([i], np.int32)])
        np.testing.assert_allclose(network(content, conditions, vectors[i][None]), wanted, atol=1e-4)
    # Between two speakers there is another one.
    between = network(content, conditions, vectors[:2].mean(axis=0)[None])
    assert np.isfinite(between).all() and np.abs(between - network(content, conditions, vectors[0][None])).max() > 0


def test_weights_of_other_speakers_are_asked_for_in_their_number():
    asked = {}

    def read(expected):
        asked.update(expected)
        return to_arrays(keras_network("decoder", MANY))

    decoder.open_decoder(MANY, read)
    assert asked[decoder.SPEAKERS][0] == (5, TINY.decoder.speaker_dim)
    with pytest.raises(KeyError):
        decoder.open_decoder(MANY, lambda expected: {})
