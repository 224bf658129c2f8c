"""The recordings that a folder holds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from voiceswap.audio.decode import CONTAINERS
from voiceswap.audio.write import FORMATS
from voiceswap.errors import UsageError
from voiceswap.storage.paths import list_folder

SUFFIXES = CONTAINERS | set(FORMATS) | {".wave", ".oga", ".aif", ".aifc", ".au", ".caf", ".w64", ".rf64"}


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
    files = list(_walk(source))
    if not os.path.isdir(source):
        raise UsageError(f"no such folder or recording: {source}", "give a folder of recordings, or one long recording")
    if not files:
        kinds = ", ".join(sorted(s[1:] for s in SUFFIXES))
        raise UsageError(f"{source} holds no recording", f"wanted files ending in {kinds}")
    return files


def _walk(folder: Path) -> Iterator[Path]:
    for path in list_folder(folder):
        if path.name.startswith("."):
            continue
        # A link to a folder may lead back.
        if os.path.isdir(path) and not path.is_symlink():
            yield from _walk(path)
        elif path.suffix.lower() in SUFFIXES and os.path.isfile(path):
            yield path
