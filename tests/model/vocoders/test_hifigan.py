"""The vocoder: blocks = whole, and only what is wanted is made."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import minimum_filter1d

from conftest import TINY, keras_network
from voiceswap.model.runtime import open_network
from voiceswap.model.vocoders import hifigan
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
    assert n <= sum(own) < n + len(own) * hifigan.BLOCK_STEP


def test_only_what_is_wanted_is_made_and_the_same_as_ever():
    keras.utils.set_random_seed(2)
    sound = open_vocoder()
    mel = (RANDOM.normal(size=(1000, 80)) - 5).astype(np.float32)
    whole = sound(mel).reshape(1000, -1)
    wanted = np.zeros(1000, bool)
    wanted[40:61] = wanted[500:] = True
    samples = sound(mel, wanted).reshape(1000, -1)
    # Only the frames that reach into what was left out differ.
    inner = minimum_filter1d(wanted, 9)
    np.testing.assert_allclose(samples[inner], whole[inner], atol=1e-6)
    assert whole.any(axis=1).all() and not samples[:36].any() and not samples[65:496].any()
    silent, blocks = counting()
    assert not silent(mel, np.zeros(1000, bool)).any() and not blocks


@given(wanted=st.lists(st.booleans(), max_size=60), gap=st.integers(0, 8))
def test_pieces_hold_what_is_wanted_and_leave_out_the_gaps(wanted, gap):
    wanted = np.array(wanted, bool)
    covered = np.zeros(len(wanted), bool)
    for start, stop in hifigan.find_pieces(wanted, gap):
        assert start < stop and not covered[max(0, start - gap) : stop].any()
        assert wanted[start] and wanted[stop - 1]
        covered[start:stop] = True
    assert covered[wanted].all()
    inside = "".join("x" if w else "." for w, h in zip(wanted, covered, strict=True) if h)
    assert "." * (gap + 1) not in inside
