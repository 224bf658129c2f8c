"""What libsndfile reads: a file, or a part of one."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import IO

import numpy as np
import soundfile as sf

from voiceswap.audio.links import STREAMED_BYTES, Slice

Array = np.ndarray
# libsndfile's log: what a header claims for its samples, and what there is if that is less.
CLAIMED = re.compile(r"^\s*(?:data|SSND|Data Size|Data size)\s*: (\d+)(?: \(should be (\d+)\))?", re.MULTILINE)
# The same of all of a wav: a recorder that was switched off may have left behind the size of a moment before.
RIFF = re.compile(r"^RIFF : (\d+)", re.MULTILINE)
LEAST_LOST_S = 0.06
MAX_PAGE_BYTES = 65_307
UNKNOWN = 2**62


class _Forward(sf.SoundFile):  # type: ignore[misc]
    """Read from front to back: soundfile seeks after each block, and fails where a FLAC does not say its length."""

    def seekable(self) -> bool:
        return False


class PlainReader:
    """A recording that libsndfile reads.

    Args:
        path: The file.
        span: The part of it, from one byte to another; None for all of it.
        counted: Whether its length is more than a guess.
    """

    tracks: tuple[str, ...] = ()
    loss = "the rest of it is missing"

    def __init__(self, path: Path, span: tuple[int, int] | None = None, *, counted: bool = True) -> None:
        self._path, self._span, self._counted = path, span, counted
        self._slice = Slice(path, *span) if span is not None else None
        # As bytes, since a name need not be valid text.
        self._file = _Forward(self._slice or (path if os.name == "nt" else os.fsencode(path)))
        self.sample_rate_hz, self.n_channels = self._file.samplerate, self._file.channels
        self.format, self.subtype = self._file.format, self._file.subtype
        self.tags: dict[str, str] = self._file.copy_metadata()

    def read(self, n_samples: int) -> Array:
        """The next samples, (n, n_channels) float32; none at the end."""
        return np.asarray(self._file.read(n_samples, dtype="float32", always_2d=True))

    def lost_samples(self, n_read: int) -> int | None:
        """How many samples a channel are missing after `n_read`: None if none are, 0 if nobody can tell."""
        file = self._file
        with self._path.open("rb") if self._span is None else Slice(self._path, *self._span) as data:
            if file.format == "OGG":
                return None if _ends_well(data) else 0
            size = data.seek(0, os.SEEK_END)
        if not self._counted:
            return None
        if n_read < file.frames < UNKNOWN:
            return int(file.frames) - n_read
        for claimed, there in ((int(m[1]), m[2]) for m in CLAIMED.finditer(file.extra_info)):
            present = int(there) if there else size
            if claimed > present and not any(low <= claimed < high for low, high in STREAMED_BYTES):
                return round(n_read * (claimed - present) / max(1, present))
        return self._unclaimed_samples(n_read)

    def _unclaimed_samples(self, n_read: int) -> int | None:
        """How many samples lie behind what a wav says is all of it; None if there are none."""
        sizes = RIFF.search(self._file.extra_info)
        content = CLAIMED.search(self._file.extra_info)
        if self._file.format != "WAV" or sizes is None or content is None or self._span is not None:
            return None
        claimed = int(sizes[1])
        with self._path.open("rb") as file:
            file.seek(8 + claimed)
            head = file.read(8)
            there = file.seek(0, os.SEEK_END) - 8
        is_chunk = head[:4].isascii() and head[:4].decode("latin-1").isprintable()
        if any(low <= claimed < high for low, high in STREAMED_BYTES) or is_chunk or not any(head):
            return None
        n_unclaimed = round(n_read * (there - claimed) / max(1, int(content[1])))
        return n_unclaimed if n_unclaimed > LEAST_LOST_S * self.sample_rate_hz else None

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        if self._slice is not None:
            self._slice.close()


def _ends_well(file: IO[bytes] | Slice) -> bool:
    """Whether an Ogg file ends with a whole page that says it is the last."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 2 * MAX_PAGE_BYTES))
    tail = file.read() or b""
    at = tail.rfind(b"OggS")
    header = tail[at : at + 27]
    if at < 0 or len(header) < 27 or not header[5] & 4:
        return False
    lengths = tail[at + 27 : at + 27 + header[26]]
    return len(lengths) == header[26] and len(tail) >= at + 27 + header[26] + sum(lengths)
