"""Hum, drones and voices far away are no melody: the transposition stays that of the clean take."""

import numpy as np
import pytest

from voiceswap.config import FeatureConfig
from voiceswap.signal import loudness, synthetic
from voiceswap.signal.f0 import F0Range, estimate_f0, find_transposition, is_singing, measure_f0_range
from voiceswap.signal.melody import melody_levels_db, pick_melody

RATE = 22_050
F = FeatureConfig()
VOICE = F0Range(150.0, 200.0, 280.0)


def take(speaker, seed):
    """Six seconds of speech, and a pause of two in their midst."""
    samples = np.asarray(synthetic.speech(speaker, 6.0, seed=seed).samples, np.float32)
    half = len(samples) // 2
    return np.concatenate([samples[:half], np.zeros(2 * RATE, np.float32), samples[half:]])


def transposition(samples):
    f0_hz = pick_melody(estimate_f0(samples, F), melody_levels_db(samples, RATE), F.frames_per_s)
    return find_transposition(measure_f0_range(f0_hz), VOICE, sung=is_singing(f0_hz, F.frames_per_s))


def below(samples, other, db):
    """`other` so far below the speech."""
    speech_db = loudness.active_level_db(loudness.frame_levels_db(samples, RATE))
    return other * np.float32(10 ** ((speech_db + db) / 20) / np.sqrt(np.mean(np.square(other))))


def tone(n, hz, amplitudes=(1.0, 1.0, 1.0, 0.6, 0.4)):
    t = np.arange(n) / RATE
    partials = (a * np.sin(2 * np.pi * hz * k * t + k) for k, a in enumerate(amplitudes, 1))
    return np.asarray(sum(partials), np.float32)


@pytest.fixture(scope="module", params=[synthetic.ANNA, synthetic.BORIS], ids=lambda who: who.name)
def spoken(request):
    samples = take(request.param, 1)
    return request.param, samples, transposition(samples)


@pytest.mark.parametrize("hz", [50, 60])
@pytest.mark.parametrize("db", [-20, -35, -50])
def test_hum_of_the_mains_moves_nothing(hz, db, spoken):
    _, samples, clean = spoken
    assert transposition(samples + below(samples, tone(len(samples), hz), db)) == pytest.approx(clean, abs=0.5)


@pytest.mark.parametrize("hz", [131, 262, 440])
def test_a_held_note_moves_nothing(hz, spoken):
    _, samples, clean = spoken
    note = tone(len(samples), hz, (1.0, 0.6, 0.4, 0.3, 0.2))
    assert transposition(samples + below(samples, note, -15)) == pytest.approx(clean, abs=0.5)


def test_a_fan_and_another_voice_far_away_move_nothing(spoken):
    who, samples, clean = spoken
    other = take(synthetic.BORIS if who is synthetic.ANNA else synthetic.ANNA, 9)
    noise = np.cumsum(np.random.default_rng(0).normal(size=len(samples))).astype(np.float32)
    noise -= np.convolve(noise, np.ones(441, np.float32) / 441, "same")
    fan = noise / noise.std() + tone(len(samples), 118, (1.0, 0.5))
    for more, db in ((fan, -20), (np.roll(other, RATE), -20)):
        assert transposition(samples + below(samples, more, db)) == pytest.approx(clean, abs=0.5)


def test_a_few_seconds_of_voice_amid_a_minute_of_hum_are_what_counts():
    samples = take(synthetic.BORIS, 2)
    clean = transposition(samples)
    long = np.concatenate([np.zeros(26 * RATE, np.float32), samples, np.zeros(26 * RATE, np.float32)])
    assert transposition(long + below(samples, tone(len(long), 50), -30)) == pytest.approx(clean, abs=0.5)


def test_of_a_clean_take_next_to_all_counts():
    for who in (synthetic.ANNA, synthetic.BORIS):
        samples = take(who, 3)
        f0_hz = estimate_f0(samples, F)
        picked = pick_melody(f0_hz, melody_levels_db(samples, RATE), F.frames_per_s)
        assert ((picked == f0_hz) | (picked == 0)).all()
        assert np.mean(picked[f0_hz > 0] > 0) > 0.85
        plain, counted = (find_transposition(measure_f0_range(f), VOICE) for f in (f0_hz, picked))
        assert counted == pytest.approx(plain, abs=0.3)


def test_what_is_steady_throughout_is_a_melody_all_the_same():
    f0_hz = np.full(400, 220.0, np.float32)
    assert (pick_melody(f0_hz, np.full(300, -20.0), F.frames_per_s) == f0_hz).all()
    nothing = np.zeros(100, np.float32)
    assert not pick_melody(nothing, np.full(100, -20.0), F.frames_per_s).any()
    assert not len(pick_melody(nothing[:0], np.zeros(0), F.frames_per_s))


def test_a_soft_melody_beside_a_moment_that_is_loud_counts():
    f0_hz = np.full(860, 150.0, np.float32) + np.arange(860) % 40
    levels_db = np.where(np.arange(500) < 10, 0.0, -40.0)
    assert np.mean(pick_melody(f0_hz, levels_db, F.frames_per_s) > 0) > 0.9
