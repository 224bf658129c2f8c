"""F0: trackers follow it, slips are repaired, singing is told and moved."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voiceswap.config import Config, FeatureConfig
from voiceswap.signal.f0 import (
    ERROR_S,
    F0_METHODS,
    F0Range,
    estimate_f0,
    find_transposition,
    interpolate_at,
    interpolate_f0,
    is_singing,
    repair_octaves,
    transpose_f0,
)

CONFIG = FeatureConfig()


@pytest.mark.parametrize("method", F0_METHODS)
def test_f0_follows_a_known_glide(glide, method):
    samples, truth = glide
    found = estimate_f0(samples, CONFIG, method)
    at_frames = truth[128 + 256 * np.arange(len(found))]
    voiced = found > 0
    assert voiced.mean() > 0.9
    cents = 1200 * np.log2(found[voiced] / at_frames[voiced])
    assert np.median(np.abs(cents)) < 10


def test_f0_of_next_to_nothing_is_unvoiced():
    for n in (0, 1, 255, 256, 1000):
        assert not estimate_f0(np.zeros(n, np.float32), CONFIG).any()


def test_r39_the_tracker_tells_nobody_and_leaves_nothing(tmp_path):
    """onnxruntime would queue what it tells below the home folder; connections of native code are not seen here."""
    code = "import numpy; from voiceswap.config import FeatureConfig; from voiceswap.signal.f0 import ERROR_S, estimate_f0\n"
    code += "estimate_f0(numpy.zeros(22050, numpy.float32), FeatureConfig())"
    env = {key: value for key, value in os.environ.items() if key not in ("CI", "ORT_DISABLE_TELEMETRY")}
    env |= dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME"), str(tmp_path))
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, env=env)
    assert os.listdir(tmp_path) == []


def test_quiet_recordings_keep_their_melody(glide):
    samples, _ = glide
    loud, quiet = estimate_f0(samples, CONFIG), estimate_f0(samples * np.float32(0.003), CONFIG)
    np.testing.assert_allclose(quiet, loud, rtol=5e-3)


def test_a_melody_is_carried_on_through_gaps():
    f0 = np.array([0, 100, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1600, 0], np.float32)
    carried = interpolate_f0(f0, frames_per_s=15.0)
    wanted = [100, 100, 100, 100, 100, 200, 400, 800, 1600, 1600, 1600, 1600, 1600]
    np.testing.assert_allclose(carried, wanted, rtol=1e-5, err_msg="each end is held for three frames of 1/15 s")
    short = interpolate_f0(np.array([100, 0, 0, 400], np.float32), frames_per_s=15.0)
    np.testing.assert_allclose(short, [100, 100, 400, 400], rtol=1e-5)
    np.testing.assert_array_equal(interpolate_f0(np.zeros(5, np.float32), 15.0), np.zeros(5))


def test_no_notes_are_made_up_between_notes_and_beside_pauses():
    times_s = np.arange(12) * 0.016
    f0 = np.array([200, 200, 200, 400, 400, 0, 0, 300, 310, 320, 0, 0], float)
    wanted_s = np.linspace(-0.01, 0.2, 500)
    found = interpolate_at(wanted_s, times_s, f0)
    apart = wanted_s < 0.09
    assert set(np.unique(found[apart])) == {0, 200, 400}, "a leap has nothing in between, a pause no way across"
    assert found[apart].max() == 400 and not found[(wanted_s > 0.074) & apart].any()
    sliding = (wanted_s > 0.112) & (wanted_s < 0.144)
    line = np.exp(np.interp(wanted_s[sliding], times_s[7:10], np.log(f0[7:10])))
    np.testing.assert_allclose(found[sliding], line, rtol=1e-6)
    assert not found[wanted_s > 0.153].any()


@pytest.mark.parametrize(
    ("note_s", "bend", "sung"), [(0.5, 0.0, True), (0.5, 0.4, True), (0.5, 3.0, False), (0.2, 0.0, False)]
)
def test_singing_is_told_by_its_held_notes(note_s, bend, sung):
    rate = CONFIG.frames_per_s
    within = np.arange(round(note_s * rate)) / rate
    note = 220 * 2 ** (bend * np.sin(2 * np.pi * 5.5 * within) / 12)
    melody = np.concatenate([np.append(note * 2 ** (step / 12), [0.0]) for step in (0, 4, 7, 5, 2)])
    assert is_singing(melody.astype(np.float32), rate) is sung
    # Among speech that glides all the time.
    glides = np.tile(np.geomspace(180, 260, round(0.4 * rate)), 8)
    assert is_singing(np.concatenate([melody, glides]).astype(np.float32), rate) is sung


def test_nothing_voiced_is_not_sung():
    assert not is_singing(np.zeros(100, np.float32), CONFIG.frames_per_s)
    assert not is_singing(np.zeros(0, np.float32), CONFIG.frames_per_s)


def test_transposition_brings_middle_onto_middle():
    source, voice = F0Range(80, 110, 160), F0Range(150, 220, 300)
    assert find_transposition(source, voice) == 12.0
    assert find_transposition(None, voice) == 0.0
    assert find_transposition(source, voice, sung=True) == round(4 * np.log2(150 / 80 * 2 * 300 / 160), 2)
    moved = transpose_f0(np.array([0.0, 110.0], np.float32), 12.0, CONFIG)
    np.testing.assert_allclose(moved, [0.0, 220.0])


FPS = Config().features.frames_per_s


def sung(seconds=3.0, vibrato=0.5):
    """Two notes with vibrato, a slide of a fifth between them."""
    t = np.arange(round(seconds * FPS)) / FPS
    tones = np.interp(t, [0, 1.2, 1.5, seconds], [0, 0, 7, 7]) + vibrato * np.sin(2 * np.pi * 5.5 * t)
    return (220 * 2 ** (tones / 12)).astype(np.float32)


def test_vibrato_slides_pauses_and_leaps_stay():
    melody = sung()
    melody[100:110] = 0
    np.testing.assert_allclose(repair_octaves(melody, FPS), melody, rtol=1e-6)
    leap = np.concatenate([sung(0.5, 0.2), 2 * sung(0.5, 0.2), sung(0.5, 0.2)])
    np.testing.assert_allclose(repair_octaves(leap, FPS), leap, rtol=1e-6)


@pytest.mark.parametrize("ratio", [0.5, 2.0])
@pytest.mark.parametrize(("first", "last"), [(0, 3), (40, 41), (60, 63), (256, None)])
def test_octave_errors_are_put_right(ratio, first, last):
    melody = sung()
    wrong = melody.copy()
    wrong[first:last] *= ratio
    assert last is None or last - first <= ERROR_S * FPS
    np.testing.assert_allclose(repair_octaves(wrong, FPS), melody, rtol=1e-5)


@pytest.mark.parametrize(("first", "last"), [(0, 7), (60, 69), (250, None)])
def test_creak_an_octave_below_stays(first, last):
    melody = sung()
    melody[first:last] *= 0.5
    np.testing.assert_allclose(repair_octaves(melody, FPS), melody, rtol=1e-6)


def test_several_slips_in_one_phrase():
    melody = sung()
    wrong = melody.copy()
    wrong[20:23] *= 2
    wrong[23:26] *= 0.5
    wrong[200:203] *= 2
    mended = repair_octaves(wrong, FPS)
    np.testing.assert_allclose(mended[:20], melody[:20], rtol=1e-5)
    np.testing.assert_allclose(mended[26:], melody[26:], rtol=1e-5)


def test_frames_that_were_lost_are_found_again():
    melody = sung()
    wrong = melody.copy()
    wrong[50:52] = 0
    wrong[90] = 0
    np.testing.assert_allclose(repair_octaves(wrong, FPS), melody, rtol=0.02)
    wrong[50:56] = 0
    assert not repair_octaves(wrong, FPS)[50:56].any(), "a plosive is no drop-out"


@settings(max_examples=50)
@given(st.lists(st.sampled_from([0.0, 110.0, 220.0, 225.0, 440.0, 880.0]), max_size=60))
def test_whatever_comes_stays_finite_and_as_long(values):
    f0 = np.array(values, np.float32)
    mended = repair_octaves(f0, FPS)
    assert mended.shape == f0.shape and np.isfinite(mended).all() and (mended >= 0).all()
    assert (mended[f0 > 0] > 0).all()


def test_what_is_put_right_stays_in_the_range(monkeypatch):
    features = Config().features
    low, high = features.f0_min_hz * 1.02, features.f0_max_hz / 1.02
    found = np.concatenate(
        [*([low] * 10, [1.93 * low], [low] * 10), np.zeros(4), *([high] * 10, [high / 1.93], [high] * 10)]
    )
    times_s = (np.arange(len(found)) + 0.5) / FPS
    monkeypatch.setattr("voiceswap.signal.f0._track_by_world", lambda *_: (times_s, found, found > 0))
    f0 = estimate_f0(np.zeros(len(found) * features.hop_samples, np.float32), features, "dio")
    assert f0[10] == features.f0_min_hz and f0[-11] == features.f0_max_hz
    np.testing.assert_allclose(np.delete(f0, [10, len(f0) - 11]), np.delete(found, [10, len(f0) - 11]), rtol=1e-6)
