"""The broadcast extension of wav files (bext chunk, EBU Tech 3285 version 1): who made a recording, when, and how."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path

# Description, originator, its reference, date, time, time reference in samples, version, UMID with what is reserved;
# then comes the history. The description stays empty: ffmpeg would let it take the place of the tag "comment".
LAYOUT = "<256x32s32s10s8s8xH254x"
VERSION = 1
MAX_RIFF_BYTES = 2**32 - 1


@dataclass(frozen=True)
class Bext:
    """What a bext chunk says; letters beyond ASCII become question marks, and what is too long for its place is cut.

    Attributes:
        originator: Who made it, 32 characters.
        reference: The originator's own name for it, 32 characters.
        made: When, ISO 8601.
        history: What was done to it, of any length.
    """

    originator: str
    reference: str
    made: str
    history: str


def append_bext(path: Path, bext: Bext) -> None:
    """Put a bext chunk at the end of a finished wav file.

    A file of another kind, or one that would outgrow the 4 GiB that RIFF can count, is left as it is.

    Args:
        path: The file.
        bext: What the chunk says.

    Raises:
        OSError: It cannot be read or written.
    """
    fields = (bext.originator, bext.reference, bext.made[:10], bext.made[11:19])
    content = struct.pack(LAYOUT, *(_to_ascii(field) for field in fields), VERSION)
    # A line of the history is a list with commas; T is its free text.
    content += b"T=" + _to_ascii(bext.history).replace(b",", b";") + b"\r\n"
    content += b"\0" * (len(content) % 2)
    chunk = b"bext" + struct.pack("<I", len(content)) + content
    with path.open("r+b") as file:
        head = file.read(12)
        length = file.seek(0, os.SEEK_END)
        size = length + length % 2 + len(chunk) - 8
        if head[:4] != b"RIFF" or head[8:] != b"WAVE" or size > MAX_RIFF_BYTES:
            return
        file.write(b"\0" * (length % 2) + chunk)
        file.seek(4)
        file.write(struct.pack("<I", size))


def _to_ascii(text: str) -> bytes:
    return text.encode("ascii", "replace")
