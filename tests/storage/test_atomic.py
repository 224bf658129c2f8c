"""Tests of the atomic protocol: full disks, deaths at every step, strays, swaps, locks."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from voiceswap.errors import BusyError, WriteError
from voiceswap.storage import atomic


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def run(script: str, *arguments: object) -> str:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout


@contextmanager
def running(script: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A process that has printed its first line; it is killed in the end."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def dead_pid() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


MANIFEST = '{"schema_version": 1, "kind": "voice", "voiceswap_version": "0.1.0", "files": {}}'


def write_folder_of(path: Path, text: str) -> None:
    with atomic.new_folder(path) as temporary:
        (temporary / "manifest.json").write_text(MANIFEST)
        (temporary / "a").write_text(text)
        (temporary / "b").write_text(text)


# Files


def test_replacing_gives_a_name_of_the_same_ending_and_leaves_only_the_file(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    path.write_text("old")
    with atomic.replacing(path) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".wav"
        assert temporary.name.startswith(f".song.wav.{os.getpid()}.")
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names(tmp_path) == {"song.wav"}


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()], ids=["error", "Ctrl-C"])
def test_failure_inside_keeps_the_old_file_and_passes_through(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(type(error)), atomic.replacing(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert names(tmp_path) == {"a.txt"}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT])
def test_refused_rename_is_a_write_error_with_path_reason_space_and_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise OSError(code, os.strerror(code))

    path = tmp_path / "a.txt"
    path.write_text("old")
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(WriteError) as caught:
        atomic.write_bytes(path, b"new")
    assert caught.value.message.startswith(f"cannot write {path}: {os.strerror(code).lower()} (")
    assert caught.value.message.endswith(" MB free)")
    assert caught.value.hint
    assert caught.value.exit_code == 6
    assert isinstance(caught.value.__cause__, OSError)
    assert path.read_text() == "old"
    assert names(tmp_path) == {"a.txt"}


def test_odd_places_are_write_errors(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    cases = {
        "missing/a": "no such file",
        "file/a": "not a directory",
        "folder": "directory",
        "a" * 300: "too long",
    }
    for name, reason in cases.items():
        with pytest.raises(WriteError, match=reason):
            atomic.write_bytes(tmp_path / name, b"x")
    for name, reason in {"file": "not a directory", "file/a": "file exists"}.items():
        with pytest.raises(WriteError, match=reason):
            write_folder_of(tmp_path / name, "x")
    assert (tmp_path / "file").read_text() == "x"
    assert names(tmp_path) == {"file", "folder"}


def test_a_name_as_long_as_the_file_system_allows_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("ü" * 125 + ".wav")
    atomic.write_bytes(path, b"x")
    assert names(tmp_path) == {path.name}


FULL_DISK = """
import resource, sys
from pathlib import Path
from voiceswap.errors import WriteError
from voiceswap.storage import atomic
folder = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
def in_folder():
    with atomic.new_folder(folder / "voice") as temporary:
        (temporary / "small").write_bytes(bytes(10))
        (temporary / "large").write_bytes(bytes(70_000))
for write in (lambda: atomic.write_bytes(folder / "a.bin", bytes(70_000)), in_folder):
    try:
        write()
    except WriteError as error:
        print(error.exit_code, error.message)
"""


def test_full_disk_keeps_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_text("old")
    write_folder_of(tmp_path / "voice", "old")
    lines = run(FULL_DISK, tmp_path).splitlines()
    for line, name in zip(lines, ["a.bin", "voice"], strict=True):
        assert line.startswith(f"6 cannot write {tmp_path / name}: file too large (")
    assert (tmp_path / "a.bin").read_text() == "old"
    assert (tmp_path / "voice" / "a").read_text() == "old"
    assert names(tmp_path) == {"a.bin", "voice"}


def test_json_is_readable_and_refuses_nan(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    atomic.write_json(path, {"name": "Zoë", "x": [1, 2.5]})
    assert path.read_bytes() == '{\n "name": "Zoë",\n "x": [\n  1,\n  2.5\n ]\n}\n'.encode()
    with pytest.raises(ValueError, match="not JSON compliant"):
        atomic.write_json(path, {"x": float("nan")})
    assert json.loads(path.read_text())["name"] == "Zoë"


def test_file_is_synced_before_the_rename_and_its_folder_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = recorded(monkeypatch)
    atomic.write_bytes(tmp_path / "a.txt", b"x")
    assert events == ["sync file", "rename", "sync folder"]
    events.clear()
    write_folder_of(tmp_path / "voice", "x")
    assert events == [*["sync file"] * 3, "sync folder", "rename", "sync folder"]


def recorded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    events: list[str] = []
    fsync, replace = os.fsync, os.replace

    def spy_fsync(handle: int) -> None:
        events.append("sync folder" if os.path.isdir(f"/dev/fd/{handle}") else "sync file")
        fsync(handle)

    def spy_replace(source: Path, target: Path) -> None:
        events.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", spy_fsync)
    monkeypatch.setattr(os, "replace", spy_replace)
    return events


def test_rename_is_tried_again_where_another_program_may_hold_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, refusals = os.replace, [PermissionError(13, "held"), PermissionError(13, "held")]

    def reluctant(source: Path, target: Path) -> None:
        if refusals:
            raise refusals.pop()
        replace(source, target)

    monkeypatch.setattr(os, "replace", reluctant)
    monkeypatch.setattr(atomic, "RENAME_WAITS_S", (0.0, 0.0))
    atomic.write_bytes(tmp_path / "a.txt", b"x")
    assert names(tmp_path) == {"a.txt"}


# Folders


def test_new_folder_takes_the_place_of_the_former(tmp_path: Path) -> None:
    path = tmp_path / "voices" / "anna"
    for text in ("one", "two"):
        write_folder_of(path, text)
        assert {file.read_text() for file in path.iterdir()} == {text, MANIFEST}
        assert names(path.parent) == {"anna"}


@pytest.mark.parametrize("error", [OSError(28, "full"), KeyboardInterrupt()], ids=["full", "Ctrl-C"])
@pytest.mark.parametrize("nth", [1, 2])
def test_failing_swap_leaves_the_former_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nth: int, error: BaseException
) -> None:
    write_folder_of(tmp_path / "anna", "old")
    replace, n_calls = os.replace, 0

    def fail_once(source: Path, target: Path) -> None:
        nonlocal n_calls
        n_calls += 1
        if n_calls == nth:
            raise error
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail_once)
    with pytest.raises(WriteError if isinstance(error, OSError) else KeyboardInterrupt):
        write_folder_of(tmp_path / "anna", "new")
    assert (tmp_path / "anna" / "a").read_text() == "old"
    assert names(tmp_path) == {"anna"}


# Each child dies, as by kill -9, before its nth call that changes or syncs something.
DEATHS = """
import json, os, shutil, sys
from pathlib import Path
from voiceswap.storage import atomic
folder = Path(sys.argv[1])

def save(path, text):
    with atomic.new_folder(path) as temporary:
        (temporary / "manifest.json").write_text(sys.argv[2])
        (temporary / "a").write_text(text)
        (temporary / "b").write_text(text)

def mortal(function, left):
    def call(*arguments, **options):
        left[0] -= 1
        if left[0] < 0:
            os._exit(9)
        return function(*arguments, **options)
    return call

found = []
for nth in range(100):
    path = folder / str(nth) / "anna"
    save(path, "old")
    child = os.fork()
    if not child:
        left = [nth]
        for name in ("fsync", "replace", "rename", "mkdir", "rmdir", "unlink"):
            setattr(os, name, mortal(getattr(os, name), left))
        save(path, "new")
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    atomic.sweep(path.parent)
    found.append([status, sorted(os.listdir(path.parent)), [(path / name).read_text() for name in ("a", "b")]])
    if status == 0:
        break
print(json.dumps(found))
"""


def test_death_at_any_step_of_a_swap_leaves_one_whole_folder(tmp_path: Path) -> None:
    found = json.loads(run(DEATHS, tmp_path, MANIFEST))
    assert len(found) >= 10
    assert [status for status, _, _ in found] == [9] * (len(found) - 1) + [0]
    assert all(listing == ["anna"] for _, listing, _ in found)
    contents = [texts for _, _, texts in found]
    assert set(map(tuple, contents)) == {("old", "old"), ("new", "new")}
    assert contents == sorted(contents, reverse=True), "once new, it stays new"


def test_reader_that_recovers_in_the_midst_of_a_swap_does_not_disturb_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, replace, n_recovered = tmp_path / "anna", os.replace, 0

    def disturbed(source: Path, target: Path) -> None:
        nonlocal n_recovered
        replace(source, target)
        if target.name == ".anna.old" and n_recovered < 3:
            n_recovered += 1
            assert atomic.exists(path)
            atomic.recover(path)

    write_folder_of(path, "old")
    monkeypatch.setattr(os, "replace", disturbed)
    write_folder_of(path, "new")
    assert n_recovered == 3
    assert (path / "a").read_text() == "new"
    assert names(tmp_path) == {"anna"}


def test_swap_gives_up_on_a_reader_that_never_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, replace = tmp_path / "anna", os.replace

    def disturbed(source: Path, target: Path) -> None:
        replace(source, target)
        atomic.recover(path)

    write_folder_of(path, "old")
    monkeypatch.setattr(os, "replace", disturbed)
    with pytest.raises(WriteError, match="again and again"):
        write_folder_of(path, "new")
    assert (path / "a").read_text() == "old"


def test_a_folder_that_is_not_ours_is_never_replaced(tmp_path: Path) -> None:
    for text in ("", "{}", '{"kind": "voice"}'):
        path = tmp_path / f"anna{len(text)}"
        path.mkdir()
        (path / "take.wav").write_text("mine")
        (path / "manifest.json").write_text(text)
        with pytest.raises(WriteError, match=f"{path} is in the way, and voiceswap did not make it") as caught:
            write_folder_of(path, "new")
        assert caught.value.hint == "move it away, or choose another place"
        assert (path / "take.wav").read_text() == "mine"
        assert names(path) == {"take.wav", "manifest.json"}
    assert not [name for name in names(tmp_path) if name.startswith(".")]


def test_what_is_called_as_if_aside_but_is_not_ours_stays_there(tmp_path: Path) -> None:
    for name in (".config.old", ".anna.old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text("mine")
    write_folder_of(tmp_path / "anna", "one")
    atomic.recover(tmp_path / "config")
    assert atomic.recover_all(tmp_path) == []
    assert not atomic.exists(tmp_path / "config")
    with pytest.raises(WriteError, match=r"/\.anna\.old is in the way"):
        write_folder_of(tmp_path / "anna", "two")
    atomic.sweep(tmp_path)
    assert names(tmp_path) == {".config.old", ".anna.old", "anna"}
    assert names(tmp_path / ".anna.old") == {"a"}
    assert (tmp_path / "anna" / "a").read_text() == "one"


# Strays


def stray(folder: Path, pid: int, *, age_s: float = 0.0, is_folder: bool = False) -> Path:
    path = folder / f".anna.{pid}.0123abcd.tmp"
    if is_folder:
        path.mkdir()
        (path / "a").write_text("half")
    else:
        path.write_text("half")
    os.utime(path, (time.time() - age_s,) * 2)
    return path


@pytest.mark.parametrize("is_folder", [False, True], ids=["file", "folder"])
def test_sweep_deletes_what_the_dead_left_and_spares_the_living(tmp_path: Path, is_folder: bool) -> None:
    dead = stray(tmp_path, dead_pid(), is_folder=is_folder)
    living = stray(tmp_path, os.getpid(), is_folder=is_folder)
    beyond = tmp_path / f".song.wav.{10**30}.0123abcd.tmp.wav"
    beyond.write_text("half")
    for name in ("voice", ".hidden.tmp", ".a.tmpl", ".keep.old"):
        (tmp_path / name).write_text("mine")
    assert atomic.sweep(tmp_path) == 2
    assert not dead.exists()
    assert names(tmp_path) == {living.name, "voice", ".hidden.tmp", ".a.tmpl", ".keep.old"}


def test_sweep_deletes_old_strays_whatever_their_process_number(tmp_path: Path) -> None:
    stray(tmp_path, os.getpid(), age_s=atomic.YOUNG_S + 60)
    assert atomic.sweep(tmp_path) == 1
    assert not names(tmp_path)


def test_a_process_of_another_user_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int, number: int) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    left = stray(tmp_path, dead_pid())
    monkeypatch.setattr(os, "kill", refuse)
    assert atomic.sweep(tmp_path) == 0
    assert left.exists()


def test_a_file_written_again_takes_along_what_the_dead_left_of_it(tmp_path: Path) -> None:
    dead, name = dead_pid(), "song [1]" + "x" * 40 + ".wav"
    of_this = tmp_path / f".{name[:40]}.{dead}.0123abcd.tmp.wav"
    living = tmp_path / f".{name[:40]}.{os.getpid()}.0123abcd.tmp.wav"
    of_others = tmp_path / f".song 1.wav.{dead}.0123abcd.tmp.wav"
    for path in (of_this, living, of_others, tmp_path / ".song.old"):
        path.write_text("half")
    atomic.write_bytes(tmp_path / name, b"x")
    assert names(tmp_path) == {name, living.name, of_others.name, ".song.old"}


def test_sweep_of_nothing(tmp_path: Path) -> None:
    assert atomic.sweep(tmp_path) == 0
    assert atomic.sweep(tmp_path / "missing") == 0


def test_sweep_ends_the_swaps_of_the_dead(tmp_path: Path) -> None:
    write_folder_of(tmp_path / ".anna.old", "before the second rename")
    write_folder_of(tmp_path / ".boris.old", "after it")
    write_folder_of(tmp_path / "boris", "new")
    assert atomic.exists(tmp_path / "anna")
    atomic.sweep(tmp_path)
    assert names(tmp_path) == {"anna", "boris"}
    assert (tmp_path / "anna" / "a").read_text() == "before the second rename"
    assert (tmp_path / "boris" / "a").read_text() == "new"


def test_killed_writers_leave_no_torn_file(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    script = """
import sys
from pathlib import Path
from voiceswap.storage import atomic
print("ready", flush=True)
for i in range(10**9):
    atomic.write_bytes(Path(sys.argv[1]), bytes([i % 256]) * 300_000)
"""
    for nth in range(5):
        with running(script, path) as process:
            deadline = time.monotonic() + 30
            while not path.exists() and time.monotonic() < deadline:
                time.sleep(0.005)
            time.sleep(0.007 * nth)
            process.send_signal(signal.SIGKILL)
        data = path.read_bytes()
        assert data == data[:1] * 300_000
    atomic.sweep(tmp_path)
    assert names(tmp_path) == {"a.bin"}


# Locks

HOLDER = """
import sys, time
from pathlib import Path
from voiceswap.storage import atomic
with atomic.locked(Path(sys.argv[1]), "the voice anna"):
    print("ready", flush=True)
    time.sleep(60)
"""


def test_second_holder_is_refused_at_once_and_told_who_holds_it(tmp_path: Path) -> None:
    lock = tmp_path / "runs" / "anna.lock"
    with running(HOLDER, lock) as process:
        began = time.monotonic()
        with pytest.raises(BusyError) as caught, atomic.locked(lock, "the voice anna"):
            pytest.fail("both hold it")
        assert time.monotonic() - began < 1
        who = f"process {process.pid} on {socket.gethostname()}"
        assert caught.value.message == f"the voice anna is being trained by {who}"
        assert caught.value.hint
        assert caught.value.exit_code == 5
    with atomic.locked(lock, "the voice anna"):
        pass  # The holder was killed.
    assert names(lock.parent) == {"anna.lock"}


def test_refusal_inside_one_process_leaves_the_first_holder_alone(tmp_path: Path) -> None:
    lock = tmp_path / "anna.lock"

    def try_it(caught: list[BusyError]) -> None:
        try:
            with atomic.locked(lock, "anna"):
                pass
        except BusyError as error:
            caught.append(error)

    with atomic.locked(lock, "anna"):
        caught: list[BusyError] = []
        thread = threading.Thread(target=try_it, args=(caught,))
        thread.start()
        thread.join()
        try_it(caught)
        assert [str(os.getpid()) in error.message for error in caught] == [True, True]
        (tmp_path / "anna.lock.holder").unlink()
        try_it(caught)
        assert caught[-1].message == "anna is being trained by another process"


def test_lock_is_released_after_an_error(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), atomic.locked(tmp_path / "lock", "anna"):
            raise ZeroDivisionError


def test_lock_that_cannot_be_made_is_a_write_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(WriteError, match="cannot write"), atomic.locked(tmp_path / "file" / "lock", "anna"):
        pytest.fail("there is no such place")

    def refuse(path: Path, *arguments: object, **options: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    write_text: Callable[..., int] = Path.write_text
    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.raises(WriteError, match="no space left"), atomic.locked(tmp_path / "lock", "anna"):
        pytest.fail("its holder is not named")
    monkeypatch.setattr(Path, "write_text", write_text)
    with atomic.locked(tmp_path / "lock", "anna"):
        pass


def test_whether_a_lock_is_held_can_be_asked_without_taking_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not atomic.is_held(path) and not path.exists()
    with atomic.locked(path, "anna"):
        assert atomic.is_held(path)
    assert not atomic.is_held(path)
