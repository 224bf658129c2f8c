"""The pretrain command: what it says of the base, and how it ends when stopped."""

import os
import signal
from pathlib import Path

import pytest

from voiceswap.jobs.pretrain import Pretrained
from voiceswap.shell.cli import app


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (Pretrained(Path("work/base"), ("encoder", "decoder"), {}), "base: work/base"),
        (Pretrained(None, ("encoder", "decoder"), {}), "parts that stand: encoder, decoder"),
        (Pretrained(None, (), {}), "parts that stand: none"),
    ],
)
def test_what_a_pretraining_came_to_is_said(made, says, monkeypatch, capsys):
    monkeypatch.setattr("voiceswap.jobs.pretrain.pretrain", lambda *folders, **options: made)
    app(["pretrain", "people", "--out", "work"], standalone_mode=False)
    assert capsys.readouterr().out == f"{says}\n"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_pretraining_that_is_stopped_says_what_stands_and_ends_with_the_exit_code_of_the_signal(
    number, code, monkeypatch, capsys
):
    def pretrain(*folders, stopped, **options):
        os.kill(os.getpid(), number)
        assert stopped()
        return Pretrained(None, ("encoder",), {})

    monkeypatch.setattr("voiceswap.jobs.pretrain.pretrain", pretrain)
    assert app(["pretrain", "people", "--out", "work"], standalone_mode=False) == code
    assert capsys.readouterr().out == "parts that stand: encoder\n"
