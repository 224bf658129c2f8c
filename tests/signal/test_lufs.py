"""Loudness as the standard has it, against pyloudnorm; and the gain that keeps it."""

import numpy as np
import pyloudnorm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voiceswap.signal import lufs
from voiceswap.signal.lufs import integrated_loudness


def noise(seed, seconds, rate, channels=2, level=0.1):
    """Coloured noise whose level wanders, with a pause."""
    random = np.random.default_rng(seed)
    samples = np.cumsum(random.normal(0, 1, (round(seconds * rate), channels)), axis=0)
    samples -= np.roll(samples, 20, axis=0)
    samples *= level / samples.std() * 10 ** np.interp(np.arange(len(samples)), [0, len(samples)], [-1, 0])[:, None]
    samples[len(samples) // 3 : len(samples) // 2] = 0
    return samples.astype(np.float32)


def heard(part, rest, wanted, rate, block=5000):
    balance = lufs.Balance(rate, part.shape[1])
    for first in range(0, len(part), block):
        balance.push(*(x[first : first + block] for x in (part, rest, wanted)))
    return balance


@pytest.mark.parametrize(("rate", "channels"), [(44_100, 2), (48_000, 1), (22_050, 2)])
def test_loudness_is_that_of_another_implementation(rate, channels):
    samples = noise(0, 8, rate, channels)
    balance = heard(samples, samples * 0, samples, rate)
    power = np.concatenate(balance._sums, axis=1)[0]
    ours, theirs = integrated_loudness(power), pyloudnorm.Meter(rate).integrated_loudness(samples)
    assert ours == pytest.approx(theirs, abs=0.15)


@pytest.mark.parametrize("off_db", [-5.0, -1.5, 0.0, 2.0])
def test_the_gain_that_was_taken_away_is_found(off_db):
    rate = 22_050
    voice, band = noise(1, 6, rate), noise(2, 6, rate)
    quieter = voice * np.float32(10 ** (-off_db / 20))
    assert heard(quieter, band, voice + band, rate).gain_db() == pytest.approx(off_db, abs=0.11)


@settings(max_examples=20)
@given(block=st.integers(1, 9000))
def test_blocks_of_any_size_give_the_same(block):
    voice, band = noise(3, 2, 8000), noise(4, 2, 8000)
    sums = [np.concatenate(heard(voice, band, voice, 8000, b)._sums, axis=1) for b in (block, 16_000)]
    np.testing.assert_allclose(*sums, atol=1e-9)


def test_the_gain_is_bounded_and_zero_without_sound():
    silence, loud = np.zeros((8000, 2), np.float32), noise(5, 1, 8000)
    assert heard(silence, silence, silence, 8000).gain_db() == 0
    assert heard(silence, silence, loud, 8000).gain_db() == 0
    assert heard(loud * np.float32(0.1), silence, loud, 8000).gain_db() == 6
    assert lufs.Balance(8000, 1).gain_db() == 0
    assert heard(loud[:100], loud[:100], loud[:100], 8000).gain_db() == 0
