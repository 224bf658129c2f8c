"""What a shell hands over as an open file: /dev/stdin, /dev/fd/N, or a dash for standard input.

The decoder is another process, with files of its own by these numbers. A file is read by its real name, then; what
comes through a pipe, which can be read but once, is first kept in a temporary file.
"""

from __future__ import annotations

import os
import re
import select
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from voiceswap.errors import AudioError, UsageError, WriteError

DASH = Path("-")
STDIN = "stdin"
DESCRIPTOR = re.compile(r"/dev/fd/(\d+)|/proc/(?:self|thread-self|\d+)/fd/(\d+)")
# Ten hours of CD quality; a source without an end must not fill the disk.
MAX_PIPED_BYTES = 8 << 30
# Who records as they go writes all the time.
MAX_IDLE_S = 60.0
CHUNK_BYTES = 1 << 20


def find_descriptor(path: Path) -> int | None:
    """The number of the open file that a path stands for: 0 for /dev/stdin and "-"; None for a path like any other."""
    text = os.fspath(path)
    if text in ("-", "/dev/stdin"):
        return 0
    found = DESCRIPTOR.fullmatch(text)
    own = found is not None and (found[2] is None or re.match(rf"/proc/(self|thread-self|{os.getpid()})/", text))
    return int(found[1] or found[2]) if found is not None and own else None


def find_real_path(path: Path) -> Path:
    """The name by which any process can open what is open here; the path itself if it is no such thing.

    Args:
        path: A path, /dev/stdin say.

    Returns:
        The path of the regular file behind it.
    """
    descriptor = None if path == DASH else find_descriptor(path)
    if descriptor is None:
        return path
    try:
        real = Path(os.path.realpath(f"/dev/fd/{descriptor}"))
        return real if os.path.samestat(os.fstat(descriptor), os.stat(real)) else path
    except OSError:
        return path


def is_piped(path: Path) -> bool:
    """Whether a path stands for an open file of this process that no other one can open by a name of its own."""
    return path == DASH or (find_descriptor(path) is not None and find_real_path(path) == path)


def name_piped(path: Path) -> str:
    """What an open file is called in messages, records and the names of results: "stdin", "fd3"."""
    descriptor = find_descriptor(path)
    return f"fd{descriptor}" if descriptor else STDIN


@contextmanager
def keep_piped(path: Path) -> Iterator[Path]:
    """Keep what comes through a pipe in a temporary file meanwhile.

    Args:
        path: What `is_piped` is true of.

    Yields:
        The file, named as `name_piped` says.

    Raises:
        UsageError: It is a terminal, or closed.
        AudioError: Nothing comes, for a minute or at all, or too much.
        WriteError: There is no room for it.
    """
    descriptor = find_descriptor(path)
    name = name_piped(path)
    hint = "pipe a recording into it, or name a file"
    try:
        kind = os.fstat(descriptor or 0).st_mode
    except OSError as error:
        raise UsageError(f"{name} is closed", hint) from error
    if os.isatty(descriptor or 0):
        raise UsageError(f"{name} is a terminal, wanted a recording", hint)
    if not (stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind) or stat.S_ISREG(kind)):
        raise AudioError(f"{name} is neither a file nor a pipe", hint)
    with tempfile.TemporaryDirectory(prefix="voiceswap-") as folder:
        kept = Path(folder) / name
        _copy(descriptor or 0, kept, name)
        yield kept


def _copy(descriptor: int, kept: Path, name: str) -> None:
    n_bytes = 0
    with kept.open("wb") as file:
        while True:
            # Files are always ready; there is no waiting for pipes on Windows.
            if os.name != "nt" and not select.select([descriptor], [], [], MAX_IDLE_S)[0]:
                raise AudioError(f"{name}: nothing came for {MAX_IDLE_S:.0f} s", "does what writes into it still run?")
            chunk = os.read(descriptor, CHUNK_BYTES)
            if not chunk:
                break
            n_bytes += len(chunk)
            if n_bytes > MAX_PIPED_BYTES:
                raise AudioError(f"{name}: more than {MAX_PIPED_BYTES / 1e9:.1f} GB came", "save it to a file first")
            try:
                file.write(chunk)
            except OSError as error:
                raise WriteError(
                    f"cannot keep what comes from {name} in {kept.parent}: {(error.strerror or str(error)).lower()}",
                    "free some space, or save it to a file first",
                ) from error
    if not n_bytes:
        raise AudioError(f"{name} is empty (0 bytes)", "pipe a recording into it, or name a file")
