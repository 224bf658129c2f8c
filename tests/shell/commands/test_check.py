"""The check command: what was measured on each folder, what speaks against it, and its exit code."""

import json
import math
from pathlib import Path

import pytest

from voiceswap.jobs.check import NO_GO, VERDICTS, CheckResult, Concern
from voiceswap.shell.cli import app
from voiceswap.signal.f0 import F0Range
from voiceswap.signal.quality import Quality

NAN = math.nan
QUIET = Concern("level", VERDICTS[1], "speech at -45 dBFS", "record it louder")
GOOD = CheckResult(
    Path("my anna"),
    9,
    ((Path("my anna/x.wav"), "my anna/x.wav is empty (0 bytes)"),),
    Quality(300.0, 400.0, -20.0, 0.02, 40.0, 11000.0, NAN, 0.5, 0.3),
    -30.0,
    NAN,
    F0Range(110.0, 220.0, 440.0),
    0.87,
    VERDICTS[1],
    (QUIET,),
)
BAD = CheckResult(
    Path("b"), 1, (), Quality(0.0, 3.0, NAN, 0.0, NAN, NAN, NAN, NAN, NAN), -99.0, NAN, None, NAN, NO_GO, ()
)


@pytest.fixture
def found(monkeypatch):
    """What the job finds."""
    results = []
    monkeypatch.setattr("voiceswap.jobs.check.check", lambda *folders, on_event, stopped: tuple(results))
    return results


def test_a_folder_is_told_with_what_was_measured_and_what_to_do(found, capsys):
    found.append(GOOD)
    assert not app(["check", "my anna"], standalone_mode=False)
    assert capsys.readouterr().out.splitlines() == [
        "my anna",
        "  5.0 minutes of speech in 9 recordings, 1 left out",
        "  speech at -20 dBFS, pauses 40 dB below it, sound up to 11.0 kHz",
        "  noise at -60 dBFS, peaks cut off in 2% of it, sounds fade within 0.3 s, what is no voice 30 dB below it",
        "  voice from 110-440 Hz, A2-A4",
        "  87% of the sounds of speech occur in excerpts of it",
        "  left out my anna/x.wav: is empty (0 bytes)",
        "  level: speech at -45 dBFS",
        "    record it louder",
        f"  {VERDICTS[1]}",
        "next: voiceswap train 'my anna'",
    ]


def test_what_cannot_be_measured_is_left_out_and_a_folder_unfit_for_training_is_exit_code_1(found, capsys):
    found.append(BAD)
    assert app(["check", "b"], standalone_mode=False) == 1
    assert capsys.readouterr().out.splitlines() == [
        "b",
        "  0.0 minutes of speech in 1 recording",
        "  no speech is heard in it",
        "  no-go",
    ]


def test_one_unfit_folder_among_several_is_exit_code_1_and_the_others_are_named(found, capsys):
    found += [GOOD, BAD]
    assert app(["check", "my anna", "b"], standalone_mode=False) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "next: voiceswap train 'my anna'"
    assert app(["check", "my anna", "b", "--json"], standalone_mode=False) == 1
    told = json.loads(capsys.readouterr().out)
    assert [(one["folder"], one["verdict"]) for one in told] == [("my anna", VERDICTS[1]), ("b", "no-go")]
    assert told[1]["units"] is None and told[0]["concerns"][0]["what"] == "level"
