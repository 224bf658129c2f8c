"""Inputs that came through pipes go by their own names in all that a job says."""

import os
from pathlib import Path

import pytest

from voiceswap.errors import AudioError
from voiceswap.events import Note, Progress
from voiceswap.jobs.piped import keep_inputs


def test_plain_inputs_stay_as_they_are(tmp_path):
    told = []
    with keep_inputs([tmp_path / "x.wav", "y"], told.append) as piped:
        assert piped.paths == [tmp_path / "x.wav", Path("y")] and not piped.called
        piped.on_event(Note("x"))
    assert told == [Note("x")]


def test_events_errors_and_paths_bear_the_name_that_was_given():
    reading, writing = os.pipe()
    os.write(writing, b"sound")
    os.close(writing)
    told = []
    with pytest.raises(AudioError) as caught, keep_inputs([f"/dev/fd/{reading}"], told.append) as piped:
        (path,) = piped.paths
        assert path.read_bytes() == b"sound"
        name = f"fd{reading}"
        assert piped.name(path) == Path(name) and piped.name(f"{path} is short") == f"{name} is short"
        piped.on_event(Note(f"{path} is short", warning=True))
        piped.on_event(Progress(str(path), "listening", 0, 1))
        raise AudioError(f"{path} is damaged", "look")
    os.close(reading)
    assert [told[0].text, told[1].voice] == [f"{name} is short", name]
    assert caught.value.message == str(caught.value) == f"{name} is damaged"
    assert not path.exists()
