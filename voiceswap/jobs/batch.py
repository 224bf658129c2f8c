"""Many recordings: where each result goes, what became of each, and several converted at once."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from voiceswap.audio.find import find_recordings
from voiceswap.audio.write import output_suffix
from voiceswap.errors import ModelError, StoppedError, UsageError, WriteError
from voiceswap.events import Note, OnEvent, Progress
from voiceswap.jobs.executors import local as workers
from voiceswap.jobs.executors.local import run_tasks
from voiceswap.scoring.scores import Scores
from voiceswap.signal.f0 import F0Range
from voiceswap.storage import atomic, paths

Places = list[tuple[Path, Path]]
# Options whose folders are made where they are missing.
FOLDERS = frozenset({"--stems", "--keep-stages"})


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


def places_of(
    inputs: Sequence[Path], voice_name: str, out: Path | None, *, force: bool, skip_existing: bool
) -> list[tuple[Path, Path]]:
    """Each recording with its output; those of a folder keep their places below `out`."""
    many = len(inputs) > 1 or os.path.isdir(inputs[0])
    if out is not None and many:
        atomic.make_folder(out)
    places = []
    for given in inputs:
        is_folder = os.path.isdir(given)
        # What an earlier call made of the same folder is no source.
        found = find_recordings(given) if is_folder else [given]
        for source in (f for f in found if not (is_folder and f.stem.endswith(f".{voice_name}"))):
            suffix = output_suffix(source)
            folder = out
            if out is not None and is_folder:
                folder = out / source.parent.relative_to(given)
                atomic.make_folder(folder)
            allowed = force or skip_existing
            output = paths.output_path(source, voice_name, folder, force=allowed, many=many, suffix=suffix)
            places.append((source, output))
    outputs = Counter(output for _, output in places)
    if twice := [output for output, n in outputs.items() if n > 1]:
        raise UsageError(f"two inputs would become {min(twice)}", "convert them in two calls")
    sources = {_key(source) for source, _ in places}
    for source, output in places:
        # What exists and is skipped is not written.
        if not skip_existing and os.path.exists(output) and _key(output) in sources:
            raise UsageError(
                f"{output} is an input itself, and what {source} would become",
                "leave it out, or give another folder with -o",
            )
    return places


def check_targets(targets: Sequence[tuple[Path, str]], read: Iterable[tuple[Path, str]], *, force: bool) -> None:
    """Refuse before the work what could not be written after it, or would replace what it was made of.

    Args:
        targets: What is to be written, each with the option that says where; the result first.
        read: What it is made of, each with what to call it.
        force: Whether files that exist may be replaced.

    Raises:
        UsageError: One exists, or is read or written besides.
        WriteError: One's name is too long, its folder is missing or read-only, or it is no file.
    """
    result = targets[0][0]
    taken = {_key(path): what for path, what in read}
    for path, option in targets:
        hint = f"choose another place with {option}"
        _check_place(path, option, hint)
        if what := taken.get(_key(path)):
            raise UsageError(f"{path} is {what} itself", hint)
        if os.path.lexists(path) and not force:
            raise UsageError(f"{path} exists", f"give --force to replace it, or another place with {option}")
        taken[_key(path)] = "the output" if path == result else f"the file of {option}"


def _check_place(path: Path, option: str, hint: str) -> None:
    # Its file is written under another name first.
    for name in (path, f"{atomic.temporary_name(path)}{path.suffix}"):
        try:
            os.lstat(name)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise WriteError(f"cannot write {path}: {(error.strerror or str(error)).lower()}", hint) from error
    folder = next((above for above in path.parents if option not in FOLDERS or os.path.lexists(above)), path.parent)
    if not os.path.isdir(folder):
        raise WriteError(f"cannot write {path}: there is no folder {folder}", "make the folder first")
    if not os.access(folder, os.W_OK):
        raise WriteError(f"cannot write {path}: the folder {folder} cannot be written to", hint)
    if os.path.exists(path) and not os.path.isfile(path):
        raise WriteError(f"cannot write {path}: it is no file", hint)


def _key(path: Path) -> object:
    """What all paths of one file have in common."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return os.path.realpath(path)
    return found.st_dev, found.st_ino


def as_answer(made: Conversion) -> workers.Json:
    """A conversion as plain JSON values, without what the one who asked knows: source and output."""
    fields = asdict(made) | {"sidecar": made.sidecar.name if made.sidecar else None}
    return {key: value for key, value in fields.items() if key not in ("source", "output")}


@dataclass(frozen=True)
class Tasks:
    """Recordings to be converted by workers.

    Attributes:
        code: Makes a worker: workers.spread.
        shared: Options that all share; plain JSON values.
        voice: The voice's name.
        places: Each recording with its output.
        left_out: Which of them are there already.
        told: Warnings that were given already.
    """

    code: str
    shared: workers.Json
    voice: str
    places: Places
    left_out: Sequence[bool]
    told: set[str]

    def done(self, jobs: int, on_event: OnEvent, stopped: Callable[[], bool]) -> list[Conversion]:
        """Convert them, `jobs` at once; one result each, in their order. A worker that dies is one failed recording.

        Args:
            jobs: How many at once.
            on_event: Told of warnings, and of how many are done.
            stopped: Asked now and then; True ends it.

        Returns:
            One result a recording, in their order.

        Raises:
            ModelError: The voice cannot be used.
            StoppedError: `stopped` said so.
        """
        left = [i for i, out in enumerate(self.left_out) if not out]
        results = {i: Conversion(*self.places[i], self.voice, "skipped") for i, out in enumerate(self.left_out) if out}
        tasks = [dict(zip(("source", "output"), map(os.path.abspath, self.places[i]), strict=True)) for i in left]
        for number, answer in run_tasks(self.code, self.shared, tasks, jobs, stopped):
            results[left[number]] = self._result(*self.places[left[number]], answer, on_event)
            on_event(Progress("all recordings", "converting", len(results), len(self.places)))
        if len(results) < len(self.places):
            raise StoppedError(f"stopped; {len(self.places) - len(results)} recordings were not converted")
        return [results[i] for i in range(len(self.places))]

    def _result(self, source: Path, output: Path, answer: workers.Json, on_event: OnEvent) -> Conversion:
        if "fatal" in answer:
            raise ModelError(answer["fatal"], answer["hint"])
        for text in answer.pop("warnings", ()):
            if text not in self.told:
                on_event(Note(text, warning=True))
        failure = f"{source}: its worker died ({answer['died']})" if "died" in answer else answer.get("failure")
        if failure:
            on_event(Note(failure, warning=True))
            return Conversion(source, output, self.voice, "failed", failure)
        fields: dict[str, Any] = {
            key: F0Range(**answer[key]) if answer[key] else None for key in ("source_f0", "voice_f0")
        }
        fields["sidecar"] = output.with_name(answer["sidecar"]) if answer["sidecar"] else None
        return Conversion(**(answer | fields), source=source, output=output)
