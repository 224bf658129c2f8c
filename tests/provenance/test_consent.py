"""Consent: given, kept on the card, carried on, shown; old cards have none."""

import errno
import hashlib
import json
import os

import pytest

import voiceswap
from conftest import save
from voiceswap.conversion.voice import rewrite_card
from voiceswap.errors import UsageError
from voiceswap.events import Note
from voiceswap.provenance import consent
from voiceswap.provenance.consent import consents_by_voice, parse_consents
from voiceswap.signal import synthetic

SAID = "Anna Example, to songs in her voice for the album, 3 May 2026"


def card(name="speakerA"):
    return voiceswap.load(name).card


def warnings(events):
    return [e.text for e in events if isinstance(e, Note) and e.warning]


def test_what_was_agreed_to_is_on_the_card_and_stays_there(voice, recordings):
    voiceswap.train(recordings, consent=SAID, licence="CC-BY-4.0")
    assert card()["consent"] == {"recorded": True, "statement": SAID}
    assert card()["licence"] == "CC-BY-4.0"
    assert {"data_sha256", "speech_s", "scores"} <= card().keys()
    assert voiceswap.load("speakerA").consent_line == f"consent: {SAID}"
    events = []
    voiceswap.train(recordings, fresh=True, on_event=events.append)
    assert card()["consent"]["statement"] == SAID and card()["licence"] == "CC-BY-4.0"
    assert not any("consent" in text for text in warnings(events))
    save(recordings / "other.wav", synthetic.speech(synthetic.BORIS, 8.0, seed=9).samples)
    voiceswap.train(recordings, on_event=events.append)
    assert card()["consent"] == {"recorded": False}
    assert "speakerA: no consent is recorded of these recordings; give it with `consent`" in warnings(events)


def test_a_ready_voice_without_consent_gets_it_and_keeps_its_weights(voice, recordings):
    assert voice.card["consent"] == {"recorded": False}
    letter = recordings.parent / "letter.txt"
    letter.write_text(SAID)
    (again,) = voiceswap.train(recordings, consent=letter)
    assert again.status == "ready"
    after = voiceswap.load("speakerA")
    sha256 = hashlib.sha256(SAID.encode()).hexdigest()
    assert after.card["consent"] == {"recorded": True, "file": "letter.txt", "sha256": sha256}
    assert after.consent_line == f"consent is in letter.txt (sha256 {sha256})"
    assert after.id == voice.id
    voiceswap.train(recordings, consent=SAID, licence="CC-BY-4.0")
    voiceswap.train(recordings)
    assert (card()["consent"]["statement"], card()["licence"]) == (SAID, "CC-BY-4.0")


def test_a_stopped_training_goes_on_with_what_was_said_before(recordings, use_tiny):
    stages = []
    watched = {
        "on_event": lambda event: stages.append(getattr(event, "stage", "")),
        "stopped": lambda: "training" in stages,
    }
    (stopped,) = voiceswap.train(recordings, consent={"speakerA": SAID}, **watched)
    assert stopped.status == "stopped"
    voiceswap.train(recordings)
    assert card()["consent"]["statement"] == SAID


def test_converting_says_what_the_card_says(voice, home):
    source = save(home / "a.wav", synthetic.speech(synthetic.BORIS, 1.0).samples)
    events = []
    voiceswap.convert(source, as_="speakerA", on_event=events.append)
    assert "speakerA: no consent is recorded" in warnings(events)
    rewrite_card(voice, voice.card | {"consent": {"recorded": True, "statement": SAID}})
    events.clear()
    voiceswap.convert(source, as_="speakerA", force=True, on_event=events.append)
    assert any(isinstance(e, Note) and e.text == f"speakerA: consent: {SAID}" and not e.warning for e in events)


def test_old_and_odd_cards_load(voice, recordings):
    old = {key: value for key, value in voice.card.items() if key not in {"consent", "licence"}}
    assert rewrite_card(voice, old).consent_line == "no consent is recorded"
    for odd in (None, "yes", [], {"recorded": "yes"}, {"recorded": 1}):
        assert rewrite_card(voice, old | {"consent": odd}).consent_line == "no consent is recorded"
    hostile = {"recorded": True, "file": "a\nvoice: b", "sha256": ["x"] * 999}
    line = rewrite_card(voice, old | {"consent": hostile}).consent_line
    assert "\n" not in line and len(line) < 700
    rewrite_card(voice, old)
    voiceswap.train(recordings, consent=SAID)
    assert card()["consent"]["statement"] == SAID


def test_whose_consent_it_is_must_be_clear(tmp_path):
    both = ["a", "b"]
    assert parse_consents(["a=x", "b=y = z"], both) == {"a": "x", "b": "y = z"}
    assert parse_consents(["she said x=y"], ["a"]) == {"a": "she said x=y"}
    assert consents_by_voice("  ", ["a"]) == consents_by_voice(None, both) == {}
    for call, says in [
        (lambda: parse_consents(["all of us"], both), "unclear whose consent 'all of us' is"),
        (lambda: parse_consents(["a=x", "a=y"], both), "given twice"),
        (lambda: consents_by_voice("all of us", both), "unclear whose"),
        (lambda: consents_by_voice({"c": "x"}, both), "consent of 'c', for whom no voice is trained here"),
        (lambda: consents_by_voice("letter.txt", ["a"]), "no such file: letter.txt"),
        (lambda: consents_by_voice(tmp_path / "none", ["a"]), "no such file"),
        (lambda: consents_by_voice("x " * 2000, ["a"]), "3999 characters"),
        (lambda: voiceswap.train("nobody", licence="x" * 501), "the licence has 501 characters"),
    ]:
        with pytest.raises(UsageError, match=says):
            call()


def test_a_file_that_cannot_be_read_is_told_in_one_line(tmp_path, monkeypatch):
    (tmp_path / "letter.txt").write_text(SAID)

    def refused(path, *how):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(type(tmp_path), "open", refused)
    with pytest.raises(UsageError, match=r"cannot read .*letter\.txt: permission denied"):
        consents_by_voice(tmp_path / "letter.txt", ["a"])


def test_an_unsound_note_of_the_past_is_passed_over(recordings, use_tiny, home):
    run = home / "voices" / ".runs" / "speakerA"
    run.mkdir(parents=True)
    (run / consent.FILE_NAME).write_text('{"consent": NaN')
    voiceswap.train(recordings)
    assert card()["consent"] == {"recorded": False}
    assert json.loads((run / consent.FILE_NAME).read_text())["consent"] == {"recorded": False}
