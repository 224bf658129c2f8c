"""Pulses and noise: at the F0 asked for, and the same wherever a recording is cut."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceswap.config import FeatureConfig
from voiceswap.signal.excitation import (
    NOISE_PIECE_SAMPLES,
    draw_noise,
    follow_melody,
    integrate_f0,
    make_pulses,
)

F = FeatureConfig()
HOP, RATE = F.hop_samples, F.mel_rate_hz
RANDOM = np.random.default_rng(0)


def pulses_of(f0_hz, phase, first, n_samples):
    return make_pulses(*follow_melody(f0_hz, phase, first, n_samples, F), RATE)


@pytest.mark.parametrize("f0_hz", [55.0, 203.0, 1000.0])
def test_the_phase_of_a_steady_f0_rises_by_as_much_each_sample(f0_hz):
    curve = np.full(40, f0_hz, np.float32)
    f0_at_samples, periods = follow_melody(curve, integrate_f0(curve, F), -500, 12_000, F)
    assert (f0_at_samples == f0_hz).all() and np.abs(periods).max() <= 0.5
    step = np.diff(periods) % 1.0
    np.testing.assert_allclose(step, f0_hz / RATE, atol=1e-9)
    # The first frame's centre is where the phase begins.
    assert abs(periods[500 + HOP // 2 - 1] + periods[500 + HOP // 2]) < 1e-9


def test_the_phase_of_a_glide_is_the_integral_of_its_f0():
    curve = np.linspace(100, 400, 60).astype(np.float32)
    f0_hz, periods = follow_melody(curve, integrate_f0(curve, F), 0, 60 * HOP, F)
    np.testing.assert_allclose(np.diff(periods) % 1.0, (f0_hz[1:] + f0_hz[:-1]) / 2 / RATE, atol=1e-6)


@given(st.integers(0, 30), st.integers(1, 3000), st.integers(-900, 900))
def test_a_part_of_a_recording_has_the_pulses_that_the_whole_has_there(first_frame, n_samples, offset):
    curve = (200 + 50 * np.sin(np.arange(60) / 5)).astype(np.float32)
    phase = integrate_f0(curve, F)
    # Far enough inside, so that no end is held.
    part = slice(first_frame, first_frame + 30)
    first = min(max(offset + 5 * HOP, HOP), 28 * HOP - n_samples)
    if first < HOP:
        return
    ours = pulses_of(curve[part], phase[part], first, n_samples)
    np.testing.assert_allclose(ours, pulses_of(curve, phase, first + first_frame * HOP, n_samples), atol=2e-3)


def test_a_pulse_has_all_harmonics_and_no_more():
    f0_hz = RATE / 100
    curve = np.full(100, f0_hz)
    pulses = pulses_of(curve, integrate_f0(curve, F), 0, 10_000)
    spectrum = np.abs(np.fft.rfft(pulses[:10_000])) / 5000
    np.testing.assert_allclose(spectrum[100:5000:100], 1.0, atol=1e-3)
    spectrum[::100] = 0
    assert spectrum.max() < 1e-3 and pulses.dtype == np.float32
    assert pulses.max() <= 50


def test_a_pulse_reaches_its_limit_where_both_sides_of_the_fraction_vanish():
    periods = np.array([0.0, 1e-6, 2.9e-5, 3.1e-5, -1e-4])
    pulses = make_pulses(np.full(5, 100.0), periods, RATE)
    n = np.arange(1, 111)
    np.testing.assert_allclose(pulses, np.cos(2 * np.pi * np.outer(periods, n)).sum(axis=1), rtol=2e-3)


def test_where_there_is_no_f0_there_are_no_pulses():
    none = np.zeros(10, np.float32)
    assert not pulses_of(none, integrate_f0(none, F), -100, 3000).any()
    assert integrate_f0(none[:0], F).shape == (0,)


@given(
    st.integers(-3 * NOISE_PIECE_SAMPLES, 3 * NOISE_PIECE_SAMPLES),
    st.integers(0, 2 * NOISE_PIECE_SAMPLES),
    st.integers(0, 5000),
)
def test_noise_is_the_same_at_a_place_wherever_it_is_drawn_from(first, n_samples, skipped):
    whole = draw_noise(first - skipped, n_samples + skipped)
    np.testing.assert_array_equal(draw_noise(first, n_samples), whole[skipped:])


def test_noise_is_white_and_another_by_another_seed():
    noise, other = draw_noise(0, 200_000), draw_noise(0, 200_000, seed=1)
    assert noise.dtype == np.float32 and abs(noise.std() - 1) < 0.01 and abs(noise.mean()) < 0.01
    assert abs(np.corrcoef(noise, other)[0, 1]) < 0.01 and abs(np.corrcoef(noise[1:], noise[:-1])[0, 1]) < 0.01
    assert abs(np.corrcoef(noise[:-NOISE_PIECE_SAMPLES], noise[NOISE_PIECE_SAMPLES:])[0, 1]) < 0.01
