"""The shipped weights, one folder each: base, separator, speaker."""

from __future__ import annotations

from pathlib import Path


def path(name: str) -> Path:
    """The folder of shipped weights of this name."""
    return Path(__file__).parent / name
