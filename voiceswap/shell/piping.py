"""A result on standard output, for the next program: whole before its first byte, and nothing else beside it."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from voiceswap.errors import UsageError

DASH = "-"
FORMAT = "wav"


def parse_out(text: str) -> str | Path:
    """An output as it was given: a text where its end says that it is a folder, which a Path would forget."""
    return text if text.endswith((os.sep, "/")) else Path(text)


def is_stdout(out: str | Path | None) -> bool:
    """Whether an output is standard output."""
    return out is not None and os.fspath(out) == DASH


@contextmanager
def to_stdout(form: str | None, *, as_json: bool, beside: bool) -> Iterator[Path]:
    """A file whose content goes to standard output once it is whole.

    Args:
        form: Its format, an ending without the dot; wav if not given.
        as_json: Whether a document goes there, too.
        beside: Whether something is to be written beside it.

    Yields:
        Where to write it.

    Raises:
        UsageError: A terminal, or other things that go there, or an unknown format.
    """
    if as_json:
        raise UsageError("`out` is standard output, and so is what --json prints", "give `out` a file")
    if beside:
        raise UsageError("`sidecar` writes beside the output, and standard output has no place", "give `out` a file")
    if sys.stdout is None or sys.stdout.isatty():
        raise UsageError(
            "standard output is a terminal, and a recording is no text", "pipe it on, or give `out` a file"
        )
    with tempfile.TemporaryDirectory(prefix="voiceswap-") as folder:
        made = Path(folder) / f"stdout.{(form or FORMAT).lower().removeprefix('.')}"
        yield made
        sys.stdout.flush()
        with made.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()
