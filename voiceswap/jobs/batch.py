"""Many recordings: which they are, what became of each, and several converted at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from voiceswap.audio.find import describe_left_out, find_recordings
from voiceswap.audio.read import read_tags
from voiceswap.audio.write import FORMATS, UNTAGGED, output_suffix
from voiceswap.conversion.options import ConvertOptions
from voiceswap.errors import AudioError, ModelError, StoppedError, UsageError
from voiceswap.events import Note, OnEvent, Progress, ignore_events
from voiceswap.jobs.executors.local import Json, run_tasks
from voiceswap.provenance.record import record_from_tags
from voiceswap.scoring.scores import Scores
from voiceswap.signal.f0 import F0Range
from voiceswap.storage.outputs import Input, Place
from voiceswap.text import count

# What a worker does with each recording.
WORKER = "voiceswap.jobs.convert:task"


@dataclass(frozen=True)
class Conversion:
    """What became of one recording.

    Attributes:
        source: The recording.
        output: The result.
        voice: The voice's name.
        status: "converted", "skipped" (its output was there) or "failed".
        error: Why it failed, else empty.
        marked: Whether it bears the mark; too short or silent recordings cannot.
        sidecar: Its record as a file of JSON; None if none was wanted.
        accompanied: Whether the singing was taken out of its accompaniment, or put over one.
        pitch_semitones: How far the melody was moved.
        source_f0: The recording's range; None if hardly anything in it is voiced.
        voice_f0: The voice's range.
        duration_s: Length.
        seconds: Time it took.
        times_real_time: Length over time taken.
        scores: How good it is; None if nobody asked.
        missing: What of the scores is not measured, and what to do about it.
    """

    source: Path
    output: Path
    voice: str
    status: str = "converted"
    error: str = ""
    marked: bool = False
    sidecar: Path | None = None
    accompanied: bool = False
    pitch_semitones: float = 0.0
    source_f0: F0Range | None = None
    voice_f0: F0Range | None = None
    duration_s: float = 0.0
    seconds: float = 0.0
    times_real_time: float = 0.0
    scores: Scores | None = None
    missing: tuple[str, ...] = ()


def find_inputs(
    inputs: Sequence[Path],
    voice_name: str,
    on_event: OnEvent = ignore_events,
    called: Mapping[Path, Path] | None = None,
) -> list[Input]:
    """The recordings that inputs stand for, folders taken whole, but for what voiceswap made itself.

    Args:
        inputs: Recordings and folders.
        voice_name: The voice's name, by which results are known that have no tags.
        on_event: Told of what is left out.
        called: What inputs are called that have no name of their own.

    Returns:
        At least one recording.

    Raises:
        UsageError: A folder holds no recording, or nothing but results.
    """
    recordings: list[Input] = []
    for given in inputs:
        if not os.path.isdir(given):
            recordings.append(Input(given, output_suffix(given), called=(called or {}).get(given)))
            continue
        if text := describe_left_out(given):
            on_event(Note(text, warning=True))
        found = find_recordings(given)
        sources = [path for path in found if not _is_result(path, voice_name)]
        if len(sources) < len(found):
            on_event(Note(f"{given}: left out {count(len(found) - len(sources), 'recording')} that voiceswap made"))
        recordings += [Input(path, output_suffix(path), given) for path in sources]
    if not recordings:
        raise UsageError(
            f"{', '.join(map(str, inputs))} holds nothing but what voiceswap made",
            "name one of them to convert it all the same",
        )
    return recordings


def _is_result(path: Path, voice_name: str) -> bool:
    """Whether voiceswap made it, for whatever voice: its tags tell, and its name where it has none."""
    bears_name = path.stem.endswith(f".{voice_name}")
    try:
        tags = read_tags(path)
    except (AudioError, UsageError):
        return bears_name
    untagged = FORMATS.get(path.suffix.lower()) in UNTAGGED
    return record_from_tags(tags) is not None or (untagged and bears_name)


def fail(place: Place, voice_name: str, why: str, on_event: OnEvent) -> Conversion:
    """What became of a recording that could not be converted; it is told, too."""
    on_event(Note(why, warning=True))
    return Conversion(place.source, place.output, voice_name, "failed", why)


def to_answer(conversion: Conversion) -> Json:
    """A conversion as plain JSON values, without what the one who asked knows: source and output."""
    fields = asdict(conversion) | {"sidecar": conversion.sidecar.name if conversion.sidecar else None}
    return {key: value for key, value in fields.items() if key not in ("source", "output")}


@dataclass(frozen=True)
class Batch:
    """Recordings to be converted by workers.

    Attributes:
        options: Of all of them.
        voice: The voice's name.
        places: Each recording with its place.
        given: Warnings that were given already.
    """

    options: ConvertOptions
    voice: str
    places: Sequence[Place]
    given: set[str]

    def run(self, on_event: OnEvent, stopped: Callable[[], bool]) -> list[Conversion]:
        """Convert them, `options.jobs` at once. A worker that dies is one failed recording.

        Args:
            on_event: Told of warnings, and of how many are done.
            stopped: Asked now and then; True ends it.

        Returns:
            One result a recording, in their order.

        Raises:
            ModelError: The voice cannot be used.
            StoppedError: `stopped` said so.
        """
        results: dict[int, Conversion] = {}
        waiting = []
        for i, place in enumerate(self.places):
            if place.problem:
                results[i] = fail(place, self.voice, place.problem, on_event)
            elif self.options.skip_existing and place.exists:
                results[i] = Conversion(place.source, place.output, self.voice, "skipped")
            else:
                waiting.append(i)
        tasks = [
            {"source": os.path.abspath(self.places[i].source), "output": os.path.abspath(self.places[i].output)}
            for i in waiting
        ]
        shared = replace(self.options, out=None, skip_existing=False, jobs=1).to_json()
        for number, answer in run_tasks(WORKER, shared, tasks, self.options.jobs, stopped):
            i = waiting[number]
            results[i] = self._read_answer(self.places[i], answer, on_event)
            on_event(Progress("all recordings", "converting", len(results), len(self.places)))
        if len(results) < len(self.places):
            raise StoppedError(f"stopped; {len(self.places) - len(results)} recordings were not converted")
        return [results[i] for i in range(len(self.places))]

    def _read_answer(self, place: Place, answer: Json, on_event: OnEvent) -> Conversion:
        if "fatal" in answer:
            raise ModelError(answer["fatal"], answer["hint"])
        for text in answer.pop("warnings", ()):
            if text not in self.given:
                on_event(Note(text, warning=True))
        died = f"{place.source}: its worker died ({answer['died']})" if "died" in answer else None
        if failure := died or answer.get("failure"):
            return fail(place, self.voice, failure, on_event)
        values: dict[str, Any] = {
            key: F0Range(**answer[key]) if answer[key] else None for key in ("source_f0", "voice_f0")
        }
        values["missing"] = tuple(answer["missing"])
        values["sidecar"] = place.output.with_name(answer["sidecar"]) if answer["sidecar"] else None
        return Conversion(**(answer | values), source=place.source, output=place.output)
