"""The recordings that a folder holds, and those that it hides."""

import errno
import os

import numpy as np
import pytest

from conftest import save
from voiceswap.audio.find import describe_left_out, find_recordings
from voiceswap.audio.read import probe
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


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def test_what_is_sound_but_not_read_is_counted_by_its_ending(tmp_path):
    touch(tmp_path, "a.flac", "notes.txt", "photo.jpg", ".hidden.wma", "b/c.WMA", "d.wma", "e.amr")
    assert describe_left_out(tmp_path) == f"{tmp_path}: left out 2 .wma, 1 .amr; export them as flac or wav"
    assert describe_left_out(tmp_path / "a.flac") == describe_left_out(tmp_path / "gone") == ""
    # What others call by an ending of their own tells by its content that it is sound.
    save(tmp_path / "sound" / "take.wav", np.zeros(1000)).rename(tmp_path / "sound" / "take.bak")
    touch(tmp_path / "sound", "x.dat")
    assert describe_left_out(tmp_path / "sound").endswith("left out 1 .bak; give them the ending of what they are")


def test_a_folder_of_nothing_else_says_what_it_holds(tmp_path):
    touch(tmp_path / "in", "a.wma", "b.wma")
    with pytest.raises(UsageError, match=r"in holds no recording that can be read: left out 2 \.wma"):
        find_recordings(tmp_path / "in")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="pipe is neither a folder nor a file"):
        find_recordings(tmp_path / "pipe")


def test_an_ending_left_off_is_told(tmp_path):
    touch(tmp_path, "song1.wav", "take.flac", "take.json")
    with pytest.raises(UsageError, match="no such folder or recording") as caught:
        find_recordings(tmp_path / "song1")
    assert caught.value.hint == "song1.wav is there"
    for name, hint in (
        ("song1", "song1.wav is there"),
        ("song1.mp3", "song1.wav is there"),
        ("x", "check the spelling"),
    ):
        with pytest.raises(UsageError, match="no such file") as caught:
            probe(tmp_path / name)
        assert caught.value.hint.startswith(hint)
    with pytest.raises(UsageError) as caught:
        probe(tmp_path / "take")
    assert caught.value.hint == "take.flac, take.json are there"
