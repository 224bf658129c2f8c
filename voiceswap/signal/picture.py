"""Pictures of features, as PNG files."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np

from voiceswap.signal.features import Array

# Longer recordings are drawn with fewer of their frames.
MAX_COLUMNS, MIN_ROWS = 4000, 240
DARK_PERCENT, BRIGHT_PERCENT = 2, 99.8


def write_heat(path: Path, rows: Array) -> None:
    """Draw (n_frames, n_values) with time to the right, the first value at the bottom, dark to bright.

    Args:
        path: The file, which is replaced.
        rows: Any finite numbers; it may be a file that is mapped into memory.
    """
    seen = np.asarray(thinned(rows), dtype=np.float32)
    low, high = np.percentile(seen, [DARK_PERCENT, BRIGHT_PERCENT]) if seen.size else (0.0, 1.0)
    grey = 255 * np.clip((seen - low) / max(float(high - low), 1e-9), 0, 1)
    _write(path, np.repeat(grey.T[::-1], -(-MIN_ROWS // max(1, seen.shape[1])), axis=0))


def write_curve(path: Path, values: Array, low: float, high: float) -> None:
    """Draw a curve (n_frames,) of positive numbers on a logarithmic scale from low to high; 0.0 leaves a gap."""
    seen = np.asarray(thinned(values), dtype=np.float64)
    picture = np.zeros((MIN_ROWS, len(seen)))
    shown = np.flatnonzero(seen > 0)
    height = np.clip(np.log(seen[shown] / low) / np.log(high / low), 0, 1)
    row = np.minimum(((1 - height) * MIN_ROWS).astype(int), MIN_ROWS - 1)
    for thickness in (0, 1):
        picture[np.maximum(row - thickness, 0), shown] = 255
    _write(path, picture)


def thinned(frames: Array) -> Array:
    """At most `MAX_COLUMNS` of the frames (n_frames, ...), evenly picked."""
    return frames[:: max(1, -(-len(frames) // MAX_COLUMNS))]


def _write(path: Path, grey: Array) -> None:
    """Grey values (height, width), 0 to 255, as PNG (ISO 15948); nothing at all as one black pixel."""
    if not grey.size:
        grey = np.zeros((1, 1))
    height, width = grey.shape
    lines = np.zeros((height, width + 1), np.uint8)  # each line begins with its filter: 0, none
    lines[:, 1:] = grey
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes())), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
