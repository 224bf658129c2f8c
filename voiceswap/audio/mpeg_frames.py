"""The frames of MPEG audio (mp1, mp2, mp3), counted one by one, since what a header says of their number may be wrong.

    ID3 | Info frame: so many, so much delay | frame | frame | TAG | ID3 | Info frame | frame ...
    `----------------------- a link: what one encoder made -------'    `- the next one, joined to it

Nothing of voiceswap is imported here, so that `decoder_process` starts within a fifth of a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from mmap import mmap
from typing import NamedTuple

Bytes = bytes | mmap
# Kilobits a second by the field of 4 bits, for version 1 layers 1 to 3, and for version 2 layer 1 and layers 2 and 3.
BIT_RATES = {
    (1, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
RATES_HZ = (44_100, 48_000, 32_000)
# A sync of eleven bits occurs in anything: it counts if so many frames follow one another.
N_CONFIRMED = 3
# The filter bank of any decoder is late by so much, which encoders do not count.
DECODER_DELAY = 529
LAME_DELAY_AT = 21
APE_HEADER_BYTES = 32
ID3V1_BYTES = 128
LYRICS_END = b"LYRICS200"
MAX_LYRICS_BYTES = 1 << 20


class Frame(NamedTuple):
    """What the header of a frame says: samples a channel, bytes of all of it."""

    layer: int
    rate_hz: int
    n_channels: int
    n_samples: int
    n_bytes: int
    side_bytes: int


@dataclass(frozen=True)
class MpegLink:
    """What one encoder made, without the frame that holds nothing but its counts.

    Attributes:
        start: Where its first frame of sound begins.
        stop: Where it ends.
        head: What its first frame says.
        n_frames: Frames of sound that are there.
        declared_frames: How many it says it has; None if it does not say.
        delay: Samples that the encoder put in front.
        padding: Samples that it put at the end.
        n_bytes: Bytes of these frames.
        n_stray_bytes: Bytes amid the frames that are neither frame nor tag.
    """

    start: int
    stop: int
    head: Frame
    n_frames: int
    declared_frames: int | None
    delay: int
    padding: int
    n_bytes: int
    n_stray_bytes: int

    @property
    def lost_samples(self) -> int:
        """How many samples a channel are missing, about."""
        if self.declared_frames is not None and self.declared_frames > self.n_frames + 1:
            return (self.declared_frames - self.n_frames) * self.head.n_samples
        return round(self.n_stray_bytes / max(1, self.n_bytes) * self.n_frames * self.head.n_samples)


@lru_cache(maxsize=1 << 12)
def parse_header(header: bytes) -> Frame | None:
    """What four bytes say of the frame that they begin; None if they begin none."""
    bits = int.from_bytes(header, "big")
    version_bits, layer = bits >> 19 & 3, 4 - (bits >> 17 & 3)
    bit_rate, rate = bits >> 12 & 15, bits >> 10 & 3
    if len(header) < 4 or bits >> 21 != 0x7FF or version_bits == 1 or layer == 4 or bit_rate in (0, 15) or rate == 3:
        return None
    first_version = version_bits == 3
    rate_hz = RATES_HZ[rate] // (1 if first_version else 2 if version_bits == 2 else 4)
    bits_per_s = 1000 * BIT_RATES[1 if first_version else 2, layer][bit_rate]
    padded = bits >> 9 & 1
    n_samples = 384 if layer == 1 else 1152 if layer == 2 or first_version else 576
    slot = 4 if layer == 1 else 1
    n_bytes = (n_samples // 8 // slot * bits_per_s // rate_hz + padded) * slot
    mono = bits >> 6 & 3 == 3
    side_bytes = (17 if mono else 32) if first_version else (9 if mono else 17)
    return Frame(layer, rate_hz, 1 if mono else 2, n_samples, n_bytes, side_bytes)


def find_first_frame(data: Bytes, start: int, stop: int) -> int | None:
    """Where the first of a few frames in a row begins within data[start:stop]; None if there are none."""
    at = start
    while (at := data.find(b"\xff", at, stop)) >= 0:
        if _is_confirmed(data, at, stop):
            return at
        at += 1
    return None


def _is_confirmed(data: Bytes, at: int, stop: int) -> bool:
    first = parse_header(bytes(data[at : at + 4]))
    frame = first
    for _ in range(N_CONFIRMED - 1):
        if frame is None or first is None:
            return False
        at += frame.n_bytes
        if at == stop:
            return True
        frame = parse_header(bytes(data[at : at + 4]))
        if frame is not None and (frame.layer, frame.rate_hz) != (first.layer, first.rate_hz):
            return False
    return frame is not None


def walk_frames(data: Bytes, start: int, stop: int) -> Iterator[tuple[int, Frame | None, int]]:
    """The frames within data[start:stop], tags between them left out.

    Args:
        data: A file.
        start: Where to begin.
        stop: Where to end.

    Yields:
        Where each begins, what it says and its bytes; None for bytes that are neither frame nor tag.
    """
    at = start
    in_step = False
    while at < stop:
        frame = parse_header(bytes(data[at : at + 4]))
        if frame is not None and at + frame.n_bytes <= stop and (in_step or _is_confirmed(data, at, stop)):
            yield at, frame, frame.n_bytes
            at += frame.n_bytes
            in_step = True
        elif n_bytes := tag_bytes(data, at, stop):
            at += n_bytes
            in_step = False
        else:
            in_step = False
            following = find_first_frame(data, at + 1, stop)
            tag = min(
                (n for sign in (b"ID3", b"TAG", b"APETAGEX") if (n := data.find(sign, at, stop)) >= 0), default=stop
            )
            following = min(stop if following is None else following, max(tag, at + 1))
            yield at, None, following - at
            at = following


def tag_bytes(data: Bytes, at: int, stop: int) -> int:
    """How long the tag that begins here is; 0 if there is none."""
    head = bytes(data[at : at + APE_HEADER_BYTES])
    if head[:3] == b"ID3" and len(head) > 9 and max(head[6:10]) < 128:
        return min(stop - at, id3_bytes(head[:10]))
    if head[:3] == b"TAG":
        return min(stop - at, ID3V1_BYTES)
    if head[:8] == b"APETAGEX" and len(head) == APE_HEADER_BYTES:
        # Its size counts the items and the footer; a header, where this is one, comes on top.
        is_header = head[23] & 0x20
        return min(stop - at, APE_HEADER_BYTES + (int.from_bytes(head[12:16], "little") if is_header else 0))
    if head.startswith(b"LYRICSBEGIN"):
        end = data.find(LYRICS_END, at, min(stop, at + MAX_LYRICS_BYTES))
        return end + len(LYRICS_END) - at if end >= 0 else 0
    return 0


def id3_bytes(header: bytes) -> int:
    """How long an ID3v2 tag is with its header (10 bytes), and its footer if it has one."""
    content = sum((byte & 127) << shift for byte, shift in zip(header[6:10], (21, 14, 7, 0), strict=True))
    return 10 + content + (10 if header[5] & 0x10 else 0)


def find_mpeg_links(data: Bytes, start: int, stop: int) -> list[MpegLink]:
    """What encoders made one after the other within data[start:stop]; empty if there is no MPEG audio."""
    links: list[MpegLink] = []
    link: _Counting | None = None
    for at, frame, n_bytes in walk_frames(data, start, stop):
        if frame is None:
            if link is not None:
                link.n_stray_bytes += n_bytes
            continue
        counts = _read_counts(data, at, frame)
        if link is None or counts is not None or not link.continues(frame):
            if link is not None:
                links.append(link.finish())
            # What holds the counts is no sound.
            link = _Counting(at + n_bytes if counts is not None else at, frame, counts or (None, 0, 0))
        if counts is None:
            link.n_frames += 1
            link.n_bytes += n_bytes
        link.stop = at + n_bytes
    return [each for each in [*links, *([link.finish()] if link is not None else [])] if each.n_frames]


@dataclass
class _Counting:
    start: int
    head: Frame
    counts: tuple[int | None, int, int]
    n_frames: int = 0
    n_bytes: int = 0
    n_stray_bytes: int = 0
    stop: int = 0

    def continues(self, frame: Frame) -> bool:
        return frame[:3] == self.head[:3]

    def finish(self) -> MpegLink:
        stop = max(self.start, self.stop)
        return MpegLink(self.start, stop, self.head, self.n_frames, *self.counts, self.n_bytes, self.n_stray_bytes)


def _read_counts(data: Bytes, at: int, frame: Frame) -> tuple[int | None, int, int] | None:
    """Frames, delay and padding that an Xing, Info or VBRI frame tells; None if this is a frame of sound."""
    if frame.layer != 3:
        return None
    if data[at + 36 : at + 40] == b"VBRI":
        return int.from_bytes(data[at + 50 : at + 54], "big"), 0, 0
    info = at + 4 + frame.side_bytes
    if data[info : info + 4] not in (b"Xing", b"Info"):
        return None
    flags = int.from_bytes(data[info + 4 : info + 8], "big")
    declared = int.from_bytes(data[info + 8 : info + 12], "big") if flags & 1 else None
    encoder = info + 8 + sum(n for bit, n in ((1, 4), (2, 4), (4, 100), (8, 4)) if flags & bit)
    if not data[encoder : encoder + 4].isalnum():
        return declared, 0, 0
    both = int.from_bytes(data[encoder + LAME_DELAY_AT : encoder + LAME_DELAY_AT + 3], "big")
    return declared, both >> 12, both & 0xFFF
