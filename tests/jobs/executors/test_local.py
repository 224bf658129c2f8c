"""Many recordings at once: the same results, one summary, and a worker that is killed costs one recording (R21)."""

import os
import signal
from operator import attrgetter

import numpy as np
import pytest
import soundfile

import voiceswap
from conftest import save
from voiceswap.errors import ModelError, StoppedError, UsageError
from voiceswap.jobs import batch
from voiceswap.jobs.convert import convert
from voiceswap.jobs.executors.local import run_tasks
from voiceswap.signal import synthetic

SPOKEN = synthetic.speech(synthetic.BORIS, 0.5, seed=3).samples
# What workers of these tests do, in a module that they import.
ACTIONS = """
import atexit, os, signal, time

def echo(shared, task, stopped):
    if "removed" in shared:
        atexit.register(os.remove, shared["removed"])
    if task["do"] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if task["do"] == "wait":
        open(shared["started"], "w").close()
    while task["do"] == "wait" and not stopped():
        time.sleep(0.01)
    if stopped():
        open(shared["left"], "w").close()
    return {"said": task["do"], "pid": os.getpid()}
"""
ECHO = "actions_of_this_test:echo"


@pytest.fixture(autouse=True)
def actions(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("actions")
    (folder / "actions_of_this_test.py").write_text(ACTIONS)
    monkeypatch.syspath_prepend(folder)
    return folder


def test_r21_a_killed_worker_costs_one_task():
    tasks = [{"do": "die" if i in (3, 7) else str(i)} for i in range(12)]
    answers = dict(run_tasks(ECHO, {}, tasks, 3, lambda: False))
    assert sorted(answers) == list(range(12))
    assert [i for i, answer in sorted(answers.items()) if answer == {"died": -signal.SIGKILL}] == [3, 7]
    assert all(answer["said"] == str(i) for i, answer in answers.items() if i not in (3, 7))


def test_workers_end_gently_when_it_is_stopped(tmp_path):
    started, left = tmp_path / "started", tmp_path / "left"
    tasks = [{"do": "now"}, {"do": "wait"}, {"do": "wait"}]
    found = dict(run_tasks(ECHO, {"started": str(started), "left": str(left)}, tasks, 2, started.exists))
    assert set(found) <= {0}
    assert left.exists()


def test_idle_workers_end_as_python_does(tmp_path):
    """TensorFlow removes its files in the temporary folder only then."""
    (tmp_path / "left").touch()
    shared = {"removed": os.fspath(tmp_path / "left")}
    assert dict(run_tasks(ECHO, shared, [{"do": "now"}], 1, lambda: False))[0]["said"] == "now"
    assert os.listdir(tmp_path) == []


def test_nothing_to_do():
    assert list(run_tasks(ECHO, {}, [], 4, lambda: False)) == []


def test_r21_jobs_give_what_one_after_the_other_gives(voice, home, use_tiny, actions, monkeypatch):
    (actions / "tiny_worker.py").write_text(
        "from pathlib import Path\nfrom voiceswap.jobs.convert import task\nfrom voiceswap.model import base\n"
        f"base.SHIPPED = Path({os.fspath(use_tiny)!r})\n"
    )
    monkeypatch.setattr(batch, "WORKER", "tiny_worker:task")
    data = save(home / "in" / "a.wav", SPOKEN).read_bytes()
    save(home / "in" / "deep" / "caf\u00e9 [b].wav", SPOKEN[:8000])
    (home / "in" / "cut.wav").write_bytes(data[:-4000])
    (home / "in" / "bad.wav").write_bytes(b"hello")
    # Nothing as it is by itself.
    options = {
        "mode": "dry",
        "pitch_semitones": 3.0,
        "formant_semitones": 2.0,
        "mark": False,
        "sidecar": True,
        "strict": True,
    }
    one = convert(home / "in", as_="speakerA", out=home / "one", **options)
    two = convert(home / "in", as_="speakerA", out=home / "two", **options, jobs=2)
    said = attrgetter("source", "status", "error", "source_f0", "duration_s", "marked", "pitch_semitones")
    assert list(map(said, two)) == list(map(said, one))
    assert {r.source.name: r.status for r in one}["cut.wav"] == "failed"
    for a, b in zip(one, two, strict=True):
        assert (a.sidecar is None) == (b.sidecar is None) == (a.status != "converted")
        assert b.output == home / "two" / a.output.relative_to(home / "one")
        assert a.output.exists() == b.output.exists() == (a.status == "converted")
        if a.status == "converted":
            # Not the bytes: the tags say when a file was made. Workers share the cores out: sums of other threads may
            # round a sample to the next step of 16 bits.
            np.testing.assert_allclose(soundfile.read(a.output)[0], soundfile.read(b.output)[0], atol=1.01 / 32768)
    told = []
    more = {"mode": "dry", "jobs": 2, "skip_existing": True, "on_event": told.append}
    again = convert(home / "in", as_="speakerA", out=home / "two", **more)
    assert sorted(r.status for r in again) == ["converted", "failed", "skipped", "skipped"]
    assert any("cut.wav is damaged after" in getattr(e, "text", "") for e in told)
    with pytest.raises(StoppedError, match="4 recordings were not converted"):
        convert(home / "in", as_="speakerA", out=home / "three", mode="dry", jobs=2, stopped=lambda: True)
    (voice.path / "weights.safetensors").write_bytes(b"torn")
    with pytest.raises(ModelError, match="weights"):
        voiceswap.convert(home / "in", as_="speakerA", out=home / "four", jobs=2)
    for jobs in (0, 65):
        with pytest.raises(UsageError, match=f"jobs is {jobs}"):
            voiceswap.convert(home / "in", as_="speakerA", jobs=jobs)
