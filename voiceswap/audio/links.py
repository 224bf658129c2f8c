"""Recordings that were joined by putting file after file, as people and services do: where each one begins and ends.

Readers of most formats end with the first of them, without a word.

Nothing of voiceswap is imported here but its neighbours, so that `decoder_process` starts within a fifth of a second.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from io import RawIOBase
from mmap import ACCESS_READ, mmap
from pathlib import Path

from voiceswap.audio.mpeg_frames import ID3V1_BYTES, MpegLink, find_mpeg_links, id3_bytes, tag_bytes
from voiceswap.audio.sniff import EBML, HEAD_BYTES, W64_GUID, skip_id3, sniff

# What programs write as a length that they do not know yet: no claim.
STREAMED_BYTES = ((0, 1), (0x7FFF_F000 - 256, 0x8000_0000), (0xFFFF_FF00, 0x1_0000_0000))
STARTS = {
    "wav": re.compile(rb"(?:RIFF|RF64|BW64).{4}WAVE", re.DOTALL),
    "aiff": re.compile(rb"FORM.{4}AIF[FC]", re.DOTALL),
    "w64": re.compile(re.escape(W64_GUID)),
    "caf": re.compile(rb"caff\x00\x01\x00\x00desc"),
    "au": re.compile(rb"\.snd\x00\x00.{6}\x00\x00\x00[\x01-\x1b].{4}\x00\x00\x00", re.DOTALL),
    # The size of the first block of its description never differs.
    "flac": re.compile(rb"fLaC[\x00\x80]\x00\x00\x22"),
    "mov": re.compile(rb"\x00\x00\x00.ftyp", re.DOTALL),
    "matroska": re.compile(re.escape(EBML) + rb".{1,60}?(?:webm|matroska)", re.DOTALL),
}
MAX_ID3_BYTES = 1 << 22
MPEG_IN_WAV = (0x50, 0x55)
OGG_HEADER_BYTES = 27
OGG_FIRST = 2
ADTS_HEADER_BYTES = 7


@dataclass(frozen=True)
class Layout:
    """What a file is, and where the recordings in it lie.

    Attributes:
        kind: As `sniff.sniff` says.
        spans: Where each begins and ends in the file; empty if all of it is one.
        mpeg: What encoders made of MPEG audio; empty for other kinds.
    """

    kind: str
    spans: tuple[tuple[int, int], ...] = ()
    mpeg: tuple[MpegLink, ...] = ()


class Slice(RawIOBase):
    """A part of a file, read as if it were one.

    Args:
        path: The file.
        start: Where the part begins.
        stop: Where it ends.
    """

    def __init__(self, path: Path, start: int, stop: int) -> None:
        self._file = path.open("rb")
        self._start, self._stop = start, stop
        self._position = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place within the part; where that is."""
        origin = (0, self._position, self._stop - self._start)[whence]
        self._position = max(0, origin + offset)
        return self._position

    def tell(self) -> int:
        """Where it is within the part."""
        return self._position

    def readinto(self, buffer: object) -> int:
        """Fill a buffer; how many bytes it got."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        left = max(0, self._stop - self._start - self._position)
        self._file.seek(self._start + self._position)
        data = self._file.read(min(len(view), left))
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


def find_layout(path: Path) -> Layout:
    """What a file is, and where the recordings in it lie; raises OSError."""
    status = path.stat()
    return _find_layout(path, status.st_size, status.st_mtime_ns)


# A recording is opened several times, and long ones take a while to be looked through.
@lru_cache(maxsize=64)
def _find_layout(path: Path, size: int, _changed_ns: int) -> Layout:
    with path.open("rb") as file:
        kind = sniff(file.read(HEAD_BYTES))
        if not size or not kind:
            return Layout(kind)
        with mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            if kind == "mpeg":
                links = tuple(find_mpeg_links(data, 0, size))
                return Layout(kind if links else "", (), links)
            if kind == "wav" and (content := _find_mpeg_content(data, 0, size)):
                return Layout(kind, (), tuple(find_mpeg_links(data, *content)))
            if kind == "aac":
                spans = _find_adts_spans(data)
            else:
                starts = _find_ogg_starts(data) if kind == "ogg" else _find_starts(data, kind)
                spans = [_trim_tags(data, *span) for span in zip(starts, [*starts[1:], size], strict=True)]
            return Layout(kind, tuple(spans) if spans != [(0, size)] else ())


def _find_starts(data: mmap, kind: str) -> list[int]:
    starts = [0]
    first = skip_id3(data[:HEAD_BYTES])
    while (
        found := STARTS[kind].search(data, _find_end(data, kind, first if len(starts) == 1 else starts[-1]))
    ) is not None:
        starts.append(found.start())
    return starts


def _find_end(data: mmap, kind: str, start: int) -> int:
    """Where the recording that begins here ends as its header says; next to its beginning if that says nothing."""
    size, near = len(data), start + 8
    end = near
    if kind in ("wav", "aiff"):
        order = "big" if data[start : start + 4] in (b"FORM", b"RIFX") else "little"
        claimed = int.from_bytes(data[start + 4 : start + 8], order)  # type: ignore[arg-type]
        known = not any(low <= claimed < high for low, high in STREAMED_BYTES)
        end = start + 8 + claimed if known else near
    elif kind == "w64":
        end = start + max(8, int.from_bytes(data[start + 16 : start + 24], "little"))
    elif kind == "au":
        offset, claimed = (int.from_bytes(data[start + at : start + at + 4], "big") for at in (4, 8))
        end = start + offset + (claimed if claimed < 0xFFFF_FF00 else 0)
    elif kind == "mov":
        end = _find_end_of_boxes(data, start)
    elif kind == "caf":
        end = _find_end_of_caf(data, start)
    return end if near < end <= size else size if end > size else near


def _find_end_of_boxes(data: mmap, start: int) -> int:
    """Where the second ftyp box after this place lies, or the boxes end."""
    at = start
    while at + 8 <= len(data) and (at == start or data[at + 4 : at + 8] != b"ftyp"):
        n_bytes = int.from_bytes(data[at : at + 4], "big")
        n_bytes = int.from_bytes(data[at + 8 : at + 16], "big") if n_bytes == 1 else n_bytes or len(data) - at
        if n_bytes < 8 or at + n_bytes > len(data):
            break
        at += n_bytes
    return at


def _find_end_of_caf(data: mmap, start: int) -> int:
    at = start + 8
    while at + 12 <= len(data) and data[at : at + 4] != b"caff":
        n_bytes = int.from_bytes(data[at + 4 : at + 12], "big", signed=True)
        if n_bytes < 0 or at + 12 + n_bytes > len(data):
            break
        at += 12 + n_bytes
    return at


def _trim_tags(data: mmap, start: int, stop: int) -> tuple[int, int]:
    """A span without the ID3 tags at its end, which some decoders take for damaged sound."""
    before = -1
    while stop > start and before != stop:
        before = stop
        if data[max(start, stop - ID3V1_BYTES) : stop].startswith(b"TAG"):
            stop = max(start, stop - ID3V1_BYTES)
        at = data.rfind(b"ID3", max(start, stop - MAX_ID3_BYTES), stop)
        if at >= 0 and stop - at > 10 and at + id3_bytes(data[at : at + 10]) == stop:
            stop = at
    return start, stop


def _find_ogg_starts(data: mmap) -> list[int]:
    """Where each link of an Ogg chain begins: first pages stand together at its head."""
    starts: list[int] = []
    serials: set[bytes] = set()
    at = 0
    in_head = False
    while (at := data.find(b"OggS", at)) >= 0:
        header = data[at : at + OGG_HEADER_BYTES]
        if len(header) < OGG_HEADER_BYTES:
            break
        serial = header[14:18]
        if header[5] & OGG_FIRST:
            if not in_head or serial in serials:
                starts.append(at if starts else 0)
                serials = set()
            serials.add(serial)
        in_head = bool(header[5] & OGG_FIRST)
        at += OGG_HEADER_BYTES + header[26] + sum(data[at + OGG_HEADER_BYTES : at + OGG_HEADER_BYTES + header[26]])
    return starts


def _find_adts_spans(data: mmap) -> list[tuple[int, int]]:
    """The stretches of an AAC stream between tags, which FFmpeg gives up at."""
    at = start = skip_id3(data[:HEAD_BYTES])
    spans = []
    while at < len(data):
        n_bytes = (int.from_bytes(data[at + 3 : at + 6], "big") >> 5) & 0x1FFF
        if data[at : at + 1] == b"\xff" and data[at + 1 : at + 2] >= b"\xf0" and n_bytes > ADTS_HEADER_BYTES:
            at += n_bytes
        elif n_bytes := tag_bytes(data, at, len(data)):
            spans.append((start, at))
            start = at = at + n_bytes
        else:
            found = data.find(b"\xff", at + 1)
            at = found if found >= 0 else len(data)
    spans.append((start, len(data)))
    return [(first, last) for first, last in spans if last > first]


def _find_mpeg_content(data: mmap, start: int, stop: int) -> tuple[int, int] | None:
    """Where the sound of a wav lies whose samples are MPEG audio; None if they are not."""
    at, is_mpeg = start + 12, False
    order = "big" if data[start : start + 4] == b"RIFX" else "little"
    while at + 8 <= stop:
        name = data[at : at + 4]
        n_bytes = int.from_bytes(data[at + 4 : at + 8], order)  # type: ignore[arg-type]
        if name == b"fmt ":
            is_mpeg = int.from_bytes(data[at + 8 : at + 10], order) in MPEG_IN_WAV  # type: ignore[arg-type]
        elif name == b"data":
            known = not any(low <= n_bytes < high for low, high in STREAMED_BYTES)
            return (at + 8, min(stop, at + 8 + n_bytes) if known else stop) if is_mpeg else None
        at += 8 + n_bytes + n_bytes % 2
    return None
