"""F0 curves as text: written for a person to edit, read back with the row of each mistake."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np

from voiceswap.arrays import Array
from voiceswap.config import FeatureConfig
from voiceswap.errors import UsageError
from voiceswap.storage import atomic

HEADER = ["time_s", "f0_hz"]
# Frames further than this from any row are unvoiced.
MAX_GAP_S = 0.03


def write_curve(path: Path, f0_hz: Array, config: FeatureConfig) -> None:
    """Write F0 `(n_frames,)`, 0.0 = unvoiced, one row a frame at its centre; raises WriteError."""
    with atomic.replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.write(",".join(HEADER) + "\n")
        file.writelines(f"{(i + 0.5) / config.frames_per_s:.4f},{value_hz:.2f}\n" for i, value_hz in enumerate(f0_hz))


def read_curve(path: Path, n_frames: int, config: FeatureConfig) -> Array:
    """Read an F0 curve.

    Args:
        path: A file with the columns time_s and f0_hz, times rising; 0 Hz is unvoiced.
        n_frames: How many frames are wanted.
        config: Framing and the range of F0.

    Returns:
        Shape (n_frames,), float32, 0.0 = unvoiced: each frame has the row nearest to it, or 0.0 where none is near.

    Raises:
        UsageError: No such file, or a row that is wrong: its number and what was found.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise UsageError(f"no such file: {path}", "make one with `f0_out`") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path} as text", f"wanted lines of {','.join(HEADER)}") from error
    reader = csv.reader(text.splitlines())
    try:
        rows = list(reader)
    except csv.Error as error:
        raise UsageError(f"{path}, row {reader.line_num}: {error}", f"wanted lines of {','.join(HEADER)}") from error
    if not rows or [cell.strip() for cell in rows[0]] != HEADER:
        first_row = ",".join(rows[0])[:40] if rows else "nothing"
        raise UsageError(f"{path}, row 1: found {first_row!r}", f"wanted the header {','.join(HEADER)}")
    numbered = [(number, row) for number, row in enumerate(rows[1:], start=2) if row]
    points = np.array([_parse_row(path, number, row, config) for number, row in numbered])
    if not len(points):
        raise UsageError(f"{path} has no rows", "make one with `f0_out`, then edit it")
    times_s, f0_hz = points.T
    if (backwards := np.flatnonzero(np.diff(times_s) <= 0)).size:
        i = int(backwards[0])
        where = f"{path}, row {numbered[i + 1][0]}"
        raise UsageError(f"{where}: time {times_s[i + 1]} follows {times_s[i]}", "wanted rising times")
    centres_s = (np.arange(n_frames) + 0.5) / config.frames_per_s
    nearest = np.searchsorted((times_s[1:] + times_s[:-1]) / 2, centres_s)
    is_near = np.abs(times_s[nearest] - centres_s) <= MAX_GAP_S
    return np.where(is_near, f0_hz[nearest], 0.0).astype(np.float32)


def _parse_row(path: Path, row_number: int, row: list[str], config: FeatureConfig) -> tuple[float, float]:
    hint = f"wanted a time in seconds and 0 or {config.f0_min_hz:.0f} to {config.f0_max_hz:.0f} Hz"
    try:
        time_s, f0_hz = map(float, row)
    except ValueError as error:
        raise UsageError(f"{path}, row {row_number}: found {','.join(row)[:40]!r}", hint) from error
    if not math.isfinite(time_s) or not (f0_hz == 0 or config.f0_min_hz <= f0_hz <= config.f0_max_hz):
        raise UsageError(f"{path}, row {row_number}: found {','.join(row)[:40]!r}", hint)
    return time_s, f0_hz
