"""Temp, fsync, rename: what appears under its name is whole. And the lock that lets one process write."""

from __future__ import annotations

import errno
import glob
import json
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from voiceswap.errors import BusyError, WriteError

MANIFEST = "manifest.json"
# As `folder.write_folder` has it, at the beginning.
OWN_MANIFEST = re.compile(rb'"kind": "([^"]*)",\s*"voiceswap_version": ')
OWN_MANIFEST_BYTES = 4096
TEMPORARY = re.compile(r"\..+\.(?P<pid>\d+)\.[0-9a-f]{8}\.tmp(\.[^.]*)?", re.DOTALL)
# Windows refuses to rename what a virus scanner or a reader has open just then.
RENAME_WAITS_S: tuple[float, ...] = (0.01, 0.05, 0.2) if os.name == "nt" else ()
SWAP_TRIES = 100
NAME_CHARACTERS = 40
YOUNG_S = 3600.0


def temporary_name(path: Path) -> Path:
    """A name beside `path` that nobody else uses, and that `sweep` knows: .NAME.PID.RANDOM.tmp."""
    # Cut, since a file's name may already be as long as the file system allows.
    return path.with_name(f".{path.name[:NAME_CHARACTERS]}.{os.getpid()}.{secrets.token_hex(4)}.tmp")


@contextmanager
def replacing(path: Path, n_bytes: int | None = None) -> Iterator[Path]:
    """A temporary path beside `path`; what was written to it takes the name when the block ends well.

    What killed processes left of the same file is deleted.

    Args:
        path: The final file.
        n_bytes: How much is to be written, for the message, where that is known.

    Yields:
        A path with the same ending in the same folder.

    Raises:
        WriteError: The file system refused; a former file is as it was.
    """
    temporary = Path(f"{temporary_name(path)}{path.suffix}")
    _remove_strays(path.parent, f".{glob.escape(path.name[:NAME_CHARACTERS])}.*.tmp*")
    try:
        with _report_failures(path, n_bytes):
            yield temporary
            _sync(temporary)
            _rename(temporary, path)
            _sync(path.parent)
    finally:
        _remove(temporary)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole; raises WriteError."""
    with replacing(path, len(data)) as temporary:
        temporary.write_bytes(data)


def write_json(path: Path, value: Any) -> None:
    """Write plain JSON whole; raises WriteError."""
    write_bytes(path, to_json(value))


def append_line(path: Path, line: str) -> None:
    """Add a line to a text file; raises WriteError."""
    with _report_failures(path), path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def to_json(value: Any) -> bytes:
    """Readable JSON; a ValueError for NaN is our own bug."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    # Halves of surrogate pairs, from file names that are no UTF-8: a backslash and their number is JSON's own escape.
    return (text + "\n").encode(errors="backslashreplace")


def make_folder(path: Path) -> None:
    """Make a folder and those above it, where they are missing; raises WriteError, too, if it cannot be written to."""
    with _report_failures(path):
        path.mkdir(parents=True, exist_ok=True)
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


@contextmanager
def new_folder(path: Path, n_bytes: int | None = None) -> Iterator[Path]:
    """A temporary folder that becomes `path` when the block ends well, in place of a former one.

    Args:
        path: The final folder.
        n_bytes: How much is to be written, for the message, where that is known.

    Yields:
        An empty folder beside it; what is written there must be plain files.

    Raises:
        WriteError: The file system refused, or a folder that is not ours is in the way; a former folder is as it was.
    """
    temporary = temporary_name(path)
    try:
        with _report_failures(path, n_bytes):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.mkdir()
            yield temporary
            for file in temporary.iterdir():
                _sync(file)
            _sync(temporary)
            _swap_in(temporary, path)
            _sync(path.parent)
            _discard(_aside_path(path))
    finally:
        recover(path)
        _remove(temporary)


def _swap_in(temporary: Path, path: Path) -> None:
    # A folder cannot be renamed onto a full one, so the former steps aside:
    #     anna -> .anna.old     .anna.7.0f.tmp -> anna     .anna.old deleted
    # A reader that looks in between brings it back (`recover`); then it has to step aside again.
    for _ in range(SWAP_TRIES):
        if path.is_dir():
            for place in (path, _aside_path(path)):
                if place.exists() and kind_of(place) is None:
                    hint = "move it away, or choose another place"
                    raise WriteError(f"cannot write {path}: {place} is in the way, and voiceswap did not make it", hint)
            _discard(_aside_path(path))
            _rename(path, _aside_path(path))
        try:
            _rename(temporary, path)
        except OSError:
            if not path.is_dir():
                raise
        else:
            return
    raise FileExistsError("the former folder comes back again and again")


def kind_of(folder: Path) -> str | None:
    """What a folder of ours says that it is, be it whole or damaged; None for anybody else's."""
    manifest = folder / MANIFEST
    with suppress(OSError):
        if manifest.is_file():
            with manifest.open("rb") as file:
                match = OWN_MANIFEST.search(file.read(OWN_MANIFEST_BYTES))
            return match[1].decode(errors="replace") if match else None
    return None


def recover(path: Path) -> None:
    """Bring back a folder of ours that stepped aside for one that never came; does nothing otherwise."""
    if not path.exists() and kind_of(_aside_path(path)) is not None:
        with suppress(OSError):  # There is none, or another process was faster.
            os.rename(_aside_path(path), path)


def recover_all(folder: Path) -> list[Path]:
    """`recover` every folder inside `folder`; returns those still aside, as another has taken their place."""
    asides = [path for path in folder.glob(".*.old") if kind_of(path) is not None]
    finals = {aside: aside.with_name(aside.name[1 : -len(".old")]) for aside in asides}
    for final in finals.values():
        recover(final)
    return [aside for aside, final in finals.items() if final.exists() and aside.exists()]


def exists(path: Path) -> bool:
    """Whether there is a folder of that name, be it aside for the moment of a swap."""
    # Asked twice, as the swap may have ended between the first two questions.
    return path.exists() or kind_of(_aside_path(path)) is not None or path.exists()


def sweep(folder: Path) -> int:
    """Delete what killed processes left behind, and end the swaps they were in.

    Args:
        folder: Not searched recursively; it may be missing. What living processes write there is spared.

    Returns:
        How many temporary files and folders were deleted.
    """
    for aside in recover_all(folder):
        _discard(aside)
    return _remove_strays(folder, ".*.tmp*")


def _remove_strays(folder: Path, pattern: str) -> int:
    matches = [(path, TEMPORARY.fullmatch(path.name)) for path in folder.glob(pattern)]
    stray = [path for path, match in matches if match and not _in_use(path, int(match["pid"]))]
    for path in stray:
        _remove(path)
    return len(stray)


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold a lock file; a second holder is refused at once, a killed one's lock is free.

    Args:
        path: The lock file; the holder is named in a file beside it.
        what: What is trained under it, for the message.

    Yields:
        Nothing.

    Raises:
        BusyError: Another process holds it; names the process and its host.
        WriteError: The lock file cannot be made.
    """
    holder = path.with_name(f"{path.name}.holder")
    lock = FileLock(path, timeout=0)
    try:
        with _report_failures(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            _take(lock, holder, what)
            holder.write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
        yield
    finally:
        if lock.is_locked:
            _remove(holder)
            lock.release()


def is_held(path: Path) -> bool:
    """Whether some process holds a lock file."""
    if not os.path.exists(path):
        return False
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return True
    except OSError:
        return False
    lock.release()
    return False


def _take(lock: FileLock, holder: Path, what: str) -> None:
    try:
        lock.acquire()
    except Timeout as error:
        who = ""
        with suppress(OSError):  # It may have taken the lock just now and not said so yet.
            who = holder.read_text(encoding="utf-8", errors="replace")
        who = who or "another process"
        raise BusyError(f"{what} is being trained by {who}", "wait until it is done, or stop it") from error


def _aside_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.old")


def _discard(aside: Path) -> None:
    # By the name of a temporary: half deleted it could not be told from a folder that is not ours.
    if kind_of(aside) is not None:
        temporary = temporary_name(aside)
        with suppress(OSError):
            _rename(aside, temporary)
        _remove(temporary)


def _remove(path: Path) -> None:
    # What cannot be deleted now is left to the next sweep: the work itself is done.
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _rename(source: Path, target: Path) -> None:
    for wait_s in RENAME_WAITS_S:
        try:
            os.replace(source, target)
        except PermissionError:
            time.sleep(wait_s)
        else:
            return
    os.replace(source, target)


def _sync(path: Path) -> None:
    if os.name == "nt" and path.is_dir():  # Windows cannot open a folder.
        return
    # For writing where that is possible: Windows flushes nothing else.
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _in_use(temporary: Path, pid: int) -> bool:
    # The age decides too, since in a container every process may have had the same number.
    with suppress(OSError, OverflowError):
        young = time.time() - temporary.stat().st_mtime < YOUNG_S
        if young and os.name != "nt":  # There, os.kill would end the process.
            with suppress(PermissionError):  # It lives, as another user's.
                os.kill(pid, 0)
        return young
    return False


@contextmanager
def _report_failures(path: Path, n_bytes: int | None = None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WriteError(
            f"cannot write {path}: {(error.strerror or str(error)).lower()}{room(path, n_bytes)}",
            "free some space, or choose a folder that you may write to",
        ) from error


def room(path: Path, n_bytes: int | None, bound: str = "") -> str:
    """How much a write needs, maybe "at most " or "at least ", and how much is free, for a message."""
    needed = f"{bound}{n_bytes / 1e6:.1f} MB needed, " if n_bytes is not None else ""
    for folder in path.absolute().parents:
        with suppress(OSError):
            return f" ({needed}{shutil.disk_usage(folder).free / 1e6:.0f} MB free)"
    return ""
