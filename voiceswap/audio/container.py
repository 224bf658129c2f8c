"""What only FFmpeg reads: one sound track of a container."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from io import RawIOBase
from pathlib import Path
from typing import IO, Any

import numpy as np

from voiceswap.audio.links import Slice

Array = np.ndarray
# Playlists and other formats that name further files are never opened.
CONTAINER_FORMATS = "mov,mp4,m4a,matroska,webm,aac"
MATROSKA_SEGMENT = b"\x18\x53\x80\x67"
UNKNOWN = 2**62


class ContainerReader:
    """A sound track of a file that FFmpeg reads.

    Args:
        path: The file.
        span: The part of it, from one byte to another; None for all of it.
        track: Which of its sound tracks, from 1.
        formats: FFmpeg's names of the formats that it may be.
    """

    loss = "the rest of it is missing"

    def __init__(
        self, path: Path, span: tuple[int, int] | None = None, track: int = 1, formats: str = CONTAINER_FORMATS
    ) -> None:
        import av  # its libraries take a while to load: only for these files

        self._av = av
        self._stack = ExitStack()
        try:
            # An open file, not its name: FFmpeg is to open nothing by itself.
            data: IO[bytes] | Slice = path.open("rb") if span is None else Slice(path, *span)
            self._stack.enter_context(data)
            # Tags in a wrong encoding are no reason to refuse the sound.
            options = {"format_whitelist": formats}
            container = self._stack.enter_context(av.open(data, options=options, metadata_errors="replace"))
            streams = container.streams.audio
            if not streams:
                raise RuntimeError("it has no sound track")
            if track > len(streams):
                raise RuntimeError(
                    f"it has {len(streams)} sound track{'s' * (len(streams) > 1)}, {wanted_track(track)}"
                )
            self.tracks = tuple(map(_describe_track, streams)) if len(streams) > 1 else ()
            stream = streams[track - 1]
            self.sample_rate_hz, self.n_channels = stream.rate, stream.channels
            self.format, self.subtype = container.format.name.split(",")[0].upper(), stream.codec_context.name.upper()
            self.tags = {key.lower(): value for key, value in container.metadata.items()}
            self._layout = stream.layout.name
            self._resampler: Any = None
            self._shape: tuple[Any, ...] = ()
            self._frames = container.decode(stream)
            guessed = self.format == "AAC"  # From the bit rate of its first frames: that is no claim.
            claimed_s = 0.0 if guessed else (container.duration or 0) / av.time_base
            self._left = UNKNOWN
            if stream.duration and not guessed:
                claimed_s = float(stream.duration * stream.time_base)
                # Encoders fill up their last frame.
                self._left = round(claimed_s * stream.rate)
            self._claimed = round(claimed_s * stream.rate)
            with path.open("rb") if span is None else Slice(path, *span) as again:
                self._is_short = _is_cut_short(again)
        except Exception:
            self._stack.close()
            raise
        self._rest = np.zeros((0, self.n_channels), np.float32)

    def read(self, n_samples: int) -> Array:
        """The next samples, (n, n_channels) float32; none at the end."""
        parts = [self._rest]
        n_ready = len(self._rest)
        try:
            while n_ready < n_samples and (frame := next(self._frames, None)) is not None:
                for part in self._convert(frame):
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

    def _convert(self, frame: Any) -> Iterator[Any]:
        # A stream may go on at another rate or with other channels.
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        if shape != self._shape:
            if self._resampler is not None:
                yield from self._resampler.resample(None)
            self._resampler = self._av.AudioResampler(format="flt", layout=self._layout, rate=self.sample_rate_hz)
            self._shape = shape
        yield from self._resampler.resample(frame)

    def lost_samples(self, n_read: int) -> int | None:
        """How many samples a channel are missing after `n_read`: None if none are, 0 if nobody can tell."""
        n_missing = self._claimed - n_read
        return max(1, n_missing) if self._is_short or n_missing > self.sample_rate_hz else None

    def close(self) -> None:
        """Close the file."""
        self._stack.close()


def wanted_track(track: int) -> str:
    """How a message ends that refuses a sound track which is not there."""
    return f"wanted number {track}"


def _describe_track(stream: Any) -> str:
    title, language = (str(stream.metadata.get(key, "")) for key in ("title", "language"))
    words = (title[:40], language[:8] if language != "und" else "", f"{stream.channels} ch")
    return " ".join(filter(None, words))


def _is_cut_short(file: IO[bytes] | RawIOBase) -> bool:
    """Whether an mp4 or a Matroska file promises more bytes than it has."""
    size = file.seek(0, 2)
    file.seek(0)
    head = file.read(4096) or b""
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
        box = file.read(16) or b""
        promised = int.from_bytes(box[:4], "big")
        promised = int.from_bytes(box[8:16], "big") if promised == 1 else promised or size - position
        if promised < 8:
            return True
        position += promised
    return position > size


def _raise(error: Exception) -> Iterator[Any]:
    raise error
    yield
