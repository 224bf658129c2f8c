"""Decoding, encoding and resampling, in blocks; with `tracks` the only place that touches soundfile, PyAV and soxr."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import soundfile as sf
import soxr

from voiceswap.arrays import Array
from voiceswap.audio import bext as broadcast
from voiceswap.audio import decoder_process as child
from voiceswap.audio.decode import Refused, Track, reason
from voiceswap.errors import AudioError, UsageError, WriteError
from voiceswap.storage import atomic

BLOCK_SAMPLES = 65_536
# libvorbis overflows its stack when it is given a minute at once.
WRITE_SAMPLES = 8_192
MIN_RATE_HZ, MAX_RATE_HZ = 4_000, 384_000
MAX_CHANNELS = 64
# Float files may exceed full scale; beyond this it is not audio.
MAX_ABS = 1e3
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
BYTES = {"PCM_S8": 1, "PCM_U8": 1, "ULAW": 1, "ALAW": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}
# What counts its bytes in 32 bits, with a mebibyte to spare for tags: beyond that libsndfile writes on without a word,
# and readers lose the end.
COUNTED, MAX_COUNTED_BYTES = frozenset({"WAV", "AIFF"}), 2**32 - 2**20
# Encodings that may be kept: libsndfile claims to write further ones, and fails, or adds silence up to a whole block.
KEPT = frozenset({*BYTES, "VORBIS", "OPUS"})
# This format has no place for a title.
UNTAGGED = frozenset({"W64"})


@dataclass(frozen=True)
class AudioInfo:
    """What a file says of itself; its length is left out, since headers lie."""

    sample_rate_hz: int
    n_channels: int
    format: str
    subtype: str
    title: str = ""
    artist: str = ""


def probe(path: Path) -> AudioInfo:
    """What kind of recording this is.

    Args:
        path: A file.

    Returns:
        Rate, channels, soundfile's names of format and subtype, title and artist.

    Raises:
        UsageError: No such file.
        AudioError: Not a regular file, empty, not audio, or with a rate or channel count that no recording has.
    """
    with closing(_opened(path)) as track:
        title, artist = (track.tags.get(name, "")[: child.MAX_TAG_CHARACTERS] for name in ("title", "artist"))
        return AudioInfo(track.sample_rate_hz, track.n_channels, track.format, track.subtype, title, artist)


def tags(path: Path) -> dict[str, str]:
    """What a file says of itself in words.

    Args:
        path: A file.

    Returns:
        Its title, artist, comment, software, date and the like, by those names, as far as it has them: data from
        anyone, with whatever characters.

    Raises:
        UsageError: No such file.
        AudioError: As `probe`.
    """
    with closing(_opened(path)) as track:
        found = {str(name)[: child.MAX_TAG_CHARACTERS]: str(text) for name, text in track.tags.items() if text}
    return {
        name: text[: child.MAX_COMMENT_CHARACTERS if name == "comment" else child.MAX_TAG_CHARACTERS]
        for name, text in list(found.items())[: child.MAX_TAGS]
    }


def blocks(
    path: Path, block_samples: int = BLOCK_SAMPLES, *, damaged: Callable[[str], object] | None = None
) -> Iterator[Array]:
    """A recording, block by block.

    Args:
        path: A file.
        block_samples: Samples a channel in each block, but for the last.
        damaged: Told how much of a damaged or cut recording is lost, after all that could be read of it; without it, or
            where nobody can tell how much it is, that is an error.

    Yields:
        Shape (n, n_channels), float32, finite.

    Raises:
        UsageError: No such file.
        AudioError: As `probe`; or damaged, or with samples that are not finite or absurd.
    """
    with closing(_opened(path)) as track:
        position = 0
        while True:
            try:
                block = track.read(block_samples)
            except Refused as error:
                raise _damaged(f"{path} is damaged after {position / track.sample_rate_hz:.1f} s: {error}") from error
            if len(block):
                check_samples(str(path), block, position, track.sample_rate_hz)
                yield block
            position += len(block)
            if track.damage and (damaged is None or track.lost_s is None or not position):
                raise _damaged(f"{path} is {track.damage}")
            if len(block) < block_samples:
                break
        if damaged is not None and track.damage:
            damaged(f"{path} is {track.damage}")


def _damaged(message: str) -> AudioError:
    return AudioError(message, "copy it anew, or re-encode it")


def parts(path: Path, sample_rate_hz: int, part_s: float) -> Iterator[Array]:
    """A recording, mono, at another rate, in parts: an hour of it takes the memory of a part.

    Args:
        path: A file.
        sample_rate_hz: The rate wanted.
        part_s: Each part is at least so long, but for the last.

    Yields:
        Shape (n_samples,), float32.

    Raises:
        UsageError: No such file.
        AudioError: As `blocks`.
    """
    info = probe(path)
    signs = channel_signs(blocks(path), info.n_channels)
    resampler = Resampler(info.sample_rate_hz, sample_rate_hz)
    held, n_held = list[Array](), 0
    for block in blocks(path):
        held.append(resampler.push(mono(block, signs)))
        n_held += len(held[-1])
        if n_held >= part_s * sample_rate_hz:
            yield np.concatenate(held)
            held, n_held = [], 0
    yield np.concatenate([*held, resampler.finish()])


def read(path: Path, sample_rate_hz: int, max_s: float = np.inf) -> Array:
    """A recording in one piece, mono, at another rate.

    Args:
        path: A file.
        sample_rate_hz: The rate wanted.
        max_s: How much of it.

    Returns:
        Shape (n_samples,), float32.

    Raises:
        UsageError: No such file.
        AudioError: As `blocks`.
    """
    if max_s == np.inf:
        return np.concatenate(list(parts(path, sample_rate_hz, np.inf)))
    return next(parts(path, sample_rate_hz, max_s))[: round(max_s * sample_rate_hz)]


def channel_signs(blocks_of_it: Iterator[Array], n_channels: int) -> Array:
    """With which signs the channels are to be mixed, so that they do not cancel each other.

    Args:
        blocks_of_it: A recording, blocks (n, n_channels) float32.
        n_channels: Its channels; nothing is read of a single one.

    Returns:
        Shape (n_channels,), float32: ones, but for a recording whose plain mix is next to silence: there -1 for
        channels that oppose the loudest one.
    """
    signs = np.ones(n_channels, np.float32)
    if n_channels == 1:
        return signs
    products, sums, n_samples = np.zeros((n_channels, n_channels)), np.zeros(n_channels), 0
    for block in blocks_of_it:
        products += (block.T @ block).astype(float)
        sums += block.sum(axis=0, dtype=float)
        n_samples += len(block)
    # An offset is no sound that others could cancel.
    products -= np.outer(sums, sums) / max(1, n_samples)
    # Channels that have nothing in common would sum to their whole power; a tenth of it tells of cancelling.
    if products.sum() < 0.1 * np.trace(products):
        signs[products[np.argmax(np.diag(products))] < 0] = -1
    return signs


def mono(block: Array, signs: Array) -> Array:
    """The mean of the channels of (n, n_channels), each with its sign: (n,) float32."""
    return block[:, 0] if block.shape[1] == 1 else np.asarray((block * signs).mean(axis=1, dtype=np.float32))


class Resampler:
    """A stream at another rate, mono (n,) unless `n_channels` is given; the same samples whatever the blocks."""

    def __init__(self, from_hz: int, to_hz: int, n_channels: int | None = None) -> None:
        self._shape = () if n_channels is None else (n_channels,)
        same = from_hz == to_hz
        self._stream = None if same else soxr.ResampleStream(from_hz, to_hz, n_channels or 1, dtype="float32")

    def push(self, samples: Array) -> Array:
        """What comes out, (m,) or (m, n_channels) float32, when (n,) or (n, n_channels) float32 goes in."""
        return samples if self._stream is None else self._stream.resample_chunk(np.ascontiguousarray(samples))

    def finish(self) -> Array:
        """What is left inside."""
        nothing = np.zeros((0, *self._shape), np.float32)
        return nothing if self._stream is None else self._stream.resample_chunk(nothing, last=True)


def resample(samples: Array, from_hz: int, to_hz: int) -> Array:
    """Samples (n,) at another rate, (about n * to_hz / from_hz,) float32."""
    resampler = Resampler(from_hz, to_hz)
    return np.concatenate([resampler.push(samples.astype(np.float32)), resampler.finish()])


def written_suffix(source: Path) -> str:
    """The ending of a result: the source's own where that can be written, else .wav."""
    return source.suffix if source.suffix.lower() in FORMATS else ".wav"


def written_format(path: Path) -> str:
    """What libsndfile calls the format of this ending; raises UsageError if it cannot be written."""
    if (found := FORMATS.get(path.suffix.lower())) is None:
        kinds = ", ".join(sorted(k[1:] for k in FORMATS))
        raise UsageError(f"{path} has an ending that cannot be written", f"wanted one of {kinds}")
    return found


class Writer:
    """Writes a recording block by block; it appears under its name when it is whole, or not at all.

    Args:
        path: Where to; the ending chooses the format. A wav of more than 4 GiB is an RF64.
        like: The source's kind: its rate, channels, title, artist and, where the format can hold it, one of the `KEPT`
            subtypes are kept.
        tags: What to say of it besides, by soundfile's names: "comment", "software", "date" ...
        n_samples: How many samples a channel there will be: without it, a wav cannot have more than 4 GiB.
        said: What to say in the bext chunk of a wav; other formats have none.
    """

    def __init__(
        self,
        path: Path,
        like: AudioInfo,
        tags: Mapping[str, str] | None = None,
        n_samples: int | None = None,
        said: broadcast.Broadcast | None = None,
    ) -> None:
        self._path, self._like, self._n_samples, self._said = path, like, n_samples, said
        self._n_given = 0
        self._tags = {"title": like.title, "artist": like.artist, **(tags or {})}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        like, format_name = self._like, written_format(self._path)
        keeps = like.subtype in KEPT and sf.check_format(format_name, like.subtype)
        subtype = like.subtype if keeps else sf.default_subtype(format_name)
        if self._path.suffix.lower() == ".opus":
            subtype = "OPUS"
        self._frame_bytes = like.n_channels * BYTES.get(subtype, BYTES["PCM_16"])
        if format_name == "WAV" and (self._n_samples or 0) * self._frame_bytes > MAX_COUNTED_BYTES:
            format_name = "RF64"
        self._format = format_name
        self._check_size(self._n_samples or 0)
        self._temporary = self._stack.enter_context(
            atomic.replacing(self._path, self._n_bytes() if self._unpacked() else None)
        )
        self._stack.push(self._closed)
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
            raise self._failed(error) from error
        return self

    def write(self, block: Array) -> None:
        """Append (n, n_channels) float32 in [-1, 1]."""
        self._n_given += len(block)
        self._check_size(self._n_given)
        try:
            for first in range(0, len(block), WRITE_SAMPLES):
                self._file.write(block[first : first + WRITE_SAMPLES])
        except (sf.LibsndfileError, RuntimeError, OSError) as error:
            raise self._failed(error) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._stack.__exit__(kind, error, trace)
        except sf.LibsndfileError as failure:
            raise self._failed(failure) from failure

    def _closed(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The sound is written and its file closed, but does not bear its name yet.
        if kind is None and self._said is not None and self._path.suffix.lower() == ".wav":
            broadcast.append(self._temporary, self._said)

    def _check_size(self, n_samples: int) -> None:
        n_bytes = n_samples * self._frame_bytes
        if self._format in COUNTED and n_bytes > MAX_COUNTED_BYTES:
            raise WriteError(
                f"cannot write {self._path}: it would have at least {n_bytes / 1e6:g} MB, "
                f"its format holds up to {MAX_COUNTED_BYTES / 1e6:g} MB",
                "give another ending, say .flac or .w64",
            )

    def _unpacked(self) -> bool:
        return self._path.suffix.lower() in UNPACKED

    def _n_bytes(self) -> int | None:
        # Of what has no length known, only what was given so far is known to be needed.
        n_samples = self._n_samples or (self._n_given if self._unpacked() else 0)
        return n_samples * self._frame_bytes or None

    def _room(self) -> str:
        # Packed sound is smaller than as it is; of which no length is known, more may come.
        bound = ("" if self._unpacked() else "at most ") if self._n_samples else "at least "
        return atomic.room(self._path, self._n_bytes(), bound)

    def _failed(self, error: Exception) -> WriteError:
        return WriteError(
            f"cannot write {self._path} ({self._like.n_channels} channels, {self._like.sample_rate_hz} Hz): "
            f"{reason(error)}{self._room()}",
            "is the disk full, or can this format not hold this rate? Try -o with another folder or ending",
        )


def _opened(path: Path) -> Track | child.Remote:
    path = Path(path)
    hint = "wanted a recording: wav, flac, ogg, opus, mp3, m4a, mp4, webm, aiff, caf, w64"
    try:
        kind = os.stat(path)
    except FileNotFoundError as error:
        raise UsageError(f"no such file: {path}", "check the spelling, and the folder you are in") from error
    except (OSError, ValueError) as error:
        raise AudioError(f"cannot open {path}: {reason(error)}", hint) from error
    if not stat.S_ISREG(kind.st_mode):
        what = "a folder" if stat.S_ISDIR(kind.st_mode) else "not a regular file"
        raise AudioError(f"{path} is {what}", hint)
    if not kind.st_size:
        raise AudioError(f"{path} is empty (0 bytes)", hint)
    try:
        track = child.opened(path)
    except Refused as error:
        raise AudioError(f"{path} is not a recording that can be read: {error}", hint) from error
    try:
        check_kind(str(path), track.sample_rate_hz, track.n_channels)
    except AudioError:
        track.close()
        raise
    return track


def check_kind(label: str, sample_rate_hz: int, n_channels: int) -> None:
    """Raise AudioError for a rate or a number of channels that no recording has."""
    if not MIN_RATE_HZ <= sample_rate_hz <= MAX_RATE_HZ or not 1 <= n_channels <= MAX_CHANNELS:
        raise AudioError(
            f"{label} claims {sample_rate_hz} Hz and {n_channels} channels, wanted {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz "
            f"and 1 to {MAX_CHANNELS} channels",
            "its header is damaged; convert it with another program",
        )


def check_samples(label: str, block: Array, position: int, sample_rate_hz: int) -> None:
    """Raise AudioError for samples that are not finite, or far beyond full scale; `block` begins at `position`."""
    bad = ~(np.abs(block) <= MAX_ABS)
    if bad.any():
        first = int(np.flatnonzero(bad.any(axis=1))[0])
        value = block[bad][0]
        raise AudioError(
            f"{label}: {int(bad.sum())} samples are no sound, the first ({value}) at "
            f"{(position + first) / sample_rate_hz:.3f} s",
            "it is damaged: export it again, as 16- or 24-bit",
        )
