"""The evaluate command: the scores as lines, or as one document."""

import json
from pathlib import Path

import pytest

from voiceswap.errors import VoiceswapError
from voiceswap.jobs.evaluate import Evaluation
from voiceswap.scoring.scores import Scores
from voiceswap.shell.cli import app
from voiceswap.shell.scores import evaluation_lines
from voiceswap.storage import paths
from voiceswap.text import ROWS

NAN = float("nan")
FOUND = Evaluation(
    voice="anna",
    clips=(Scores(Path("a.wav"), to_target=0.8),),
    means={key: NAN for key, *_ in ROWS} | {"to_target": 0.8},
    word_error_rate=NAN,
    target="",
    target_own=NAN,
    nearer_to_source=(),
    verdict="nearer to anna",
    failed=(),
    missing=(),
)


def test_the_scores_are_said(home, monkeypatch, capsys):
    monkeypatch.setattr(paths, "find_voice", lambda name, folder: folder / name)
    monkeypatch.setattr("voiceswap.jobs.evaluate.evaluate", lambda voice, **options: FOUND)
    assert not app(["evaluate", "anna", "--source", "s"], standalone_mode=False)
    said = capsys.readouterr().out.splitlines()
    assert said == list(evaluation_lines(FOUND)) and said[-1] == "nearer to anna"
    assert not app(["evaluate", "anna", "--source", "s", "--json"], standalone_mode=False)
    told = json.loads(capsys.readouterr().out)
    assert told["clips"][0]["to_target"] == 0.8 and told["target_own"] is None


def test_a_misspelt_voice_is_told_before_networks_are_loaded(home, monkeypatch):
    where = "voiceswap.model.runtime.open_session"
    monkeypatch.setattr(where, lambda *given: pytest.fail("networks are loaded"))
    with pytest.raises(VoiceswapError, match="no voice 'nobody'") as refused:
        app(["evaluate", "nobody", "--source", "s"], standalone_mode=False)
    assert refused.value.exit_code == 4
