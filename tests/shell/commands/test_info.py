"""The info command: a voice's card, and what a recording says of itself."""

import json
import re

import pytest

from conftest import save
from voiceswap.errors import AudioError, VoiceswapError
from voiceswap.shell.cli import app
from voiceswap.signal import synthetic


def test_a_voice_says_whether_there_is_consent(voice, capsys):
    app(["info", "speakerA"], standalone_mode=False)
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == "no consent is recorded"
    assert {"licence: none is given", "name: speakerA"} <= set(said)
    assert any(re.fullmatch(r"f0_range: \d+-\d+ Hz, [A-G]#?\d-[A-G]#?\d", line) for line in said)
    assert any(line.startswith("scores: first ") for line in said) and not [line for line in said if "{" in line]
    app(["info", "speakerA", "--json"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["consent"] == {"recorded": False}


def test_what_a_recording_says_of_itself(home, capsys, monkeypatch):
    # As with c2pa-python, which finds none.
    monkeypatch.setattr("voiceswap.jobs.detect.read_credentials", lambda *_: None)
    path = save(home / "a [b].wav", synthetic.speech(synthetic.BORIS, 1.0).samples)
    assert not app(["info", str(path)], standalone_mode=False)
    assert capsys.readouterr() == (
        f"file: {path}, WAV PCM_16, 22050 Hz, 1 channel\n"
        "it does not say that it was made with voiceswap; voiceswap detect listens for the mark\n",
        "",
    )
    path.with_name(path.name + ".json").write_text("hello")
    assert app(["info", str(path)], standalone_mode=False) == 1
    assert "WRONG: the record beside it cannot be read" in capsys.readouterr().out
    (home / "x.wav").write_text("hello")
    with pytest.raises(AudioError, match=r"x\.wav is not a recording"):
        app(["info", str(home / "x.wav")], standalone_mode=False)


def test_what_is_no_voice_and_no_recording_is_refused_before_networks_are_loaded(home, monkeypatch):
    monkeypatch.setattr("voiceswap.model.runtime.open_session", lambda *given: pytest.fail("networks are loaded"))
    with pytest.raises(VoiceswapError, match="no voice 'nobody'") as refused:
        app(["info", "nobody"], standalone_mode=False)
    assert refused.value.exit_code == 4
