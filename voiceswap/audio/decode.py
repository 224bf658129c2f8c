"""Recordings opened with soundfile and PyAV: where bytes from strangers meet native code.

Nothing heavy is imported here, not even `arrays`, so that `decoder_process` starts within a fifth of a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from voiceswap.audio.container import ContainerReader, wanted_track
from voiceswap.audio.joined import JoinedReader, Reader
from voiceswap.audio.links import Layout, find_layout
from voiceswap.audio.mpeg import MpegReader, says_its_length
from voiceswap.audio.plain import PlainReader
from voiceswap.audio.sniff import CONTAINER_KINDS

Array = np.ndarray
# Small steps, so that little is lost before the place where a file is damaged.
STEP_SAMPLES = 4_096
# What FFmpeg is asked about where the content says nothing.
CONTAINERS = frozenset(
    (".m4a", ".m4b", ".m4r", ".m4v", ".mp4", ".mov", ".qt", ".3gp", ".3g2", ".webm", ".weba", ".mkv", ".mka", ".aac")
)
# What libsndfile calls a wav may hold what it does not know.
WAV_FORMATS = "wav"


class Refused(Exception):
    """A file that cannot be opened; says why in a few words."""


class Track:
    """An opened recording, read from its beginning to its end or to where it is damaged.

    Args:
        path: A regular file; its content decides what it is, its ending only where that says nothing.
        track: Which of several sound tracks, from 1.

    Attributes:
        sample_rate_hz: As its header says.
        n_channels: As its header says.
        format: The name of its format.
        subtype: The name of its encoding.
        tags: Title, artist and the like; their names in small letters.
        damage: Why it ends too early and how much is lost; empty as long as nothing of the kind was met.
        lost_s: How much is lost, in seconds; None where nobody can tell.
        tracks: Its sound tracks in a few words each, if there are several.
    """

    def __init__(self, path: Path, track: int = 1) -> None:
        try:
            self._reader = open_reader(path, track)
        except Exception as error:  # Damaged files make PyAV raise AttributeError, too.
            raise Refused(describe_error(error)) from error
        self.sample_rate_hz, self.n_channels = self._reader.sample_rate_hz, self._reader.n_channels
        self.format, self.subtype, self.tags = self._reader.format, self._reader.subtype, self._reader.tags
        self.tracks = self._reader.tracks
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
        # What is missing may be in its midst.
        where = f" after {at_s:.1f} s" if why or self._reader.loss == PlainReader.loss else ""
        self.damage = f"damaged{where}: {why or self._reader.loss}; {share}"


def open_reader(path: Path, track: int = 1) -> Reader:
    """What reads a recording; raises whatever libraries raise if it is none.

    Args:
        path: A regular file.
        track: Which of several sound tracks, from 1.

    Returns:
        A reader of all recordings that were joined in it.
    """
    layout = find_layout(path)
    if track > 1 and layout.kind not in CONTAINER_KINDS:
        raise RuntimeError(f"it has 1 sound track, {wanted_track(track)}")
    parts = list(_find_parts(path, layout, track))
    return JoinedReader(parts) if len(parts) > 1 else parts[0]()


def _find_parts(path: Path, layout: Layout, track: int) -> Iterator[Callable[[], Reader]]:
    if layout.kind in CONTAINER_KINDS or (not layout.kind and path.suffix.lower() in CONTAINERS):
        for span in layout.spans or (None,):
            yield partial(ContainerReader, path, span, track)
    elif layout.mpeg and not (layout.kind == "mpeg" and says_its_length(layout)):
        tags = _read_tags(path)
        for link in layout.mpeg:
            yield partial(MpegReader, path, link, tags, in_wav=layout.kind == "wav")
    elif layout.spans:
        for span in layout.spans:
            yield partial(PlainReader, path, span)
    else:
        yield partial(_open_plain, path, layout)


def _open_plain(path: Path, layout: Layout) -> Reader:
    try:
        return PlainReader(path, counted=layout.kind == "mpeg" or path.suffix.lower() != ".mp3")
    except Exception:
        if layout.kind != "wav":
            raise
        return ContainerReader(path, formats=WAV_FORMATS)


def _read_tags(path: Path) -> dict[str, str]:
    try:
        reader = PlainReader(path)
    except Exception:
        return {}
    reader.close()
    return reader.tags


def describe_error(error: BaseException) -> str:
    """An error of a library or the system in a few words, on one line."""
    text = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error) or "no reason given"
    text = str(text).rstrip(". ").replace("\n", " ").removeprefix("Error : ")
    # What libsndfile says of a web page that is called an mp3.
    return "what is in it is no sound" if "possibly a pipe?" in text else text[:120]
