"""F0 curves there and back, and each mistake with its row."""

import numpy as np
import pytest

from voiceswap.config import FeatureConfig
from voiceswap.conversion.f0_curve import read_curve, write_curve
from voiceswap.errors import UsageError

CONFIG = FeatureConfig()


def test_a_curve_comes_back(tmp_path):
    f0_hz = np.array([0, 0, 220.5, 221, 0, 440, 441, 0], np.float32)
    write_curve(tmp_path / "f0.csv", f0_hz, CONFIG)
    assert (tmp_path / "f0.csv").read_text().splitlines()[:4] == [
        "time_s,f0_hz",
        "0.0058,0.00",
        "0.0174,0.00",
        "0.0290,220.50",
    ]
    np.testing.assert_allclose(read_curve(tmp_path / "f0.csv", 8, CONFIG), f0_hz)
    longer = read_curve(tmp_path / "f0.csv", 20, CONFIG)
    np.testing.assert_allclose(longer[:8], f0_hz)
    assert not longer[12:].any()


def test_a_coarse_curve_serves_too(tmp_path):
    (tmp_path / "f0.csv").write_text("time_s,f0_hz\n" + "".join(f"{i / 50},{100 + i}\n" for i in range(50)))
    f0_hz = read_curve(tmp_path / "f0.csv", 86, CONFIG)
    assert (f0_hz[:84] > 0).all() and np.all(np.diff(f0_hz[:84]) >= 0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "row 1: found 'nothing'"),
        ("a,b\n1,2\n", "row 1: found 'a,b'"),
        ("time_s,f0_hz\n", "has no rows"),
        ("time_s,f0_hz\n0,100\nx,100\n", "row 3: found 'x,100'"),
        ("time_s,f0_hz\n0,100\n1\n", "row 3: found '1'"),
        ("time_s,f0_hz\n0,100\n1,nan\n", "row 3: found '1,nan'"),
        ("time_s,f0_hz\n0,100\n1,-5\n", "row 3: found '1,-5'"),
        ("time_s,f0_hz\n0,100\n1,20000\n", "row 3: found '1,20000'"),
        ("time_s,f0_hz\n0,100\n0.5,110\n0.4,120\n", "row 4: time 0.4 follows 0.5"),
        ("time_s,f0_hz\n\n0,100\n\n0.5,110\n0.4,120\n", "row 6: time 0.4 follows 0.5"),
        ("time_s,f0_hz\n0,100\n" + "1" * 200_000 + "\n", "row 3: field larger than"),
    ],
)
def test_a_mistake_is_named_by_its_row(text, says, tmp_path):
    path = tmp_path / "f0.csv"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_curve(path, 10, CONFIG)
    assert says in caught.value.message and caught.value.hint


def test_no_text(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        read_curve(tmp_path / "none.csv", 10, CONFIG)
    (tmp_path / "f0.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="as text"):
        read_curve(tmp_path / "f0.csv", 10, CONFIG)
