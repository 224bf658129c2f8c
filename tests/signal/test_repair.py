"""What trackers get wrong for a moment is put right; what singers do stays."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voiceswap.config import Config
from voiceswap.signal import f0 as pitch
from voiceswap.signal.f0 import estimate_f0, repair_octaves

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
    assert last is None or last - first <= pitch.ERROR_S * FPS
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
    monkeypatch.setattr(pitch, "_by_world", lambda *_: (times_s, found, found > 0))
    f0 = estimate_f0(np.zeros(len(found) * features.hop_samples, np.float32), features, "dio")
    assert f0[10] == features.f0_min_hz and f0[-11] == features.f0_max_hz
    np.testing.assert_allclose(np.delete(f0, [10, len(f0) - 11]), np.delete(found, [10, len(f0) - 11]), rtol=1e-6)
