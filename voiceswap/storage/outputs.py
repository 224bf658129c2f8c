"""Where results go, and what must not be written: found out before the work, by one set of checks."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from voiceswap.errors import UsageError, WriteError
from voiceswap.storage import atomic

# The option that says where the result itself goes.
OUT = "out"
# Options whose folders are made where they are missing.
FOLDERS = frozenset({"stems", "keep_stages"})


@dataclass(frozen=True)
class Input:
    """A recording to be worked on.

    Attributes:
        path: The recording.
        suffix: The ending of its result, where that is named here.
        folder: The folder it was found in, whose structure its result keeps; None if it was named itself.
        called: What results are named after and lie beside, where that is not its path.
    """

    path: Path
    suffix: str = ".wav"
    folder: Path | None = None
    called: Path | None = None


@dataclass(frozen=True)
class Place:
    """Where a result goes.

    Attributes:
        source: The recording.
        output: The result.
        exists: Whether there is something already.
        problem: Why it is not to be converted; empty if nothing speaks against it.
    """

    source: Path
    output: Path
    exists: bool
    problem: str = ""


def plan_outputs(
    inputs: Sequence[Input], tag: str, out: Path | None, *, many: bool, force: bool, skip_existing: bool
) -> list[Place]:
    """Each recording with its place: song.mp3 becomes song.TAG.mp3 beside it, unless told otherwise.

    Args:
        inputs: The recordings.
        tag: What is put into the names: the voice's name.
        out: A file, or a folder that exists; with several inputs a folder, made if it is missing. None for beside them.
        many: Whether there are several inputs, so that `out` must be a folder.
        force: Whether existing files may be replaced.
        skip_existing: Whether recordings are to be left alone whose result exists.

    Returns:
        One place a recording. Where a result would be that of several among more, each of these has a problem.

    Raises:
        UsageError: A result is an input, or exists, or is that of all inputs at once.
        WriteError: A folder does not exist or is read-only, or a result is a folder or a device.
    """
    if out is not None and many:
        atomic.make_folder(out)
    places = []
    for each in inputs:
        folder = out
        if out is not None and each.folder is not None:
            folder = out / each.path.parent.relative_to(each.folder)
            atomic.make_folder(folder)
        named = each.called or each.path
        name = f"{named.stem}.{tag}{each.suffix}"
        in_folder = folder is not None and (many or os.path.isdir(folder))
        output = named.with_name(name) if folder is None else folder / name if in_folder else folder
        _check_place(output, OUT)
        if os.path.exists(output):
            if os.path.exists(each.path) and os.path.samefile(output, each.path):
                raise UsageError(f"{output} is the input itself", _other_place(OUT))
            _check_replaced(output, OUT, force=force or skip_existing)
        places.append(Place(each.path, output, os.path.exists(output)))
    places = _find_clashes(places)
    _check_together(places, skip_existing=skip_existing)
    return places


def names_folder(out: str | Path | None) -> bool:
    """Whether an output was written as a folder is, with a slash at its end; a Path has lost it."""
    return isinstance(out, str) and out.endswith((os.sep, "/"))


def _find_clashes(places: Sequence[Place]) -> list[Place]:
    """The places, each with its problem where several recordings have one result; UsageError if none is without."""
    rivals: dict[Path, list[Path]] = {}
    for place in places:
        rivals.setdefault(place.output, []).append(place.source)
    clashes = {
        output: f"two inputs would become {output}: {' and '.join(map(str, sources))}"
        for output, sources in rivals.items()
        if len(sources) > 1
    }
    if clashes and len(clashes) == len(rivals):
        raise UsageError(clashes[min(clashes)], "convert them in two calls, each with its own `out`")
    return [replace(place, problem=clashes.get(place.output, "")) for place in places]


def _check_together(places: Sequence[Place], *, skip_existing: bool) -> None:
    """Raise UsageError if a result is another's input."""
    sources = {file_key(place.source) for place in places}
    for place in places:
        # What exists and is skipped is not written.
        if not skip_existing and place.exists and file_key(place.output) in sources:
            raise UsageError(
                f"{place.output} is an input itself, and what {place.source} would become",
                "leave it out, or give another folder with `out`",
            )


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
    taken = {file_key(path): what for path, what in read}
    for path, option in targets:
        _check_name(path, option)
        _check_place(path, option)
        if what := taken.get(file_key(path)):
            raise UsageError(f"{path} is {what} itself", f"choose another place with `{option}`")
        _check_replaced(path, option, force=force)
        taken[file_key(path)] = "the output" if path == result else f"the file of `{option}`"


def file_key(path: Path) -> object:
    """What all paths of one file have in common."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return os.path.realpath(path)
    return status.st_dev, status.st_ino


def _check_replaced(path: Path, option: str, *, force: bool) -> None:
    if os.path.lexists(path) and not force:
        raise UsageError(f"{path} exists", f"give `force` to replace it, or another {_noun(option)} with `{option}`")


def _check_name(path: Path, option: str) -> None:
    # Its file is written under another name first.
    for name in (path, f"{atomic.temporary_name(path)}{path.suffix}"):
        try:
            os.lstat(name)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise WriteError(
                f"cannot write {path}: {(error.strerror or str(error)).lower()}",
                f"choose another place with `{option}`",
            ) from error


def _check_place(path: Path, option: str) -> None:
    folder = next((above for above in path.parents if option not in FOLDERS or os.path.lexists(above)), path.parent)
    if not os.path.isdir(folder):
        raise WriteError(f"cannot write {path}: there is no folder {folder}", "make the folder first")
    if not os.access(folder, os.W_OK):
        hint = "choose a folder that you may write to, with `out`" if option == OUT else _other_place(option)
        raise WriteError(f"cannot write {path}: the folder {folder} cannot be written to", hint)
    if os.path.exists(path) and not os.path.isfile(path):
        hint = "give a file, or another folder, with `out`" if option == OUT else _other_place(option)
        raise WriteError(f"cannot write {path}: it is no file", hint)


def _other_place(option: str) -> str:
    return f"choose another {_noun(option)} with `{option}`"


def _noun(option: str) -> str:
    return "output" if option == OUT else "place"
