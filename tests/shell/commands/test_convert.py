"""The convert command: a line a recording, how many came to what, and its exit code."""

import json
from pathlib import Path

import pytest

from voiceswap.errors import UsageError
from voiceswap.jobs.batch import Conversion
from voiceswap.scoring.scores import Scores
from voiceswap.shell.cli import app
from voiceswap.signal.f0 import F0Range

ANNA = F0Range(110.0, 220.0, 440.0)
MADE = Conversion(Path("a.wav"), Path("a.anna.wav"), "anna", pitch_semitones=-3.0, voice_f0=ANNA, times_real_time=12.34)
SKIPPED = Conversion(Path("b.wav"), Path("b.anna.wav"), "anna", "skipped")
FAILED = Conversion(Path("c.wav"), Path("c.anna.wav"), "anna", "failed", "c.wav is empty (0 bytes)")
LINE = "a.anna.wav  pitch -3.0 semitones (unvoiced to a voice of 110-440 Hz, A2-A4), 12.3x real time"


@pytest.fixture
def made(home, monkeypatch):
    """What becomes of the recordings."""
    results = []
    monkeypatch.chdir(home)
    monkeypatch.setattr("voiceswap.jobs.convert.convert", lambda *inputs, **options: results)
    return results


def convert(*arguments):
    return app(["convert", ".", "--as", "anna", *arguments], standalone_mode=False) or 0


def test_a_result_is_named_with_how_it_was_moved(made, capsys):
    made.append(MADE)
    assert convert() == 0
    assert capsys.readouterr().out == f"{LINE}\n"


def test_of_several_recordings_it_is_counted_what_they_came_to(made, capsys):
    made += [MADE, SKIPPED]
    assert convert() == 0
    assert capsys.readouterr().out.splitlines() == [LINE, "1 converted, 1 skipped"]
    made.append(FAILED)
    assert convert() == 1
    assert capsys.readouterr().out.splitlines() == [
        LINE,
        "1 converted, 1 skipped, 1 failed",
        "  failed: c.wav is empty (0 bytes)",
    ]


def test_scores_follow_their_recording(made, capsys):
    scores = Scores(Path("a.wav"), to_target=0.81, to_source=0.42)
    made += [Conversion(Path("a.wav"), Path("a.anna.wav"), "anna", scores=scores, missing=("no DNSMOS",)), SKIPPED]
    assert convert("--report") == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("a.anna.wav  pitch ") and said[1] == "similarity to the target              0.81"
    assert said[-3].startswith("nearer to anna than to the source")
    assert said[-2:] == ["no DNSMOS", "1 converted, 1 skipped"]


def test_json_holds_every_recording_and_the_exit_code_is_the_same(made, capsys):
    made += [MADE, FAILED]
    assert convert("--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert [(one["output"], one["status"]) for one in told] == [("a.anna.wav", "converted"), ("c.anna.wav", "failed")]
    assert told[0]["voice_f0"] == {"low_hz": 110.0, "mid_hz": 220.0, "high_hz": 440.0} and told[0]["scores"] is None


def test_mistakes_are_told_before_networks_are_loaded(made, monkeypatch):
    monkeypatch.setattr("voiceswap.model.runtime.open_session", lambda *given: pytest.fail("networks are loaded"))
    with pytest.raises(UsageError, match="no such file: gone"):
        app(["convert", "gone.wav", "--as", "anna"], standalone_mode=False)
    with pytest.raises(UsageError, match="`mode=song` and `mode=dry` exclude each other"):
        convert("--song", "--dry")


def test_the_old_name_of_score_warns(made, capsys):
    assert convert("--report") == 0
    assert capsys.readouterr().err == "warning: --report is now --score; it goes in 0.2\n"
    assert convert("--score") == 0
    assert capsys.readouterr().err == ""
