"""What people read is on one line, and has its unit."""

from pathlib import Path

import pytest

from voiceswap.signal.f0 import F0Range
from voiceswap.text import count, left_out, minutes_text, note_name, range_text, visible


def test_nothing_that_a_terminal_obeys_is_shown():
    assert visible("a\x1b[31m\nb\u202e\udcff") == "a\\x1b[31m\\x0ab\\x202e\\xdcff"
    assert visible(Path("Zoë 日本")) == "Zoë 日本"


@pytest.mark.parametrize(("hz", "name"), [(440.0, "A4"), (261.6, "C4"), (246.9, "B3"), (466.2, "A#4"), (27.5, "A0")])
def test_notes_have_their_names(hz, name):
    assert note_name(hz) == name


def test_a_range_is_told_in_hertz_and_notes():
    assert range_text(F0Range(110.0, 150.0, 220.0)) == "110-220 Hz, A2-A3"
    assert range_text(None) == "unvoiced"


def test_times_and_numbers_of_things_read_well():
    assert (minutes_text(40.2), minutes_text(276.0)) == ("40 s", "4.6 min")
    assert (count(1, "file"), count(2, "file"), count(0, "voice")) == ("1 file", "2 files", "0 voices")


def test_a_path_that_a_reason_begins_with_is_said_only_once():
    path = Path("anna") / "a.wav"
    assert left_out(path, f"{path} is silent") == f"left out {path}: is silent"
    assert left_out(path, "no speech", "a.wav") == "left out a.wav: no speech"
