"""The recordings that a folder holds, and those that it hides."""

import errno
import os

import pytest

from voiceswap.audio.find import find_recordings
from voiceswap.errors import UsageError


def test_what_lies_in_hidden_folders_is_no_recording(tmp_path):
    source = tmp_path / ".hidden" / "anna"
    for name in ("a.wav", "b/c.WAV", ".d.wav", ".Trash-1000/e.wav", "b/.runs/anna/timelapse/real.flac", "b/notes.txt"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(b"")
    (source / "folder.wav").mkdir()
    assert find_recordings(source) == [source / "a.wav", source / "b" / "c.WAV"]


def test_recordings_are_in_the_order_of_their_places_and_links_are_not_followed(tmp_path):
    names = ("b.wav", "b/z.ogg", "b/a/c.flac", "b a/d.mp3", "B/e.opus", "a.wav")
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "b" / "again").symlink_to(tmp_path)
    assert find_recordings(tmp_path) == sorted(tmp_path / name for name in names)


def test_a_folder_below_that_may_not_be_looked_into_is_told(tmp_path, monkeypatch):
    shut = tmp_path / "anna" / "shut"
    shut.mkdir(parents=True)
    (tmp_path / "anna" / "a.wav").write_bytes(b"")
    listed = os.listdir

    def refused(path):
        if str(path) == str(shut):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return listed(path)

    monkeypatch.setattr(os, "listdir", refused)
    with pytest.raises(UsageError, match=f"cannot look into {shut}: permission denied"):
        find_recordings(tmp_path / "anna")
