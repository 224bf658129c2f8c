"""MPEG audio without a true count of its frames, or with several parts: decoded frame by frame to its very end."""

from __future__ import annotations

from collections.abc import Iterator
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import numpy as np

from voiceswap.audio.links import Layout
from voiceswap.audio.mpeg_frames import DECODER_DELAY, MpegLink, walk_frames

Array = np.ndarray
CODECS = {1: "mp1float", 2: "mp2float", 3: "mp3float"}
SUBTYPES = {1: "MPEG_LAYER_I", 2: "MPEG_LAYER_II", 3: "MPEG_LAYER_III"}
# Less than two frames is what codecs put around a sound.
LEAST_LOST_S = 0.06


def says_its_length(layout: Layout) -> bool:
    """Whether MPEG audio is one piece whose own count of frames is true, or too high because its end is missing."""
    link = layout.mpeg[0]
    declared = link.declared_frames
    return len(layout.mpeg) == 1 and declared is not None and link.n_frames <= declared + 1


class MpegReader:
    """One link of MPEG audio, decoded by FFmpeg from its first frame to its last.

    Args:
        path: The file.
        link: Where in it.
        tags: Its title, artist and the like.
        in_wav: Whether it lies in a wav.
    """

    tracks: tuple[str, ...] = ()
    loss = "some of it is no sound"

    def __init__(self, path: Path, link: MpegLink, tags: dict[str, str], *, in_wav: bool = False) -> None:
        import av

        self.sample_rate_hz, self.n_channels = link.head.rate_hz, link.head.n_channels
        self.format, self.subtype = "WAV" if in_wav else "MP3", SUBTYPES[link.head.layer]
        self.tags = tags
        self._link = link
        with path.open("rb") as file:
            self._data = mmap(file.fileno(), 0, access=ACCESS_READ)
        self._codec = av.CodecContext.create(CODECS[link.head.layer], "r")
        self._frames = self._decode(av.Packet)
        delay = link.delay + DECODER_DELAY if link.delay else 0
        self._n_skipped = delay
        # What is missing is missing at the end: then nothing of what is there is padding.
        padding = max(0, link.padding - DECODER_DELAY) if not link.lost_samples else 0
        self._n_left = max(0, link.n_frames * link.head.n_samples - delay - padding)
        self._rest = np.zeros((0, self.n_channels), np.float32)

    def _decode(self, packet: Any) -> Iterator[Array]:
        link = self._link
        silence = np.zeros((link.head.n_samples, self.n_channels), np.float32)
        for at, frame, n_bytes in walk_frames(self._data, link.start, link.stop):
            if frame is None:
                continue
            try:
                decoded = self._codec.decode(packet(self._data[at : at + n_bytes]))
            except Exception:  # A damaged frame, or the first ones of a part that was cut out: time goes on.
                yield silence
                continue
            for each in decoded:
                samples = each.to_ndarray()
                samples = samples.T if each.format.is_planar else samples.reshape(-1, each.layout.nb_channels)
                if samples.shape[1] != self.n_channels:
                    samples = samples.mean(axis=1, keepdims=True).repeat(self.n_channels, axis=1)
                yield np.asarray(samples, np.float32)

    def read(self, n_samples: int) -> Array:
        """The next samples, (n, n_channels) float32; none at the end."""
        parts = [self._rest]
        n_ready = len(self._rest)
        n_wanted = min(n_samples, self._n_left)
        while n_ready < n_wanted and (part := next(self._frames, None)) is not None:
            n_skipped = min(self._n_skipped, len(part))
            self._n_skipped -= n_skipped
            parts.append(part[n_skipped:])
            n_ready += len(part) - n_skipped
        joined = np.concatenate(parts)
        self._rest = joined[n_wanted:]
        self._n_left -= min(n_wanted, len(joined))
        return joined[:n_wanted]

    def lost_samples(self, n_read: int) -> int | None:
        """How many samples a channel are missing: None if none are."""
        lost = self._link.lost_samples
        return lost if lost > LEAST_LOST_S * self.sample_rate_hz else None

    def close(self) -> None:
        """Close the file."""
        self._data.close()
