"""Recordings joined in one file, read one after the other at the rate and with the channels of the first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from voiceswap.audio.resample import Resampler

Array = np.ndarray


class Reader(Protocol):
    """What reads a recording from front to back.

    Attributes:
        sample_rate_hz: Its rate.
        n_channels: Its channels.
        format: The name of its format.
        subtype: The name of its encoding.
        tags: Its tags.
        tracks: Its sound tracks, if there are several.
        loss: What is to be said if something of it is missing.
    """

    sample_rate_hz: int
    n_channels: int
    format: str
    subtype: str
    tags: dict[str, str]
    tracks: tuple[str, ...]
    loss: str

    def read(self, n_samples: int) -> Array:
        """The next samples, (n, n_channels) float32; none at the end."""
        ...

    def lost_samples(self, n_read: int) -> int | None:
        """How many samples a channel are missing after `n_read`: None if none are, 0 if nobody can tell."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


class JoinedReader:
    """Several recordings as one, of which each is read as far as it can be.

    Args:
        parts: What opens each, in their order.
    """

    loss = "it was joined from several, of which one is incomplete"

    def __init__(self, parts: Sequence[Callable[[], Reader]]) -> None:
        self._reader: Reader = parts[0]()
        self.sample_rate_hz, self.n_channels = self._reader.sample_rate_hz, self._reader.n_channels
        self.format, self.subtype = self._reader.format, self._reader.subtype
        self.tags, self.tracks = self._reader.tags, self._reader.tracks
        self._blocks = self._read_all(parts[1:])
        self._lost_s = list[float]()
        self._n_wanted = 0
        self._rest = np.zeros((0, self.n_channels), np.float32)

    def read(self, n_samples: int) -> Array:
        """The next samples, (n, n_channels) float32; none at the end."""
        self._n_wanted = n_samples
        block = self._rest if len(self._rest) else next(self._blocks, self._rest)
        # Another rate makes more of them.
        self._rest = block[n_samples:]
        return block[:n_samples]

    def _read_all(self, others: Sequence[Callable[[], Reader]]) -> Iterator[Array]:
        yield from self._read_one()
        for open_next in others:
            self._reader.close()
            try:
                self._reader = open_next()
            except Exception:
                # How long it was, nobody knows.
                self._lost_s.append(0.0)
                continue
            yield from self._read_one()

    def _read_one(self) -> Iterator[Array]:
        reader = self._reader
        same = (reader.sample_rate_hz, reader.n_channels) == (self.sample_rate_hz, self.n_channels)
        resampler = None if same else self._make_resampler(reader)
        n_read, failed = 0, False
        while True:
            try:
                block = reader.read(self._n_wanted)
            except Exception:
                failed = True
                break
            if not len(block):
                break
            n_read += len(block)
            if resampler is not None:
                block = resampler.push(_match_channels(block, self.n_channels))
            if len(block):
                yield block
        if resampler is not None and len(rest := resampler.finish()):
            yield rest
        lost = reader.lost_samples(n_read)
        if lost is not None or failed:
            self._lost_s.append((lost or 0) / reader.sample_rate_hz)

    def _make_resampler(self, reader: Reader) -> Resampler:
        from voiceswap.audio.resample import Resampler  # Of all the recordings in the world, a few need it.

        return Resampler(reader.sample_rate_hz, self.sample_rate_hz, self.n_channels)

    def lost_samples(self, n_read: int) -> int | None:
        """How many samples a channel are missing of all parts: None if none are, 0 if nobody can tell."""
        if not self._lost_s:
            return None
        return 0 if 0.0 in self._lost_s else max(1, round(sum(self._lost_s) * self.sample_rate_hz))

    def close(self) -> None:
        """Close the part that is open."""
        self._reader.close()


def _match_channels(block: Array, n_channels: int) -> Array:
    """A block (n, any) with n_channels: each gets the mean of what there was."""
    if block.shape[1] == n_channels:
        return block
    return np.repeat(block.mean(axis=1, keepdims=True, dtype=np.float32), n_channels, axis=1)
