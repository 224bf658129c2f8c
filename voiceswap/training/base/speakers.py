"""Whose recordings a base is made from."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from voiceswap.audio.find import find_recordings
from voiceswap.errors import UsageError
from voiceswap.storage.paths import list_folder


def find_speakers(folders: Sequence[str | Path], leave_out: Sequence[str] = ()) -> dict[str, list[Path]]:
    """The recordings of each speaker.

    Args:
        folders: Each holds one folder a speaker.
        leave_out: Names of folders to leave out; each must be there.

    Returns:
        Recordings by the speaker's name, in the order of the folders.

    Raises:
        UsageError: No such folder, nobody in it, two speakers of one name, or nobody of a name to leave out.
    """
    places: dict[str, Path] = {}
    left_out: set[str] = set()
    for folder in map(Path, folders):
        entries = list_folder(folder)
        if not os.path.isdir(folder):
            raise UsageError(
                f"no such folder: {folder}", "give a folder that holds one folder of recordings per person"
            )
        for place in (entry for entry in entries if os.path.isdir(entry) and not entry.name.startswith(".")):
            if place.name in leave_out:
                left_out.add(place.name)
            elif other := places.get(place.name):
                raise UsageError(f"two people have one name: {other} and {place}", "rename one of the folders")
            else:
                places[place.name] = place
    where = ", ".join(map(str, folders))
    if unknown := set(leave_out) - left_out:
        raise UsageError(f"nobody to leave out: {', '.join(sorted(unknown))}", f"give names of folders in {where}")
    if not places:
        raise UsageError(f"nobody found in {where}", "wanted one folder of recordings per person")
    return {name: find_recordings(place) for name, place in places.items()}


def pick_speakers(speakers: Mapping[str, list[Path]], n: int) -> list[list[Path]]:
    """The recordings of about so many speakers, evenly picked: never fewer where there are as many."""
    return list(speakers.values())[:: max(1, len(speakers) // n)]
