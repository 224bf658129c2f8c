"""Blocks of samples to files, which appear under their name when they are whole, or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import soundfile as sf

from voiceswap.arrays import Array
from voiceswap.audio.bext import Bext, append_bext
from voiceswap.audio.decode import describe_error
from voiceswap.audio.read import AudioInfo
from voiceswap.errors import UsageError, WriteError
from voiceswap.storage import atomic

# libvorbis overflows its stack when it is given a minute at once.
WRITE_SAMPLES = 8_192
FORMATS = {
    ".wav": "WAV",
    ".flac": "FLAC",
    ".ogg": "OGG",
    ".mp3": "MP3",
    ".aiff": "AIFF",
    ".opus": "OGG",
    ".w64": "W64",
}
# Formats whose length tells their size, and bytes a sample.
UNPACKED = frozenset({".wav", ".aiff", ".w64"})
SAMPLE_BYTES = {
    "PCM_S8": 1,
    "PCM_U8": 1,
    "ULAW": 1,
    "ALAW": 1,
    "PCM_16": 2,
    "PCM_24": 3,
    "PCM_32": 4,
    "FLOAT": 4,
    "DOUBLE": 8,
}
# What counts its bytes in 32 bits, with a mebibyte to spare for tags: beyond that libsndfile writes on without a word,
# and readers lose the end.
COUNTED_FORMATS = frozenset({"WAV", "AIFF"})
MAX_COUNTED_BYTES = 2**32 - 2**20
# Encodings that may be kept: libsndfile claims to write further ones, and fails, or adds silence up to a whole block.
KEPT_SUBTYPES = frozenset({*SAMPLE_BYTES, "VORBIS", "OPUS"})
# This format has no place for a title.
UNTAGGED = frozenset({"W64"})


def output_suffix(source: Path) -> str:
    """The ending of a result: the source's own where that can be written, else .wav."""
    return source.suffix if source.suffix.lower() in FORMATS else ".wav"


def output_format(path: Path) -> str:
    """What libsndfile calls the format of this ending; raises UsageError if it cannot be written."""
    if (format_name := FORMATS.get(path.suffix.lower())) is None:
        kinds = ", ".join(sorted(k[1:] for k in FORMATS))
        raise UsageError(f"{path} has an ending that cannot be written", f"wanted one of {kinds}")
    return format_name


class Writer:
    """Writes a recording block by block; it appears under its name when it is whole, or not at all.

    Args:
        path: Where to; the ending chooses the format. A wav of more than 4 GiB is an RF64.
        like: The source's kind: its rate, channels, title, artist and, where the format can hold it, its subtype, if
            it is among `KEPT_SUBTYPES`, are kept.
        tags: What to say of it besides, by soundfile's names: "comment", "software", "date" ...
        n_samples: How many samples a channel there will be: without it, a wav cannot have more than 4 GiB.
        bext: What to say in the bext chunk of a wav; other formats have none.
    """

    def __init__(
        self,
        path: Path,
        like: AudioInfo,
        tags: Mapping[str, str] | None = None,
        n_samples: int | None = None,
        bext: Bext | None = None,
    ) -> None:
        self._path, self._like, self._n_samples, self._bext = path, like, n_samples, bext
        self._n_written = 0
        self._tags = {"title": like.title, "artist": like.artist, **(tags or {})}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        like, format_name = self._like, output_format(self._path)
        keeps_subtype = like.subtype in KEPT_SUBTYPES and sf.check_format(format_name, like.subtype)
        subtype = like.subtype if keeps_subtype else sf.default_subtype(format_name)
        if self._path.suffix.lower() == ".opus":
            subtype = "OPUS"
        self._frame_bytes = like.n_channels * SAMPLE_BYTES.get(subtype, SAMPLE_BYTES["PCM_16"])
        if format_name == "WAV" and (self._n_samples or 0) * self._frame_bytes > MAX_COUNTED_BYTES:
            format_name = "RF64"
        self._format = format_name
        self._check_size(self._n_samples or 0)
        self._temporary = self._stack.enter_context(
            atomic.replacing(self._path, self._count_bytes() if self._is_unpacked() else None)
        )
        self._stack.push(self._append_bext)
        try:
            # Where this is refused, libsndfile would only say "System error".
            self._temporary.touch()
            self._file = self._stack.enter_context(
                sf.SoundFile(
                    self._temporary if os.name == "nt" else os.fsencode(self._temporary),
                    "w",
                    like.sample_rate_hz,
                    like.n_channels,
                    subtype=subtype,
                    format=format_name,
                )
            )
            for name, value in self._tags.items():
                if value and format_name not in UNTAGGED:
                    setattr(self._file, name, value)
        except (sf.LibsndfileError, RuntimeError, OSError) as error:
            # What the system refuses leaves the stack as a WriteError with the reason.
            self._stack.__exit__(type(error), error, error.__traceback__)
            raise self._make_error(error) from error
        return self

    def write(self, block: Array) -> None:
        """Append (n, n_channels) float32 in [-1, 1]."""
        self._n_written += len(block)
        self._check_size(self._n_written)
        try:
            for first in range(0, len(block), WRITE_SAMPLES):
                self._file.write(block[first : first + WRITE_SAMPLES])
        except (sf.LibsndfileError, RuntimeError, OSError) as error:
            raise self._make_error(error) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._stack.__exit__(kind, error, trace)
        except sf.LibsndfileError as failure:
            raise self._make_error(failure) from failure

    def _append_bext(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The sound is written and its file closed, but does not bear its name yet.
        if kind is None and self._bext is not None and self._path.suffix.lower() == ".wav":
            append_bext(self._temporary, self._bext)

    def _check_size(self, n_samples: int) -> None:
        n_bytes = n_samples * self._frame_bytes
        if self._format in COUNTED_FORMATS and n_bytes > MAX_COUNTED_BYTES:
            raise WriteError(
                f"cannot write {self._path}: it would have at least {n_bytes / 1e6:g} MB, "
                f"its format holds up to {MAX_COUNTED_BYTES / 1e6:g} MB",
                "give another ending, say .flac or .w64",
            )

    def _is_unpacked(self) -> bool:
        return self._path.suffix.lower() in UNPACKED

    def _count_bytes(self) -> int | None:
        # Of what has no length known, only what was given so far is known to be needed.
        n_samples = self._n_samples or (self._n_written if self._is_unpacked() else 0)
        return n_samples * self._frame_bytes or None

    def _describe_room(self) -> str:
        # Packed sound is smaller than as it is; of which no length is known, more may come.
        bound = ("" if self._is_unpacked() else "at most ") if self._n_samples else "at least "
        return atomic.room(self._path, self._count_bytes(), bound)

    def _make_error(self, error: Exception) -> WriteError:
        return WriteError(
            f"cannot write {self._path} ({self._like.n_channels} channels, {self._like.sample_rate_hz} Hz): "
            f"{describe_error(error)}{self._describe_room()}",
            "is the disk full, or can this format not hold this rate? Try `out` with another folder or ending",
        )
