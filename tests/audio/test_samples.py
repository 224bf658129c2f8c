"""Samples of any type that sound comes in are the same sound; of any other they are refused by name."""

import numpy as np
import pytest

from voiceswap.audio.samples import to_float
from voiceswap.errors import AudioError

SOUND = 0.25 * np.sin(np.arange(8000) / 10)


@pytest.mark.parametrize(
    ("kind", "scale", "middle"),
    [
        ("int8", 2**7, 0), ("int16", 2**15, 0), (">i2", 2**15, 0), ("int32", 2**31, 0), ("int64", 2**63, 0),
        ("uint8", 2**7, 128), ("uint16", 2**15, 2**15), ("float16", 1, 0), ("float32", 1, 0), ("float64", 1, 0),
    ],
)  # fmt: skip
def test_each_type_is_scaled_by_its_range(kind, scale, middle):
    given = np.asarray(SOUND * scale + middle).astype(kind)
    before = given.copy()
    found = to_float(given, 16_000)
    assert found.dtype == np.float32 and found.shape == (8000, 1)
    np.testing.assert_allclose(found[:, 0], SOUND, atol=1.01 / 128 if "8" in kind else 2e-3)
    assert (given == before).all()


def test_quiet_integers_are_quiet():
    """100 of 32,768 are -50 dBFS; taken as they were, they came out at full scale."""
    assert np.abs(to_float(np.full(8000, 100, np.int16), 16_000)).max() == pytest.approx(100 / 32_768)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (np.zeros(8000, bool), "of type bool"),
        (np.zeros(8000, complex), "of type complex128"),
        (np.array([None] * 10, object), "of type object"),
        (np.array(["a"] * 10), "of type str"),
        (np.zeros((2, 8000)), r"shape \(2, 8000\): wanted \(8000, 2\)"),
        (np.zeros((1, 8000), np.int16), r"shape \(1, 8000\): wanted \(8000, 1\)"),
        (np.zeros((2, 2, 2)), r"shape \(2, 2, 2\)"),
        (np.float32(0), r"shape \(\)"),
        ([[0.0, 0.1], [0.2]], "different lengths"),
        (np.full(8000, 1e300), "no sound"),
        (np.zeros((8000, 65)), "claims 16000 Hz and 65 channels"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_sound_is_refused_by_name(given, says):
    with pytest.raises(AudioError, match=says) as caught:
        to_float(given, 16_000)
    assert caught.value.hint


def test_lists_views_and_what_may_not_be_written_are_read():
    given = np.asarray(np.stack([SOUND, -SOUND], axis=1), np.float32)[::2]
    given.flags.writeable = False
    assert to_float(given, 16_000).shape == (4000, 2)
    assert to_float([0.0, 0.5], 16_000)[1, 0] == 0.5


@pytest.mark.parametrize("rate", ["16000", None, True, 16_000.5])
def test_a_rate_is_a_whole_number(rate):
    with pytest.raises(AudioError, match="the sample rate is"):
        to_float(SOUND, rate)
    assert to_float(SOUND, np.int64(16_000)).shape == to_float(SOUND, 16_000.0).shape
