"""One recording on its way: how far it is, and what could not be written is told before the work."""

import math
import os
import time
from types import SimpleNamespace

import numpy as np
import pytest

import voiceswap
from conftest import save
from voiceswap.errors import UsageError, WriteError
from voiceswap.events import Progress
from voiceswap.jobs import converting
from voiceswap.signal import synthetic


def test_the_time_left_is_told_by_the_stage_that_runs(voice, home, monkeypatch):
    analyse, told, passed_s = converting.analyse, [], [0.0]

    def slow(*arguments):
        passed_s[0] += 1e6
        return analyse(*arguments)

    monkeypatch.setattr(converting, "analyse", slow)
    monkeypatch.setattr(converting, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + passed_s[0]))
    spoken = synthetic.speech(synthetic.BORIS, 70.0, seed=3).samples
    voiceswap.convert(save(home / "boris.wav", spoken), as_="speakerA", mode="dry", on_event=told.append)
    left = [e.left_s for e in told if isinstance(e, Progress) and e.stage == "converting"]
    assert len(left) >= 3 and math.isnan(left[0])
    # The million seconds before are no part of it.
    assert all(0 <= s < 1e4 for s in left[1:])


@pytest.fixture
def at_home(voice, home, monkeypatch):
    """Recordings, a melody and a backing in the current folder; nothing may be heard of them."""
    for name in ("song.wav", "vocals.wav", "backing.wav"):
        save(home / name, np.zeros(4410))
    for name in ("m.csv", "f0.csv"):
        (home / name).write_text("time_s,f0_hz\n0.0,220\n")
    monkeypatch.chdir(home)
    monkeypatch.setattr(converting, "open_song", None)
    return home


SONG = {"f0": "m.csv", "backing": "backing.wav"}


@pytest.mark.parametrize(
    ("source", "options", "kind", "says"),
    [
        ("song.wav", {"f0_out": "m.csv"}, UsageError, "m.csv exists"),
        ("song.wav", SONG | {"f0_out": "./m.csv"}, UsageError, "m.csv is the file of `f0` itself"),
        ("song.wav", SONG | {"f0_out": "song.wav"}, UsageError, "song.wav is the input itself"),
        ("song.wav", SONG | {"f0_out": "backing.wav"}, UsageError, "backing.wav is the file of `backing` itself"),
        ("song.wav", {"out": "o.wav", "f0_out": "o.wav"}, UsageError, "o.wav is the output itself"),
        ("song.wav", SONG | {"out": "backing.wav"}, UsageError, "backing.wav is the file of `backing` itself"),
        ("vocals.wav", {"stems": "."}, UsageError, "vocals.wav is the input itself"),
        ("song.wav", {"f0": "f0.csv", "keep_stages": "."}, UsageError, "f0.csv is the file of `f0` itself"),
        (
            "song.wav",
            {"f0_out": "mel.npy", "keep_stages": "."},
            UsageError,
            "mel.npy is the file of `f0_out` itself",
        ),
        ("song.wav", {"out": "o.wav", "f0_out": "o.wav.json", "sidecar": True}, UsageError, "is the file of `f0_out`"),
        ("song.wav", {"f0_out": "voices"}, WriteError, "voices: it is no file"),
        ("song.wav", {"f0_out": "gone/m.csv"}, WriteError, "there is no folder gone"),
        ("song.wav", {"stems": "m.csv/s"}, WriteError, "there is no folder m.csv"),
        ("song.wav", {"f0_out": "m." + "x" * 254}, WriteError, "name too long"),
        ("song.wav", {"f0_out": "m." + "x" * 240}, WriteError, "name too long"),
        ("song.wav", {"out": "日" * 84 + ".wav"}, WriteError, "name too long"),
        ("song.wav", {"out": "x" * 250 + ".wav", "sidecar": True}, WriteError, "name too long"),
        ("日" * 82 + ".wav", {}, WriteError, "name too long"),
        ("song.wav", {"out": "o.m4a"}, UsageError, "o.m4a has an ending that cannot be written"),
        ("song.wav", {"f0": "gone.csv"}, UsageError, "no such file: gone.csv"),
        ("song.wav", {"f0": "backing.wav"}, UsageError, "cannot read backing.wav as text"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_could_not_be_written_is_told_before_anything_is_heard(source, options, kind, says, at_home):
    if not os.path.exists(source):
        save(at_home / source, np.zeros(4410))
    before = {path: path.read_bytes() for path in at_home.rglob("*") if path.is_file()}
    with pytest.raises(kind) as caught:
        voiceswap.convert(source, as_="speakerA", **{"force": says != "m.csv exists"} | options)
    assert says in caught.value.message and "\n" not in caught.value.message and caught.value.hint
    assert {path: path.read_bytes() for path in at_home.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("jobs", [1, 2])
def test_no_result_takes_the_place_of_another_recording(at_home, jobs):
    save(at_home / "song.speakerA.wav", np.zeros(4410))
    songs = sorted(at_home.glob("*.wav"))
    before = {path: path.read_bytes() for path in songs}
    with pytest.raises(UsageError, match=r"song\.speakerA\.wav is an input itself, and what song\.wav would become"):
        voiceswap.convert(*(path.name for path in songs), as_="speakerA", force=True, jobs=jobs)
    assert {path: path.read_bytes() for path in sorted(at_home.glob("*.wav"))} == before
