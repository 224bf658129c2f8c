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


ROWS = [(i / 100, 100.0 + i / 4) for i in range(100)]
# Read as they are meant, without a word.
FORMS = {
    "as we write it": ("time_s,f0_hz", "{:.2f},{:.2f}", ""),
    "tabs": ("time_s\tf0_hz", "{:.2f}\t{:.2f}", ""),
    "semicolons": ("time_s;f0_hz", "{:.2f};{:.2f}", ""),
    "semicolons and decimal commas": ("time_s;f0_hz", "{:.2f};{:.2f}", ","),
    "tabs and decimal commas": ("time_s\tf0_hz", "{:.2f}\t{:.2f}", ","),
    "spaces": ("time_s f0_hz", "{:.2f}  {:.2f}", ""),
    "no header": (None, "{:.2f},{:.2f}", ""),
    "no header, tabs, decimal commas": (None, "{:.2f}\t{:.2f}", ","),
    "the other order": ("f0_hz,time_s", "{1:.2f},{0:.2f}", ""),
    "a third column": ("time_s,f0_hz,confidence", "{:.2f},{:.2f},0.9", ""),
    "spaces after commas, large letters": ("Time_s, F0_Hz", "{:.2f}, {:.2f}", ""),
}


@pytest.mark.parametrize("form", FORMS)
def test_what_other_programs_write_is_read(form, tmp_path):
    header, row, decimal = FORMS[form]
    lines = ([header] if header else []) + [row.format(*each) for each in ROWS]
    text = "\n".join(lines)
    (tmp_path / "f0.csv").write_text(text.replace(".", decimal) if decimal else text)
    doubts = []
    found = read_curve(tmp_path / "f0.csv", 86, CONFIG, doubts.append)
    (tmp_path / "plain.csv").write_text("time_s,f0_hz\n" + "\n".join(f"{t},{hz}" for t, hz in ROWS))
    np.testing.assert_allclose(found, read_curve(tmp_path / "plain.csv", 86, CONFIG))
    assert found.min() >= 100 and not doubts


def rows_of(times_s, hz=150.0):
    return "time_s,f0_hz\n" + "".join(f"{t:g},{hz}\n" for t in times_s)


@pytest.mark.parametrize(
    ("times_s", "says"),
    [
        (np.arange(0, 1, 0.01), ["ends at 1.0 s, the recording is 6.0 s long: the last 5.0 s have no melody"]),
        (np.arange(0, 9, 0.01), ["ends at 9.0 s, the recording is 6.0 s long: what comes after it is not used"]),
        (np.arange(2, 6, 0.01), ["begins at 2.0 s, the recording is 6.0 s long: what comes before has no melody"]),
        (np.arange(0, 6, 0.2), ["has a row every 0.20 s, wanted 0.06 s or less: between them there is no melody"]),
        (np.arange(0, 6, 0.05), []),
    ],
)
def test_what_does_not_fit_the_recording_is_told_with_both_lengths(times_s, says, tmp_path):
    path = tmp_path / "f0.csv"
    path.write_text(rows_of(times_s))
    doubts = []
    read_curve(path, round(6 * CONFIG.frames_per_s), CONFIG, doubts.append)
    assert doubts == [f"{path} {each}" for each in says]
    # Nothing is known of the recording yet.
    read_curve(path, 0, CONFIG, pytest.fail)


def test_milliseconds_are_refused_with_both_lengths(tmp_path):
    (tmp_path / "f0.csv").write_text(rows_of(np.arange(0, 6000, 10)))
    with pytest.raises(UsageError, match=r"f0.csv ends at 5990 s, the recording is 6\.0 s long") as caught:
        read_curve(tmp_path / "f0.csv", round(6 * CONFIG.frames_per_s), CONFIG)
    assert "milliseconds" in caught.value.hint


def test_columns_in_the_other_order_without_a_header_are_told(tmp_path):
    (tmp_path / "f0.csv").write_text("220.5,0.01\n0,0.02\n221.5,0.03\n")
    with pytest.raises(UsageError, match=r"row 1: found '220\.5,0\.01'"):
        read_curve(tmp_path / "f0.csv", 10, CONFIG)
    (tmp_path / "f0.csv").write_text("220,50\n210,60\n215,70\n")
    with pytest.raises(UsageError, match=r"time 210\.0 follows 220\.0") as caught:
        read_curve(tmp_path / "f0.csv", 10, CONFIG)
    assert "f0_hz,time_s" in caught.value.hint
