"""What a shell hands over as an open file: read by its real name, or kept; refused at once where nothing can come."""

import os
import pty
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from conftest import save
from voiceswap.audio import pipes
from voiceswap.audio.pipes import find_descriptor, find_real_path, is_piped, keep_piped, name_piped
from voiceswap.audio.read import read_blocks
from voiceswap.errors import AudioError, UsageError


@pytest.fixture
def pipe():
    """A pipe: what reads it as a path, and what writes into it."""
    reading, writing = os.pipe()
    ends = [reading, writing]
    yield Path(f"/dev/fd/{reading}"), writing
    for end in ends:
        with suppress(OSError):
            os.close(end)


def test_which_paths_are_open_files():
    assert [find_descriptor(Path(p)) for p in ("-", "/dev/stdin", "/dev/fd/7", "/proc/self/fd/3")] == [0, 0, 7, 3]
    assert find_descriptor(Path(f"/proc/{os.getpid()}/fd/4")) == 4
    assert [find_descriptor(Path(p)) for p in ("x.wav", "/dev/fd/x", "/dev/fd", "/proc/1/fd/4", "./-")] == [
        None
    ] * 4 + [0]
    assert [name_piped(Path(p)) for p in ("-", "/dev/stdin", "/dev/fd/63")] == ["stdin", "stdin", "fd63"]


def test_a_file_behind_a_descriptor_is_read_by_its_own_name(tmp_path):
    path = save(tmp_path / "x.wav", np.full(1000, 0.25))
    with path.open("rb") as file:
        given = Path(f"/dev/fd/{file.fileno()}")
        assert not is_piped(given) and os.path.samefile(find_real_path(given), path)
        assert sum(map(len, read_blocks(given))) == 1000
        path.unlink()
        # It has no name any more.
        assert is_piped(given)
        with keep_piped(given) as kept:
            assert sum(map(len, read_blocks(kept))) == 1000
    assert find_real_path(path) == path and not is_piped(path)


def test_what_comes_through_a_pipe_is_kept_until_it_was_read(pipe, tmp_path):
    given, writing = pipe
    data = save(tmp_path / "x.wav", np.full(200_000, 0.25)).read_bytes()

    def write():
        with os.fdopen(os.dup(writing), "wb") as file:
            file.write(data)
        os.close(writing)

    thread = threading.Thread(target=write)
    thread.start()
    with keep_piped(given) as kept:
        assert kept.read_bytes() == data and kept.name == name_piped(given)
    thread.join()
    assert not kept.parent.exists()


def test_a_pipe_that_says_nothing_or_too_much_is_refused_within_a_bound(pipe, monkeypatch):
    given, writing = pipe
    monkeypatch.setattr(pipes, "MAX_IDLE_S", 0.1)
    with pytest.raises(AudioError, match=r"fd\d+: nothing came for 0 s"), keep_piped(given):
        pass
    monkeypatch.setattr(pipes, "MAX_PIPED_BYTES", 10)
    os.write(writing, bytes(11))
    with pytest.raises(AudioError, match="more than"), keep_piped(given):
        pass
    os.close(writing)
    with pytest.raises(AudioError, match=r"is empty \(0 bytes\)"), keep_piped(given):
        pass


def test_terminals_devices_and_what_is_closed_are_refused_at_once(pipe):
    main, terminal = pty.openpty()
    null = os.open(os.devnull, os.O_RDONLY)
    for descriptor, kind, says in (
        (terminal, UsageError, "is a terminal, wanted a recording"),
        (null, AudioError, "is neither a file nor a pipe"),
    ):
        with pytest.raises(kind, match=says), keep_piped(Path(f"/dev/fd/{descriptor}")):
            pass
    for descriptor in (main, terminal, null):
        os.close(descriptor)
    with pytest.raises(UsageError, match="is closed"), keep_piped(Path(f"/dev/fd/{null}")):
        pass
