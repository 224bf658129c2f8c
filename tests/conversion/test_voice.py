"""Voices in memory: what they share, what is theirs alone."""

import gc
import shutil

import numpy as np
import pytest

import voiceswap
from conftest import TINY, keras_network
from voiceswap.audio.source import array_source
from voiceswap.conversion import engine
from voiceswap.conversion import voice as voices
from voiceswap.conversion.analysis import analyse
from voiceswap.conversion.stream import convert_stream
from voiceswap.errors import ModelError
from voiceswap.model import base, decoder, runtime
from voiceswap.model.weights import load_arrays, to_arrays
from voiceswap.signal import synthetic


@pytest.fixture
def second(voice):
    """Another voice of the same base."""
    path = voice.path.with_name("speakerB")
    weights = {name: (array * np.float16(1.05)).astype(np.float16) for name, array in voice.arrays().items()}
    voices.write_voice(path, voice.config, voice.card | {"name": "speakerB"}, weights)
    return voiceswap.load("speakerB")


def test_two_voices_open_their_base_once(voice, second, monkeypatch):
    opened, open_network = [], runtime.open_network

    def counted(kind, *settings, **options):
        opened.append(kind)
        return open_network(kind, *settings, **options)

    for module in (base, decoder):
        monkeypatch.setattr(module, "open_network", counted)
    voices._engine.cache_clear()
    base._share.cache_clear()
    samples = synthetic.speech(synthetic.BORIS, 1.0, seed=3).samples
    ours, theirs = (each.convert(samples, 22_050) for each in (voice, second))
    assert sorted(opened) == ["decoder", "decoder", "encoder", "hifigan"]
    assert np.abs(ours - theirs).max() > 1e-3
    # In turns, nothing is built again.
    np.testing.assert_array_equal(voice.convert(samples, 22_050), ours)
    np.testing.assert_array_equal(voiceswap.load("speakerB").convert(samples, 22_050), theirs)
    assert len(opened) == 4
    assert voice.engine.encoder is second.engine.encoder
    assert voice.engine.get_vocoder("fast") is second.engine.get_vocoder("fast")


def test_no_more_than_some_voices_stay_open(voice, home):
    held = []
    for i in range(voices.MAX_OPEN + 2):
        path = shutil.copytree(voice.path, home / str(i) / "speakerA")
        assert voiceswap.load(path).engine is not None
        held.append(path)
    gc.collect()
    assert voices._engine.cache_info().currsize <= voices.MAX_OPEN


def test_a_decoder_by_vector_is_the_decoder_by_index():
    """The speaker is an argument: each of a base's speakers speaks by its vector as it does by its index."""
    config = TINY.model_copy(update={"decoder": TINY.decoder.model_copy(update={"n_speakers": 3})})
    by_index = keras_network("decoder", config)
    arrays = to_arrays(by_index)
    load_arrays(by_index, arrays)
    network, vectors = decoder.open_decoder(config, lambda expected: {name: arrays[name] for name in expected})
    assert vectors.shape == (3, config.decoder.speaker_dim)
    random = np.random.default_rng(0)
    content = random.normal(size=(1, 40, config.encoder.content_dim)).astype(np.float32)
    conditions = random.normal(size=(1, 40, decoder.N_SCALARS + config.features.n_mels)).astype(np.float32)
    for i, vector in enumerate(vectors):
        wanted = by_index.predict_on_batch([content, conditions, np.array([i], np.int32)])
        np.testing.assert_allclose(network(content, conditions, vector[None]), wanted, atol=1e-4)


def test_weights_that_lack_the_speakers_vector_are_refused(voice):
    def read(expected):
        assert decoder.SPEAKERS in expected
        raise ModelError("the weights have no speakers")

    with pytest.raises(ModelError, match="no speakers"):
        decoder.open_decoder(voice.config, read)


def test_nobody_in_particular_speaks_before_any_training(use_tiny):
    opened = base.load_base()
    nobody = voices.engine_of(opened, voices.base_speaker(opened))
    source = array_source(synthetic.speech(synthetic.BORIS, 1.0, seed=0).samples[:, None].astype(np.float32), 22_050)
    samples = np.concatenate(list(convert_stream(source, analyse(source, opened.config), nobody, engine.Settings())))
    assert samples.shape == (22_050, 1) and 1e-4 < np.abs(samples).max() < 1


def test_an_open_voice_keeps_its_weights_once(voice):
    stored = voice.arrays()
    assert voice.engine is not None and "weights.safetensors" not in voice._folder.files
    # They can still be had, as long as they are the same.
    for name, array in voice.arrays().items():
        np.testing.assert_array_equal(array, stored[name])
    assert voiceswap.load(voice.path) == voice and voiceswap.load(voice.path).engine is voice.engine
    voices.write_voice(voice.path, voice.config, voice.card, {name: 2 * array for name, array in stored.items()})
    with pytest.raises(ModelError, match="was replaced while it was in use"):
        voice.arrays()
    assert voiceswap.load(voice.path) != voice
