"""F0 curves as text: written for a person to edit, read back with the row of each mistake."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from voiceswap.arrays import Array
from voiceswap.config import FeatureConfig
from voiceswap.errors import UsageError
from voiceswap.storage import atomic

HEADER = ["time_s", "f0_hz"]
# Frames further than this from any row are unvoiced.
MAX_GAP_S = 0.03
# A curve that begins later, or ends earlier or later, is another recording's, or was cut.
UNTOLD_S = 0.25
MILLISECONDS_FROM = 20


def write_curve(path: Path, f0_hz: Array, config: FeatureConfig) -> None:
    """Write F0 `(n_frames,)`, 0.0 = unvoiced, one row a frame at its centre; raises WriteError."""
    with atomic.replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.write(",".join(HEADER) + "\n")
        file.writelines(f"{(i + 0.5) / config.frames_per_s:.4f},{value_hz:.2f}\n" for i, value_hz in enumerate(f0_hz))


def read_curve(
    path: Path, n_frames: int, config: FeatureConfig, on_doubt: Callable[[str], object] | None = None
) -> Array:
    """Read an F0 curve.

    Args:
        path: A file with the columns time_s and f0_hz, in this order or as its header says; times rising, 0 Hz is
            unvoiced. Between columns stand commas, or tabs, semicolons or spaces, and then commas may stand for points.
        n_frames: How many frames are wanted; 0 to look only whether it can be read.
        config: Framing and the range of F0.
        on_doubt: Told what does not fit the recording, with both lengths.

    Returns:
        Shape (n_frames,), float32, 0.0 = unvoiced: each frame has the row nearest to it, or 0.0 where none is near.

    Raises:
        UsageError: No such file, a row that is wrong (its number and what was found), or times in milliseconds.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise UsageError(f"no such file: {path}", "make one with `f0_out`") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path} as text", f"wanted lines of {','.join(HEADER)}") from error
    lines = text.splitlines()
    delimiter = _find_delimiter(lines)
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    try:
        rows = [[_plain_number(cell, delimiter) for cell in row] for row in reader]
    except csv.Error as error:
        raise UsageError(f"{path}, row {reader.line_num}: {error}", f"wanted lines of {','.join(HEADER)}") from error
    columns = _find_columns(path, rows)
    first = 1 if columns else 0
    numbered = [(number, row) for number, row in enumerate(rows[first:], start=first + 1) if any(row)]
    points = np.array([_parse_row(path, number, row, columns, config) for number, row in numbered])
    if not len(points):
        raise UsageError(f"{path} has no rows", "make one with `f0_out`, then edit it")
    times_s, f0_hz = points.T
    if (backwards := np.flatnonzero(np.diff(times_s) <= 0)).size:
        i = int(backwards[0])
        where = f"{path}, row {numbered[i + 1][0]}"
        hint = "wanted rising times"
        if (np.diff(f0_hz) > 0).all():
            hint = f"wanted rising times; are the columns {','.join(reversed(HEADER))}? Say so in a first row"
        raise UsageError(f"{where}: time {times_s[i + 1]} follows {times_s[i]}", hint)
    if n_frames:
        for text in _find_doubts(path, times_s, n_frames / config.frames_per_s):
            if on_doubt is not None:
                on_doubt(text)
    centres_s = (np.arange(n_frames) + 0.5) / config.frames_per_s
    nearest = np.searchsorted((times_s[1:] + times_s[:-1]) / 2, centres_s)
    is_near = np.abs(times_s[nearest] - centres_s) <= MAX_GAP_S
    return np.where(is_near, f0_hz[nearest], 0.0).astype(np.float32)


def _find_doubts(path: Path, times_s: Array, duration_s: float) -> Iterator[str]:
    """What does not fit a recording of this length; raises UsageError for milliseconds."""
    begin_s, end_s = float(times_s[0]), float(times_s[-1])
    both = f"the recording is {duration_s:.1f} s long"
    if end_s > MILLISECONDS_FROM * duration_s and end_s > duration_s + 1:
        raise UsageError(
            f"{path} ends at {end_s:g} s, {both}",
            "wanted times in seconds; are these milliseconds, or another recording's?",
        )
    if end_s < duration_s - UNTOLD_S:
        yield f"{path} ends at {end_s:.1f} s, {both}: the last {duration_s - end_s:.1f} s have no melody"
    if end_s > duration_s + UNTOLD_S:
        yield f"{path} ends at {end_s:.1f} s, {both}: what comes after it is not used"
    if begin_s > UNTOLD_S:
        yield f"{path} begins at {begin_s:.1f} s, {both}: what comes before has no melody"
    apart_s = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 0.0
    if apart_s > 2 * MAX_GAP_S:
        wanted = f"wanted {2 * MAX_GAP_S:.2f} s or less"
        yield f"{path} has a row every {apart_s:.2f} s, {wanted}: between them there is no melody"


def _find_delimiter(lines: Sequence[str]) -> str:
    """What stands between the columns: what all of the first lines have."""
    head = [line for line in lines if line.strip()][:2]
    for delimiter in ("\t", ";", ","):
        if head and all(delimiter in line for line in head):
            return delimiter
    return " " if head and all(len(line.split()) > 1 for line in head) else ","


def _plain_number(cell: str, delimiter: str) -> str:
    cell = cell.strip()
    return cell if delimiter == "," else cell.replace(",", ".")


def _find_columns(path: Path, rows: Sequence[Sequence[str]]) -> tuple[int, int] | None:
    """Where time and F0 stand as the header says; None where the first row is one of numbers."""
    header = [cell.lower() for cell in rows[0]] if rows else []
    if all(name in header for name in HEADER):
        return header.index(HEADER[0]), header.index(HEADER[1])
    if len(header) == len(HEADER) and all(map(_is_number, header)):
        return None
    found = ",".join(rows[0])[:40] if rows else "nothing"
    raise UsageError(f"{path}, row 1: found {found!r}", f"wanted the header {','.join(HEADER)}")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _parse_row(
    path: Path, row_number: int, row: list[str], columns: tuple[int, int] | None, config: FeatureConfig
) -> tuple[float, float]:
    hint = f"wanted a time in seconds and 0 or {config.f0_min_hz:.0f} to {config.f0_max_hz:.0f} Hz"
    try:
        if len(row) < len(HEADER) or (columns is None and len(row) > len(HEADER)):
            raise ValueError(len(row))
        time_s, f0_hz = (float(row[i]) for i in columns or (0, 1))
    except (ValueError, IndexError) as error:
        raise UsageError(f"{path}, row {row_number}: found {','.join(row)[:40]!r}", hint) from error
    if not math.isfinite(time_s) or not (f0_hz == 0 or config.f0_min_hz <= f0_hz <= config.f0_max_hz):
        raise UsageError(f"{path}, row {row_number}: found {','.join(row)[:40]!r}", hint)
    return time_s, f0_hz
