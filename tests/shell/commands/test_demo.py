"""The demo command: two voices and a song, or that it was stopped."""

import json
import os
import signal
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from voiceswap.shell.cli import app


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_demo_that_is_stopped_says_so_with_its_exit_code(number, code, home, monkeypatch, capfd):
    def train(*sources, stopped, **options):
        os.kill(os.getpid(), number)
        return [SimpleNamespace(status="stopped" if stopped() else "trained")]

    monkeypatch.setattr("voiceswap.jobs.demo._make_recordings", lambda folder, *_: folder)
    monkeypatch.setattr("voiceswap.jobs.demo._write", lambda *given: None)
    monkeypatch.setattr("voiceswap.jobs.demo.train", train)
    assert app(["demo", str(home / "demo")], standalone_mode=False) == code
    assert capfd.readouterr().out == "stopped; the same command goes on\n"


def test_a_demo_trains_two_voices_and_converts_a_song_into_each(home, use_tiny, monkeypatch, capfd):
    monkeypatch.setattr("voiceswap.jobs.demo.TAKES", 3)
    monkeypatch.setattr("voiceswap.jobs.demo.SPEECH_S", 15.0)
    folder = home / "demo"
    assert not app(["demo", str(folder), "--json"], standalone_mode=False)
    told = json.loads(capfd.readouterr().out)
    assert told["folder"] == str(folder) and list(told["scores"]) == ["speakerA", "speakerB"]
    *said, places = told["lines"][:3]
    made = [folder / f"song.{name}.wav" for name in told["scores"]]
    song, *sounds = (soundfile.read(path)[0] for path in (folder / "song.wav", *made))
    for (name, found), path, sound, line in zip(told["scores"].items(), made, sounds, said, strict=True):
        assert sound.shape == song.shape and sound.std() > 0.001
        kept, ours, theirs = (found[key] for key in ("melody_correlation", "to_target_db", "to_source_db"))
        assert abs(kept) <= 1 and ours > 0 and theirs > 0
        assert line == (
            f"{path}: melody kept {kept:.2f} of 1, timbre {ours:.1f} dB "
            f"from {name}'s own recordings and {theirs:.1f} dB from the singer's"
        )
    assert np.abs(sounds[0] - sounds[1]).max() > 0.001
    assert (
        places == f"recordings, voices and results are in {folder}: listen to song.wav, {made[0].name}, {made[1].name}"
    )
