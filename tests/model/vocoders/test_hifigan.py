"""The vocoder: blocks = whole, and only what is wanted is made."""

import keras
import numpy as np
import pytest
from scipy.ndimage import minimum_filter1d

from conftest import TINY, keras_network
from voiceswap.model.runtime import open_network
from voiceswap.model.vocoders import hifigan
from voiceswap.model.vocoders.blocks import BLOCK_STEP
from voiceswap.model.weights import to_arrays
from voiceswap.signal.spectral_correction import correct_mel

RANDOM = np.random.default_rng(0)


def open_vocoder():
    arrays = to_arrays(keras_network("vocoder"))
    return hifigan.HifiGan(open_network("hifigan", TINY, read=lambda expected: arrays), TINY)


def test_vocoder_in_blocks_is_vocoder_in_one_piece():
    keras.utils.set_random_seed(2)
    sound = open_vocoder()
    for n in (1, 100, hifigan.BLOCK_FRAMES + 50, 2 * hifigan.BLOCK_FRAMES + 7, 3 * hifigan.BLOCK_FRAMES - 1):
        mel = (RANDOM.normal(size=(n, 80)) - 5).astype(np.float32)
        inner = slice(40, -40)
        whole = correct_mel(sound.network(mel[None])[0], mel, TINY.features).reshape(n, -1)
        samples = sound(mel).reshape(n, -1)
        np.testing.assert_allclose(samples[inner], whole[inner], atol=1e-6)
    assert len(sound(mel[:0])) == 0


def counting():
    """A vocoder that gives silence, and the frames its network is asked for."""
    sound, blocks = open_vocoder(), []

    def say(mel):
        blocks.append(mel.shape[1])
        return np.zeros((1, mel.shape[1] * TINY.features.hop_samples))

    sound.network = say
    return sound, blocks


@pytest.mark.parametrize("n", [1, 31, 310, 383, 384, 1000, 2300])
def test_a_short_recording_does_not_pay_for_a_long_one(n):
    sound, blocks = counting()
    assert len(sound(np.zeros((n, 80), np.float32))) == n * TINY.features.hop_samples
    context = 2 * TINY.vocoder.context_frames
    own = [frames - context for frames in blocks]
    assert len(set(own)) == 1 and own[0] <= 1.5 * hifigan.BLOCK_FRAMES
    assert n <= sum(own) < n + len(own) * BLOCK_STEP


def test_only_what_is_wanted_is_made_and_the_same_as_ever():
    keras.utils.set_random_seed(2)
    sound = open_vocoder()
    mel = (RANDOM.normal(size=(1000, 80)) - 5).astype(np.float32)
    whole = sound(mel).reshape(1000, -1)
    wanted = np.zeros(1000, bool)
    wanted[40:61] = wanted[500:] = True
    samples = sound(mel, None, wanted).reshape(1000, -1)
    # Only the frames that reach into what was left out differ.
    inner = minimum_filter1d(wanted, 9)
    np.testing.assert_allclose(samples[inner], whole[inner], atol=1e-6)
    assert whole.any(axis=1).all() and not samples[:36].any() and not samples[65:496].any()
    silent, blocks = counting()
    assert not silent(mel, None, np.zeros(1000, bool)).any() and not blocks
