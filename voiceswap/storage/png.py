"""Pictures of features, as PNG files."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np

from voiceswap.arrays import Array

# Longer recordings are drawn with fewer of their frames.
MAX_COLUMNS = 4000
MIN_ROWS = 240
DARK_PERCENT = 2
BRIGHT_PERCENT = 99.8


def write_heat(path: Path, rows: Array) -> None:
    """Draw (n_frames, n_values) with time to the right, the first value at the bottom, dark to bright.

    Args:
        path: The file, which is replaced.
        rows: Any finite numbers; it may be a file that is mapped into memory.
    """
    grey = heat(thin_out(rows))
    path.write_bytes(png(np.repeat(grey, -(-MIN_ROWS // max(1, len(grey))), axis=0)))


def heat(rows: Array, low: float | None = None, high: float | None = None) -> Array:
    """The picture of (n_frames, n_values): time to the right, the first value at the bottom, dark to bright.

    Args:
        rows: Any finite numbers.
        low: What is black; found from the values if not given.
        high: What is white; found from the values if not given.

    Returns:
        Grey values (n_values, n_frames), uint8.
    """
    values = np.asarray(rows, dtype=np.float32)
    percentiles = np.percentile(values, [DARK_PERCENT, BRIGHT_PERCENT]) if values.size else (0.0, 1.0)
    low, high = (float(f if given is None else given) for f, given in zip(percentiles, (low, high), strict=True))
    return np.asarray(255 * np.clip((values - low) / max(high - low, 1e-9), 0, 1), dtype=np.uint8).T[::-1]


def write_curve(path: Path, values: Array, low: float, high: float) -> None:
    """Draw a curve (n_frames,) of positive numbers on a logarithmic scale from low to high; 0.0 leaves a gap."""
    shown_values = np.asarray(thin_out(values), dtype=np.float64)
    picture = np.zeros((MIN_ROWS, len(shown_values)))
    shown = np.flatnonzero(shown_values > 0)
    height = np.clip(np.log(shown_values[shown] / low) / np.log(high / low), 0, 1)
    row = np.minimum(((1 - height) * MIN_ROWS).astype(int), MIN_ROWS - 1)
    for thickness in (0, 1):
        picture[np.maximum(row - thickness, 0), shown] = 255
    path.write_bytes(png(picture))


def thin_out(frames: Array) -> Array:
    """At most `MAX_COLUMNS` of the frames (n_frames, ...), evenly picked."""
    return frames[:: max(1, -(-len(frames) // MAX_COLUMNS))]


def png(grey: Array, colours: Array | None = None) -> bytes:
    """A picture as PNG (ISO 15948).

    Args:
        grey: Shape (height, width), 0 to 255; nothing at all becomes one black pixel.
        colours: Shape (256, 3), 0 to 255: red, green and blue for each of the values.

    Returns:
        The file.
    """
    if not grey.size:
        grey = np.zeros((1, 1))
    height, width = grey.shape
    lines = np.zeros((height, width + 1), np.uint8)  # each line begins with its filter: 0, none
    lines[:, 1:] = grey
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0 if colours is None else 3, 0, 0, 0))]
    if colours is not None:
        parts.append((b"PLTE", np.asarray(colours, dtype=np.uint8).tobytes()))
    parts += [(b"IDAT", zlib.compress(lines.tobytes(), 9)), (b"IEND", b"")]
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
