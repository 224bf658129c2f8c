"""Pauses, silence, and a result that follows its source."""

import itertools

import numpy as np
import pytest

from voiceswap.signal import loudness
from voiceswap.signal.loudness import remove_dc, smooth_power

RATE = 16000


def bursts(*lengths_s, pause_s=0.8, noise=1e-4):
    random = np.random.default_rng(1)
    parts = [np.zeros(int(pause_s * RATE))]
    for length in lengths_s:
        parts += [random.normal(0, 0.1, int(length * RATE)), np.zeros(int(pause_s * RATE))]
    samples = np.concatenate(parts)
    return (samples + random.normal(0, noise, len(samples))).astype(np.float32)


def test_speech_is_cut_at_pauses():
    found = loudness.speech_segments(bursts(1.0, 2.0, 3.0), RATE)
    lengths = [(b - a) / RATE for a, b in found]
    np.testing.assert_allclose(lengths, [1.12, 2.12, 3.12], atol=0.06)


def test_long_speech_is_cut_short_and_nothing_is_lost():
    found = loudness.speech_segments(bursts(40.0), RATE)
    assert all(b - a <= loudness.MAX_CLIP_S * RATE for a, b in found)
    assert all(b == a for (_, b), (a, _) in itertools.pairwise(found))
    assert sum(b - a for a, b in found) >= 40.0 * RATE


@pytest.mark.parametrize("length_s", [0.51, 0.71, 3.0, 3.013])
@pytest.mark.parametrize("rate", [8000, 11_025, RATE, 44_100])
def test_speech_without_silence_around_it_is_kept_whole(length_s, rate):
    samples = np.random.default_rng(2).normal(0, 0.1, int(length_s * rate)).astype(np.float32)
    assert loudness.speech_segments(samples, rate) == [(0, len(samples))]


def test_as_much_silence_is_kept_before_speech_as_after_it():
    ((start, stop),) = loudness.speech_segments(bursts(1.0), RATE)
    before, after = 0.8 * RATE - start, stop - 1.8 * RATE
    assert before == after == loudness.EDGE_S * RATE


@pytest.mark.parametrize("samples", [np.zeros(RATE, np.float32), np.full(RATE, 1e-5, np.float32)])
def test_silence_holds_no_speech(samples):
    assert loudness.speech_segments(samples, RATE) == []


@pytest.mark.parametrize("block", [1, 319, 320, 5000, 10**6])
def test_levels_of_blocks_are_those_of_the_whole(block):
    samples = bursts(0.3, pause_s=0.1)[:9001]
    both = np.stack([samples, samples], axis=-1)
    levels = loudness.Levels(RATE, 2)
    for first in range(0, len(both), block):
        levels.push(both[first : first + block])
    assert levels.n_samples == len(samples)
    np.testing.assert_allclose(levels.finish(), loudness.frame_levels_db(samples, RATE), atol=1e-4)
    assert not len(loudness.Levels(RATE, 1).finish())


@pytest.mark.parametrize("block", [500, 5000, 10**6])
def test_an_offset_is_no_sound_and_a_low_note_is(block):
    t = np.arange(2 * RATE) / RATE
    note = 0.1 * np.sin(2 * np.pi * 60 * t)[:, None]
    steady = np.stack([0.6, -0.4]) + np.hstack([note, 0 * note])
    parts = (steady[i : i + block].astype(np.float32) for i in range(0, len(steady), block))
    made = np.concatenate(list(remove_dc(parts, RATE)))
    alone = remove_dc([steady[:, 0].astype(np.float32)], RATE)
    np.testing.assert_allclose(next(alone), made[:, 0], atol=1e-6)
    assert made.shape == steady.shape and np.abs(made[:, 1]).max() < 1e-4
    assert np.abs(made[RATE:, 0]).max() == pytest.approx(0.1, rel=0.02)


def test_level_of_speech_does_not_see_pauses():
    level = loudness.active_level_db(loudness.frame_levels_db(bursts(1.0, pause_s=5.0), RATE))
    assert level == pytest.approx(-20.0, abs=0.5)


def test_digital_silence_is_exact():
    samples = np.full(RATE, 0.1, np.float32)
    samples[4000:8000] = 0
    samples[12000:12100] = 0  # too short to count
    gain = loudness.digital_silence_gain(samples, RATE)
    assert not gain[4000:8000].any()
    assert gain[:3900].min() == 1 and gain[8100:].min() == 1
    assert np.abs(np.diff(gain)).max() < 0.05


def test_following_restores_a_contour():
    random = np.random.default_rng(0)
    contour = 0.05 + 0.04 * np.sin(np.arange(RATE * 2) / RATE * 6)
    source = (random.normal(0, 1, RATE * 2) * contour).astype(np.float32)
    made = random.normal(0, 0.03, RATE * 2).astype(np.float32)
    followed = made * loudness.follow_gain(made, source, RATE)
    a, b = (10 * np.log10(smooth_power(np.square(x), RATE))[RATE // 4 : -RATE // 4] for x in (source, followed))
    assert np.sqrt(np.mean((a - b) ** 2)) < 1.5


@pytest.mark.parametrize(("apart", "gain_db"), [(5, 14), (1 / 5, -14), (100, 18), (1 / 100, -18)])
def test_following_goes_so_far_and_no_further(apart, gain_db):
    random = np.random.default_rng(0)
    made = random.normal(0, 0.01, RATE).astype(np.float32)
    source = random.normal(0, 0.01 * apart, RATE).clip(-1, 1).astype(np.float32)
    gain = 20 * np.log10(np.median(loudness.follow_gain(made, source, RATE)))
    assert gain == pytest.approx(gain_db, abs=0.3)


def test_following_does_not_raise_noise_in_silence():
    made = np.full(RATE, 1e-5, np.float32)
    assert loudness.follow_gain(made, np.full(RATE, 9e-4, np.float32), RATE).max() <= 1.0


def test_limiter():
    samples = np.sin(np.arange(RATE) / 20).astype(np.float32)
    assert loudness.limit(samples * 0.9) is not samples
    quiet = samples * np.float32(0.5)
    assert loudness.limit(quiet) is quiet
    assert np.abs(loudness.limit(samples * 3)).max() <= loudness.PEAK_CEILING + 1e-6
