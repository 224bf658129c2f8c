"""Decoding, encoding and resampling, in blocks: the only place that touches soundfile, PyAV and soxr."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import soundfile as sf
import soxr

from voiceswap.errors import AudioError, UsageError, WriteError
from voiceswap.storage import atomic

Array = np.ndarray
BLOCK_SAMPLES = 65_536
# libvorbis overflows its stack when it is given a minute at once.
WRITE_SAMPLES = 8_192
MIN_RATE_HZ, MAX_RATE_HZ = 4_000, 384_000
MAX_CHANNELS = 64
MAX_TAG_CHARACTERS, MAX_COMMENT_CHARACTERS, MAX_TAGS = 500, 5000, 50
# Float files may exceed full scale; beyond this it is not audio.
MAX_ABS = 1e3
# What only FFmpeg reads; playlists and other formats that name further files are never opened.
CONTAINERS = frozenset({".m4a", ".m4b", ".mp4", ".mov", ".webm", ".mkv", ".aac"})
CONTAINER_FORMATS = "mov,mp4,m4a,matroska,webm,aac"
FORMATS = {
    ".wav": "WAV",
    ".flac": "FLAC",
    ".ogg": "OGG",
    ".mp3": "MP3",
    ".aiff": "AIFF",
    ".opus": "OGG",
    ".w64": "W64",
}
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
    with _opened(path) as file:
        tags = file.copy_metadata()
        title, artist = (tags.get(name, "")[:MAX_TAG_CHARACTERS] for name in ("title", "artist"))
        return AudioInfo(file.samplerate, file.channels, file.format, file.subtype, title, artist)


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
    with _opened(path) as file:
        found = {str(name)[:MAX_TAG_CHARACTERS]: str(text) for name, text in file.copy_metadata().items() if text}
    return {
        name: text[: MAX_COMMENT_CHARACTERS if name == "comment" else MAX_TAG_CHARACTERS]
        for name, text in list(found.items())[:MAX_TAGS]
    }


def blocks(path: Path, block_samples: int = BLOCK_SAMPLES) -> Iterator[Array]:
    """A recording, block by block.

    Args:
        path: A file.
        block_samples: Samples a channel in each block, but for the last.

    Yields:
        Shape (n, n_channels), float32, finite.

    Raises:
        UsageError: No such file.
        AudioError: As `probe`; or damaged, or with samples that are not finite or absurd.
    """
    with _opened(path) as file:
        position = 0
        while True:
            try:
                block = file.read(block_samples, dtype="float32", always_2d=True)
            except (sf.LibsndfileError, RuntimeError) as error:
                at_s = position / file.samplerate
                raise AudioError(
                    f"{path} is damaged after {at_s:.1f} s: {_reason(error)}", "copy it anew, or re-encode it"
                ) from error
            if not len(block):
                return
            check_samples(str(path), block, position, file.samplerate)
            yield block
            position += len(block)


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
    products = np.zeros((n_channels, n_channels))
    for block in blocks_of_it:
        products += (block.T @ block).astype(float)
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


class Writer:
    """Writes a recording block by block; it appears under its name when it is whole, or not at all.

    Args:
        path: Where to; the ending chooses the format.
        like: The source's kind: its rate, channels, title, artist and, where the format knows it, subtype are kept.
        tags: What to say of it besides, by soundfile's names: "comment", "software", "date" ...
    """

    def __init__(self, path: Path, like: AudioInfo, tags: Mapping[str, str] | None = None) -> None:
        self._path, self._like = path, like
        self._tags = {"title": like.title, "artist": like.artist, **(tags or {})}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        like = self._like
        format_name = FORMATS.get(self._path.suffix.lower())
        if format_name is None:
            kinds = ", ".join(sorted(k[1:] for k in FORMATS))
            raise UsageError(f"{self._path} has an ending that cannot be written", f"wanted one of {kinds}")
        subtype = like.subtype if sf.check_format(format_name, like.subtype) else sf.default_subtype(format_name)
        if self._path.suffix.lower() == ".opus":
            subtype = "OPUS"
        self._temporary = self._stack.enter_context(atomic.replacing(self._path))
        try:
            self._file = self._stack.enter_context(
                sf.SoundFile(
                    self._temporary, "w", like.sample_rate_hz, like.n_channels, subtype=subtype, format=format_name
                )
            )
            for name, value in self._tags.items():
                if value and format_name not in UNTAGGED:
                    setattr(self._file, name, value)
        except (sf.LibsndfileError, RuntimeError) as error:
            self._stack.__exit__(type(error), error, error.__traceback__)
            raise self._failed(error) from error
        return self

    def write(self, block: Array) -> None:
        """Append (n, n_channels) float32 in [-1, 1]."""
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

    def _failed(self, error: Exception) -> WriteError:
        return WriteError(
            f"cannot write {self._path} ({self._like.n_channels} channels, {self._like.sample_rate_hz} Hz): "
            f"{_reason(error)}",
            "is the disk full, or can this format not hold this rate? Try -o with another folder or ending",
        )


class _Track:
    """The first sound track of a file that only FFmpeg reads, with as much of soundfile's interface as is used here."""

    def __init__(self, path: Path) -> None:
        import av  # its libraries take a while to load: only for these files

        self._errors = av.FFmpegError
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
            self.samplerate, self.channels = stream.rate, stream.channels
            self.format, self.subtype = container.format.name.split(",")[0].upper(), stream.codec_context.name.upper()
            self._tags = {key.lower(): value for key, value in container.metadata.items()}
            self._resampler = av.AudioResampler(format="flt", layout=stream.layout.name, rate=stream.rate)
            self._frames = container.decode(stream)
        except (self._errors, RuntimeError, ValueError) as error:
            self._stack.close()
            raise RuntimeError(_reason(error)) from error
        self._held = np.zeros((0, self.channels), np.float32)

    def copy_metadata(self) -> dict[str, str]:
        return self._tags

    def read(self, n_frames: int, dtype: str, always_2d: bool) -> Array:
        held, n_held = [self._held], len(self._held)
        try:
            while n_held < n_frames and (frame := next(self._frames, None)) is not None:
                for part in self._resampler.resample(frame):
                    held.append(part.to_ndarray().reshape(-1, self.channels).astype(dtype))
                    n_held += len(held[-1])
        except (self._errors, ValueError) as error:
            raise RuntimeError(_reason(error)) from error
        joined = np.concatenate(held)
        self._held = joined[n_frames:]
        return joined[:n_frames]

    def close(self) -> None:
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _opened(path: Path) -> sf.SoundFile | _Track:
    path = Path(path)
    hint = "wanted a recording: wav, flac, ogg, opus, mp3, m4a, mp4, webm, aiff, caf, w64"
    try:
        kind = os.stat(path)
    except FileNotFoundError as error:
        raise UsageError(f"no such file: {path}", "check the spelling, and the folder you are in") from error
    except (OSError, ValueError) as error:
        raise AudioError(f"cannot open {path}: {_reason(error)}", hint) from error
    if not stat.S_ISREG(kind.st_mode):
        what = "a folder" if stat.S_ISDIR(kind.st_mode) else "not a regular file"
        raise AudioError(f"{path} is {what}", hint)
    if not kind.st_size:
        raise AudioError(f"{path} is empty (0 bytes)", hint)
    try:
        file = _Track(path) if path.suffix.lower() in CONTAINERS else sf.SoundFile(path)
    except (sf.LibsndfileError, RuntimeError, OSError, TypeError) as error:
        raise AudioError(f"{path} is not a recording that can be read: {_reason(error)}", hint) from error
    try:
        check_kind(str(path), file.samplerate, file.channels)
    except AudioError:
        file.close()
        raise
    return file


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


def _reason(error: BaseException) -> str:
    text = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
    return str(text).rstrip(". ").replace("\n", " ")[:120]
