"""Many recordings: which they are, and what workers answer of each."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from voiceswap.audio.read import AudioInfo
from voiceswap.audio.write import Writer
from voiceswap.conversion.options import ConvertOptions
from voiceswap.errors import ModelError, StoppedError, UsageError
from voiceswap.events import Note, Progress
from voiceswap.jobs import batch
from voiceswap.jobs.batch import Batch, Conversion, find_inputs, to_answer
from voiceswap.provenance.record import Record, record_tags
from voiceswap.signal.f0 import F0Range
from voiceswap.storage.outputs import Place

RANGE = F0Range(100.0, 150.0, 200.0)
PLACES = [Place(Path(f"{name}.wav"), Path(f"{name}.anna.wav"), exists=name == "old") for name in ("a", "old", "b")]


def test_folders_are_taken_whole_but_for_what_an_earlier_call_made(tmp_path):
    for name in ("a.flac", "deep/b.mp3", "a.anna.flac", "deep/b.anna.mp3", "note.txt"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    inputs = find_inputs([tmp_path / "in", tmp_path / "one.m4a"], "anna")
    found = [(str(each.path.relative_to(tmp_path)), each.suffix, each.folder) for each in inputs]
    assert found == [
        ("in/a.flac", ".flac", tmp_path / "in"),
        ("in/deep/b.mp3", ".mp3", tmp_path / "in"),
        # It is named itself, whether or not it is there; m4a cannot be written.
        ("one.m4a", ".wav", None),
    ]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="holds no recording"):
        find_inputs([tmp_path / "empty"], "anna")


def test_an_answer_is_json_and_comes_back_as_it_was(tmp_path):
    made = Conversion(
        PLACES[0].source, PLACES[0].output, "anna", marked=True, sidecar=Path("a.anna.wav.json"), voice_f0=RANGE
    )
    answer = json.loads(json.dumps(to_answer(made)))
    assert "source" not in answer and "output" not in answer
    assert Batch(ConvertOptions("anna"), "anna", PLACES, set())._read_answer(PLACES[0], answer, print) == made


@pytest.fixture
def answers(monkeypatch):
    """What workers answer, instead of workers; and what they were asked."""
    asked = {}

    def run_tasks(action, shared, tasks, n_workers, stopped):
        asked.update(action=action, shared=shared, tasks=tasks, n_workers=n_workers)
        yield from asked["answers"]

    monkeypatch.setattr(batch, "run_tasks", run_tasks)
    return asked


def run(options, events, **more):
    return Batch(options, "anna", PLACES, {"known"} | more.pop("given", set())).run(events.append, lambda: False)


def test_each_recording_has_its_result_in_order(answers):
    made = Conversion(PLACES[0].source, PLACES[0].output, "anna")
    answers["answers"] = [
        (1, {"failure": "b.wav is damaged", "warnings": ["known", "careful"]}),
        (0, to_answer(made) | {"warnings": []}),
    ]
    events = []
    results = run(ConvertOptions("anna", skip_existing=True, jobs=2, out="o", protect=0.5), events)
    assert [r.status for r in results] == ["converted", "skipped", "failed"]
    assert results[0] == made and results[2].error == "b.wav is damaged"
    assert [e.text for e in events if isinstance(e, Note)] == ["careful", "b.wav is damaged"]
    assert [(e.step, e.n_steps) for e in events if isinstance(e, Progress)] == [(2, 3), (3, 3)]
    assert answers["action"] == batch.WORKER and answers["n_workers"] == 2
    assert [Path(task["output"]).name for task in answers["tasks"]] == ["a.anna.wav", "b.anna.wav"]
    shared = ConvertOptions.from_json(answers["shared"])
    assert (shared.out, shared.jobs, shared.skip_existing, shared.protect) == (None, 1, False, 0.5)


def test_a_worker_that_died_is_one_failed_recording(answers):
    answers["answers"] = [(i, {"died": -9}) for i in range(3)]
    results = run(ConvertOptions("anna", jobs=2), [])
    assert [r.status for r in results] == ["failed"] * 3 and results[0].error == "a.wav: its worker died (-9)"


def test_a_voice_that_cannot_be_used_ends_all(answers):
    answers["answers"] = [(0, {"fatal": "the weights are damaged", "hint": "train it again"})]
    with pytest.raises(ModelError, match="damaged") as caught:
        run(ConvertOptions("anna", jobs=2), [])
    assert caught.value.hint == "train it again"


def test_what_is_left_when_it_is_stopped_is_counted(answers):
    answers["answers"] = [(0, {"died": -9})]
    with pytest.raises(StoppedError, match="2 recordings were not converted"):
        run(ConvertOptions("anna", jobs=2), [])


def test_what_voiceswap_made_is_no_source_by_its_tags_and_not_by_its_name(tmp_path):
    record = Record("0.1.0", "boris", "ab" * 32, "2026-01-01T00:00:00+00:00")
    kind = AudioInfo(48_000, 1, "WAV", "PCM_16")
    for name, tags in (
        ("song.wav", {}),
        ("song.anna.wav", {}),  # A person's own name for it.
        ("song.boris.wav", record_tags(record)),
        ("renamed.flac", record_tags(record)),
        ("renamed.mp3", record_tags(record)),
        ("song.anna.w64", {}),  # This format has no tags.
    ):
        with Writer(tmp_path / name, kind, tags) as writer:
            writer.write(np.zeros((4800, 1), np.float32))
    told = []
    found = find_inputs([tmp_path], "anna", told.append)
    assert [each.path.name for each in found] == ["song.anna.wav", "song.wav"]
    assert told == [Note(f"{tmp_path}: left out 4 recordings that voiceswap made")]
    # Named, it is converted all the same.
    assert [each.path for each in find_inputs([tmp_path / "renamed.flac"], "anna")] == [tmp_path / "renamed.flac"]
    for name in ("song.anna.wav", "song.wav"):
        (tmp_path / name).unlink()
    with pytest.raises(UsageError, match="holds nothing but what voiceswap made"):
        find_inputs([tmp_path], "anna")


def test_recordings_of_one_result_fail_and_the_others_are_converted(answers):
    places = [replace(PLACES[0], problem="two inputs would become one"), PLACES[2]]
    answers["answers"] = [(0, to_answer(Conversion(PLACES[2].source, PLACES[2].output, "anna")) | {"warnings": []})]
    results = Batch(ConvertOptions("anna", jobs=2), "anna", places, set()).run(lambda event: None, lambda: False)
    assert [(r.status, r.error) for r in results] == [("failed", "two inputs would become one"), ("converted", "")]
