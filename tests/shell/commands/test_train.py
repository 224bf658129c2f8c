"""The train command: whom it asks for consent, what it says of each voice, how it ends when stopped."""

import io
import os
import signal
from pathlib import Path

import pytest

from voiceswap.errors import UsageError
from voiceswap.jobs.train import VoiceResult
from voiceswap.provenance.consent import consents_by_voice
from voiceswap.shell.cli import app


class Terminal(io.StringIO):
    """Someone who types these lines."""

    def isatty(self):
        return True


@pytest.fixture
def told(home, monkeypatch):
    """What the job is told of consent, when speakers a and b are trained from here."""
    calls = []
    for name in "ab":
        (home / name).mkdir()
    monkeypatch.chdir(home)
    monkeypatch.setattr("voiceswap.jobs.train.train", lambda *sources, **given: calls.append(given["consent"]) or [])
    return calls


def test_consent_is_asked_for_at_a_terminal(told, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", Terminal("Boris, to anything, today\n\n"))
    app(["train", "a", "b", "--consent", "a=Anna, to songs"], standalone_mode=False)
    assert told == [{"a": "Anna, to songs", "b": "Boris, to anything, today"}]
    asked = capsys.readouterr()
    assert "Who agreed to a voice b, to what, and when?" in asked.err and " a," not in asked.err
    assert asked.out == ""
    monkeypatch.setattr("sys.stdin", Terminal(""))
    app(["train", "a"], standalone_mode=False)
    assert told[-1] == {"a": ""}
    assert consents_by_voice(told[-1], ["a"]) == {}


def test_consent_is_asked_for_nowhere_else(told, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", Terminal("never read\n"))
    app(["train", "a", "--json"], standalone_mode=False)
    monkeypatch.setattr("sys.stdin", io.StringIO("never read\n"))
    app(["train", "a", "b"], standalone_mode=False)
    monkeypatch.setattr("sys.stdin", None)
    app(["train", "a"], standalone_mode=False)
    monkeypatch.setattr("sys.stdin", Terminal("never read\n"))
    app(["train", "a", "nobody"], standalone_mode=False)
    assert [list(filter(None, each.values())) for each in told] == [[]] * 4
    assert "Who agreed" not in capsys.readouterr().err
    with pytest.raises(UsageError, match="unclear whose consent"):
        app(["train", "a", "b", "--consent", "everyone"], standalone_mode=False)


def test_consent_given_before_is_not_asked_for_again(told, home, monkeypatch):
    run_folder = home / "voices" / ".runs" / "a"
    run_folder.mkdir(parents=True)
    (run_folder / "agreement.json").write_text('{"consent": {"recorded": true, "statement": "Anna"}}')
    monkeypatch.setattr("sys.stdin", Terminal("Boris\n"))
    app(["train", "a", "b"], standalone_mode=False)
    assert told == [{"b": "Boris"}]


def result(name, status):
    return VoiceResult(name, Path("voices") / name, status, 300.0, 450, 400, 276.0, {"first": 0.9, "best": 0.6125})


def test_each_voice_is_told_with_its_score_and_what_to_do_next(home, monkeypatch, capsys):
    results = [result("a", "trained"), result("my b", "ready")]
    monkeypatch.setattr("voiceswap.jobs.train.train", lambda *sources, **options: results)
    assert not app(["train", "a", "my b"], standalone_mode=False)
    assert capsys.readouterr().out.splitlines() == [
        "a: trained, 450 steps in 4.6 min, held-out error 0.900 before, 0.613 at step 400",
        "  voices/a",
        "my b: ready, 450 steps in 4.6 min, held-out error 0.900 before, 0.613 at step 400",
        "  voices/my b",
        "next: voiceswap convert RECORDING --as 'my b'",
    ]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize(
    ("options", "again"), [([], "the same command"), (["--fresh"], "the same command without --fresh")]
)
def test_a_training_that_is_stopped_says_how_it_goes_on(number, code, options, again, home, monkeypatch, capsys):
    def train(*sources, stopped, **given):
        os.kill(os.getpid(), number)
        assert stopped()
        return [result("a", "stopped")]

    monkeypatch.setattr("voiceswap.jobs.train.train", train)
    assert app(["train", "a", *options], standalone_mode=False) == code
    assert capsys.readouterr().out.splitlines() == [
        "a: stopped, 450 steps in 4.6 min, held-out error 0.900 before, 0.613 at step 400",
        f"stopped; {again} goes on",
    ]
