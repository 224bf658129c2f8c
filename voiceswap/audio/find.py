"""The recordings that a folder holds."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from voiceswap.audio.decode import CONTAINERS
from voiceswap.audio.read import find_namesakes
from voiceswap.audio.sniff import HEAD_BYTES, sniff
from voiceswap.audio.write import FORMATS
from voiceswap.errors import UsageError
from voiceswap.storage.paths import list_folder

SUFFIXES = (
    CONTAINERS
    | set(FORMATS)
    | {".wave", ".bwf", ".oga", ".aif", ".aifc", ".au", ".snd", ".caf", ".w64", ".rf64", ".mp2", ".mpga"}
)
# Recordings, too, but of kinds that are not read. Of other endings the content tells.
UNREAD_SUFFIXES = frozenset(
    (".wma", ".asf", ".wmv", ".amr", ".awb", ".ac3", ".eac3", ".dts", ".ape", ".wv", ".mpc", ".tta", ".tak", ".shn")
) | {
    ".spx",
    ".ra",
    ".rm",
    ".avi",
    ".flv",
    ".ts",
    ".mts",
    ".m2ts",
    ".mpg",
    ".mpeg",
    ".vob",
    ".dss",
    ".ds2",
    ".dsf",
    ".dff",
}
MAX_ENDINGS_NAMED = 5


def find_recordings(source: Path) -> list[Path]:
    """The recordings of one person: a folder's, recursively and sorted, hidden ones left out, or the one file itself.

    Args:
        source: A folder or a file.

    Returns:
        At least one path.

    Raises:
        UsageError: It does not exist, or the folder holds no file with a known ending, or one in it may not be looked
            into.
    """
    if os.path.isfile(source):
        return [source]
    files = [path for path in _walk(source) if path.suffix.lower() in SUFFIXES]
    if not os.path.isdir(source):
        if os.path.exists(source):
            raise UsageError(f"{source} is neither a folder nor a file", "save it to a file first")
        raise UsageError(
            f"no such folder or recording: {source}",
            find_namesakes(source) or "give a folder of recordings, or one long recording",
        )
    if not files:
        kinds = ", ".join(sorted(s[1:] for s in SUFFIXES))
        why = describe_left_out(source).removeprefix(f"{source}: ")
        raise UsageError(
            f"{source} holds no recording{why and f' that can be read: {why}'}", f"wanted files ending in {kinds}"
        )
    return files


def describe_left_out(source: Path) -> str:
    """What of a folder `find_recordings` passes over although it is sound, for a person.

    Args:
        source: A folder or a file.

    Returns:
        How many files of which ending, and what to do; empty if there are none.
    """
    if not os.path.isdir(source):
        return ""
    counts = Counter(path.suffix.lower() for path in _walk(source) if _is_unread_sound(path))
    if not counts:
        return ""
    named = [f"{n} {ending or 'without an ending'}" for ending, n in counts.most_common(MAX_ENDINGS_NAMED)]
    more = sum(counts.values()) - sum(n for _, n in counts.most_common(MAX_ENDINGS_NAMED))
    listed = ", ".join([*named, *([f"{more} others"] if more else [])])
    readable = all(ending not in UNREAD_SUFFIXES for ending in counts)
    advice = "give them the ending of what they are" if readable else "export them as flac or wav"
    return f"{source}: left out {listed}; {advice}"


def _is_unread_sound(path: Path) -> bool:
    if (ending := path.suffix.lower()) in SUFFIXES or ending in UNREAD_SUFFIXES:
        return ending in UNREAD_SUFFIXES
    try:
        with path.open("rb") as file:
            return bool(sniff(file.read(HEAD_BYTES)))
    except OSError:
        return False


def _walk(folder: Path) -> Iterator[Path]:
    for path in list_folder(folder):
        if path.name.startswith("."):
            continue
        # A link to a folder may lead back.
        if os.path.isdir(path) and not path.is_symlink():
            yield from _walk(path)
        elif os.path.isfile(path):
            yield path
