"""Perturbed copies say the same at the same moments, in another way each time."""

import numpy as np
import pytest
from scipy.signal import welch

from conftest import TINY
from voiceswap.signal import perturb, synthetic
from voiceswap.signal.f0 import estimate_f0
from voiceswap.signal.features import decoder_mel
from voiceswap.signal.perturb import perturb_speech
from voiceswap.signal.world import analyse_world

F = TINY.features


@pytest.fixture(scope="module")
def spoken():
    return synthetic.speech(synthetic.BORIS, 4.0, sample_rate_hz=F.mel_rate_hz, seed=1).samples


def copy_of(samples, seed, up=True, rooms=True):
    return perturb_speech(analyse_world(samples, F), np.random.default_rng(seed), up=up, rooms=rooms)


def semitones_up(samples, copy):
    before, after = estimate_f0(samples, F), estimate_f0(copy, F)
    both = (before > 0) & (after > 0)
    return 12 * np.median(np.log2(after[both] / before[both]))


def test_a_copy_keeps_the_moments_and_moves_the_melody(spoken):
    moved = []
    for seed in range(4):
        copy = copy_of(spoken, seed)
        assert copy.shape == spoken.shape and copy.dtype == np.float32 and np.isfinite(copy).all()
        moved.append(semitones_up(spoken, copy))
        loudness, of_copy = (decoder_mel(x, F).max(axis=1) for x in (spoken, copy))
        assert np.corrcoef(loudness, of_copy)[0, 1] > 0.8
    assert max(map(abs, moved)) <= perturb.SEMITONES + 0.2
    assert np.std(moved) > 1


def test_copies_differ_by_what_they_are_drawn_by_and_in_nothing_else(spoken):
    np.testing.assert_array_equal(copy_of(spoken, 5), copy_of(spoken, 5))
    assert np.abs(copy_of(spoken, 5) - copy_of(spoken, 6)).max() > 0.01
    assert np.abs(copy_of(spoken, 5, up=True) - copy_of(spoken, 5, up=False)).max() > 0.01
    assert np.abs(copy_of(spoken, 5) - copy_of(spoken, 5, rooms=False)).max() > 0.01


def test_copies_of_one_analysis_leave_it_as_it_is(spoken):
    said = analyse_world(spoken, F)
    first, second = (perturb_speech(said, np.random.default_rng(seed), up=True, rooms=False) for seed in (5, 6))
    np.testing.assert_array_equal(first, copy_of(spoken, 5, rooms=False))
    np.testing.assert_array_equal(second, copy_of(spoken, 6, rooms=False))


def test_equalisation_stays_within_its_bounds():
    noise = np.random.default_rng(0).normal(0, 0.1, 4 * F.mel_rate_hz).astype(np.float32)
    equal = perturb._equalise(noise, F.mel_rate_hz, np.random.default_rng(3))
    (_, before), (_, after) = (welch(x, F.mel_rate_hz, nperseg=1024) for x in (noise, equal))
    gain_db = 10 * np.log10(after / before)[3:-3]
    assert np.abs(gain_db).max() < perturb.EQUAL_MAX_DB + 1
    assert np.ptp(gain_db) > 3


def test_half_of_the_rooms_are_noisy_within_their_bounds():
    tone = np.sin(np.arange(F.mel_rate_hz) / 10).astype(np.float32)
    below_db = []
    for seed in range(60):
        noise = perturb._add_room_noise(tone, np.random.default_rng(seed)) - tone
        if noise.any():
            below_db.append(10 * np.log10(np.mean(tone**2) / np.mean(noise**2)))
    low_db, high_db = perturb.NOISE_BELOW_DB
    assert 20 <= len(below_db) <= 40
    assert low_db - 0.5 < min(below_db) < low_db + 5 and high_db - 5 < max(below_db) < high_db + 0.5
