"""The shipped weights, one folder each: base, separator, speaker; and a file of mel filters."""

from __future__ import annotations

from pathlib import Path


def path(name: str) -> Path:
    """The folder, or the file, of this name."""
    return Path(__file__).parent / name
