"""Decibels there and back."""

import numpy as np
import pytest

from voiceswap.arrays import db_to_gain, db_to_power, power_to_db


def test_decibels_are_what_they_are_everywhere():
    assert (db_to_gain(20.0), db_to_gain(-40.0), db_to_power(20.0)) == (10.0, 0.01, 100.0)
    assert power_to_db(100.0) == 20.0
    assert db_to_gain(-6.0) ** 2 == pytest.approx(db_to_power(-6.0))


def test_decibels_go_there_and_back_with_dtype_and_shape():
    levels_db = np.linspace(-90, 10, 12).reshape(3, 4)
    for dtype in (np.float32, np.float64):
        power = db_to_power(levels_db.astype(dtype))
        assert power.dtype == db_to_gain(levels_db.astype(dtype)).dtype == power_to_db(power).dtype == dtype
        np.testing.assert_allclose(power_to_db(power), levels_db, rtol=1e-4)


def test_silence_has_the_level_of_the_floor():
    np.testing.assert_allclose(power_to_db(np.array([0.0, 1e-20, 1.0]), floor=1e-12), [-120.0, -120.0, 0.0])
