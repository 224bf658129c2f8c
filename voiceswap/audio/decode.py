"""Recordings opened with soundfile and PyAV: where bytes from strangers meet native code.

Nothing of voiceswap is imported here, so that `decoder_process` starts within a fifth of a second.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf

Array = np.ndarray
# Small steps, so that little is lost before the place where a file is damaged.
STEP_SAMPLES = 4_096
# What only FFmpeg reads; playlists and other formats that name further files are never opened.
CONTAINERS = frozenset({".m4a", ".m4b", ".mp4", ".mov", ".webm", ".mkv", ".aac"})
CONTAINER_FORMATS = "mov,mp4,m4a,matroska,webm,aac"
MATROSKA_SEGMENT = b"\x18\x53\x80\x67"
# libsndfile's log: what a header claims for its samples, and what there is if that is less.
CLAIMED = re.compile(r"^\s*(?:data|SSND|Data Size|Data size)\s*: (\d+)(?: \(should be (\d+)\))?", re.MULTILINE)
# What programs write that do not know the length yet: no claim.
STREAMED = ((0x7FFF_F000 - 256, 0x8000_0000), (0xFFFF_FF00, 0x1_0000_0000))
MAX_PAGE_BYTES = 65_307
UNKNOWN = 2**62


class Refused(Exception):
    """A file that cannot be opened; says why in a few words."""


class Track:
    """An opened recording, read from its beginning to its end or to where it is damaged.

    Args:
        path: A regular file.

    Attributes:
        sample_rate_hz: As its header says.
        n_channels: As its header says.
        format: The name of its format.
        subtype: The name of its encoding.
        tags: Title, artist and the like; their names in small letters.
        damage: Why it ends too early and how much is lost; empty as long as nothing of the kind was met.
        lost_s: How much is lost, in seconds; None where nobody can tell.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._reader = _Container(path) if path.suffix.lower() in CONTAINERS else _Plain(path)
        except Exception as error:  # Damaged files make PyAV raise AttributeError, too.
            raise Refused(describe_error(error)) from error
        self.sample_rate_hz, self.n_channels = self._reader.sample_rate_hz, self._reader.n_channels
        self.format, self.subtype, self.tags = self._reader.format, self._reader.subtype, self._reader.tags
        self.damage = ""
        self.lost_s: float | None = None
        self._position = 0
        self._ended = False

    def read(self, n_samples: int) -> Array:
        """The next samples, (n, n_channels) float32: fewer than `n_samples` at the end, none after it."""
        parts: list[Array] = []
        n_missing = n_samples
        while n_missing and not self._ended:
            try:
                part = self._reader.read(min(n_missing, STEP_SAMPLES))
            except Exception as error:
                self._end(describe_error(error))
                break
            if not len(part):
                self._end("")
                break
            parts.append(part)
            n_missing -= len(part)
            self._position += len(part)
        return np.concatenate(parts) if parts else np.zeros((0, self.n_channels), np.float32)

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def _end(self, why: str) -> None:
        self._ended = True
        at_s = self._position / self.sample_rate_hz
        lost = self._reader.lost_samples(self._position)
        if lost is None and not why:
            return
        self.lost_s = lost / self.sample_rate_hz if lost else None
        share = f"{self.lost_s:.1f} s are lost" if self.lost_s else "how much is lost cannot be told"
        self.damage = f"damaged after {at_s:.1f} s: {why or 'the rest of it is missing'}; {share}"


class _Forward(sf.SoundFile):  # type: ignore[misc]
    """Read from front to back: soundfile seeks after each block, and fails where a FLAC does not say its length."""

    def seekable(self) -> bool:
        return False


class _Plain:
    """What libsndfile reads."""

    def __init__(self, path: Path) -> None:
        # As bytes, since a name need not be valid text.
        self._file = _Forward(path if os.name == "nt" else os.fsencode(path))
        self.sample_rate_hz, self.n_channels = self._file.samplerate, self._file.channels
        self.format, self.subtype = self._file.format, self._file.subtype
        self.tags: dict[str, str] = self._file.copy_metadata()
        self._path = path

    def read(self, n_samples: int) -> Array:
        return np.asarray(self._file.read(n_samples, dtype="float32", always_2d=True))

    def lost_samples(self, n_read: int) -> int | None:
        """How many samples a channel are missing after `n_read`: None if none are, 0 if nobody can tell."""
        file = self._file
        if file.format == "OGG":
            return None if _ends_well(self._path) else 0
        if file.format in ("MP3", "MPEG") and not _counts_frames(self._path):
            return None
        if n_read < file.frames < UNKNOWN:
            return int(file.frames) - n_read
        size = self._path.stat().st_size
        for claimed, there in ((int(m[1]), m[2]) for m in CLAIMED.finditer(file.extra_info)):
            present = int(there) if there else size
            if claimed > present and not any(low <= claimed < high for low, high in STREAMED):
                return round(n_read * (claimed - present) / max(1, present))
        return None

    def close(self) -> None:
        self._file.close()


def _ends_well(path: Path) -> bool:
    """Whether an Ogg file ends with a whole page that says it is the last."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 2 * MAX_PAGE_BYTES))
        tail = file.read()
    at = tail.rfind(b"OggS")
    if at < 0 or len(tail) < at + 27 or len(tail) < at + 27 + tail[at + 26]:
        return False
    segments = tail[at + 27 : at + 27 + tail[at + 26]]
    return bool(tail[at + 5] & 4) and len(tail) >= at + 27 + len(segments) + sum(segments)


def _counts_frames(path: Path) -> bool:
    """Whether an mp3 says how long it is; without that, its length is a guess."""
    with path.open("rb") as file:
        head = file.read(10)
        tag_bytes = sum((b & 127) << shift for b, shift in zip(head[6:10], (21, 14, 7, 0), strict=False))
        file.seek(10 + tag_bytes if head[:3] == b"ID3" else 0)
        first = file.read(4096)
    return any(mark in first for mark in (b"Xing", b"Info", b"VBRI"))


class _Container:
    """The first sound track of a file that only FFmpeg reads."""

    def __init__(self, path: Path) -> None:
        import av  # its libraries take a while to load: only for these files

        self._stack = ExitStack()
        try:
            # An open file, not its name: FFmpeg is to open nothing by itself.
            data = self._stack.enter_context(path.open("rb"))
            # Tags in a wrong encoding are no reason to refuse the sound.
            options = {"format_whitelist": CONTAINER_FORMATS}
            container = self._stack.enter_context(av.open(data, options=options, metadata_errors="replace"))
            if not container.streams.audio:
                raise RuntimeError("it has no sound track")
            stream = container.streams.audio[0]
            self.sample_rate_hz, self.n_channels = stream.rate, stream.channels
            self.format, self.subtype = container.format.name.split(",")[0].upper(), stream.codec_context.name.upper()
            self.tags = {key.lower(): value for key, value in container.metadata.items()}
            self._resampler = av.AudioResampler(format="flt", layout=stream.layout.name, rate=stream.rate)
            self._frames = container.decode(stream)
            guessed = self.format == "AAC"  # From the bit rate of its first frames: that is no claim.
            claimed_s = 0.0 if guessed else (container.duration or 0) / av.time_base
            self._left = UNKNOWN
            if stream.duration and not guessed:
                claimed_s = float(stream.duration * stream.time_base)
                # Encoders fill up their last frame.
                self._left = round(claimed_s * stream.rate)
            self._claimed, self._is_short = round(claimed_s * stream.rate), _is_cut_short(path)
        except Exception:
            self._stack.close()
            raise
        self._rest = np.zeros((0, self.n_channels), np.float32)

    def read(self, n_samples: int) -> Array:
        parts = [self._rest]
        n_ready = len(self._rest)
        try:
            while n_ready < n_samples and (frame := next(self._frames, None)) is not None:
                for part in self._resampler.resample(frame):
                    parts.append(part.to_ndarray().reshape(-1, self.n_channels).astype(np.float32))
                    n_ready += len(parts[-1])
        except Exception as error:
            if n_ready == 0:
                raise
            self._frames = _raise(error)
        joined = np.concatenate(parts)
        n_taken = min(n_samples, self._left)
        self._rest = joined[n_taken:]
        self._left -= min(n_taken, len(joined))
        return joined[:n_taken]

    def lost_samples(self, n_read: int) -> int | None:
        n_missing = self._claimed - n_read
        return max(1, n_missing) if self._is_short or n_missing > self.sample_rate_hz else None

    def close(self) -> None:
        self._stack.close()


def _is_cut_short(path: Path) -> bool:
    """Whether an mp4 or a Matroska file promises more bytes than it has."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(4096)
        if head[4:8] != b"ftyp":
            at = head.find(MATROSKA_SEGMENT) + 4
            if at < 4 or at >= len(head) or not head[at]:
                return False
            # The number of leading zeros says how many more bytes the length has; all ones: nobody knew it.
            n_more = 8 - head[at].bit_length()
            promised = int.from_bytes(head[at : at + 1 + n_more], "big") & ((1 << (7 * (n_more + 1))) - 1)
            return promised != (1 << (7 * (n_more + 1))) - 1 and at + 1 + n_more + promised > size
        position = 0
        while position < size:
            file.seek(position)
            box = file.read(16)
            promised = int.from_bytes(box[:4], "big")
            promised = int.from_bytes(box[8:16], "big") if promised == 1 else promised or size - position
            if promised < 8:
                return True
            position += promised
        return position > size


def _raise(error: Exception) -> Iterator[Any]:
    raise error
    yield


def describe_error(error: BaseException) -> str:
    """An error of a library or the system in a few words, on one line."""
    text = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error) or "no reason given"
    text = str(text).rstrip(". ").replace("\n", " ").removeprefix("Error : ")
    # What libsndfile says of a web page that is called an mp3.
    return "what is in it is no sound" if "possibly a pipe?" in text else text[:120]
