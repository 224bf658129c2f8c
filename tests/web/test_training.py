"""The section on a training: from a log that may be damaged, and a card that may be anything."""

import json

import pytest

from voiceswap.training import loop
from voiceswap.web import training


def test_metrics_that_are_damaged_or_repeated(tmp_path):
    line = {"step": 4, "loss": 1.0, "held_out": 2.0}
    lines = [
        line,
        line | {"step": 2},
        line | {"loss": 3.0},
        line | {"step": "x"},
        [1],
        {"step": 9},
        line | {"step": True},
    ]
    text = "\n".join(map(json.dumps, lines)) + '\n{"step": 7, "los\n\x00\n'
    (tmp_path / loop.METRICS).write_text(text)
    found = training._read_metrics(tmp_path)
    assert [(x["step"], x["loss"]) for x in found] == [(2, 1.0), (4, 3.0)]
    assert training._read_metrics(tmp_path / "gone") == []


def test_steps_scores_and_curve_are_shown(tmp_path):
    lines = [{"step": step, "loss": 1.0, "held_out": 2.0 - step / 100} for step in (0, 50, 100, 150)]
    (tmp_path / loop.METRICS).write_text("\n".join(map(json.dumps, lines)))
    card = {"steps": 100, "best_step": 50, "scores": {"first": 2.0, "best": 1.5}}
    html = training.format_training(card, tmp_path)
    assert "Ended at step" in html and "Errors from step 0 to 100" in html and "1.500" in html
    assert training.format_training({}, tmp_path / "gone") == ""


@pytest.mark.parametrize("value", ["4", True, None, 1e300, float("inf"), {}])
def test_what_is_no_number_on_a_card_is_none(value):
    assert training.read_number({"steps": value}, "steps") is None
    assert training.read_number({"steps": 4}, "steps") == 4.0
