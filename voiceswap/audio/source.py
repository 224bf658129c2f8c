"""Recordings that can be read from their beginning as often as needed, and blocks of other sizes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voiceswap.arrays import Array
from voiceswap.audio.read import AudioInfo, probe, read_blocks
from voiceswap.audio.write import Writer


@dataclass(frozen=True)
class Source:
    """A recording that can be read from its beginning as often as needed.

    Attributes:
        open: Gives its blocks (n, n_channels), float32, finite.
        sample_rate_hz: Its rate.
        n_channels: Its channels.
        label: What to call it in messages.
    """

    open: Callable[[], Iterator[Array]]
    sample_rate_hz: int
    n_channels: int
    label: str


def array_source(samples: Array, sample_rate_hz: int, block_samples: int = 1 << 16) -> Source:
    """A source of samples in memory, (n_samples, n_channels) float32."""

    def blocks() -> Iterator[Array]:
        for first in range(0, len(samples), block_samples):
            yield samples[first : first + block_samples]

    return Source(blocks, sample_rate_hz, samples.shape[1], "the samples")


def file_source(path: Path) -> Source:
    """A recording as a source; raises UsageError or AudioError."""
    kind = probe(path)
    return Source(lambda: read_blocks(path), kind.sample_rate_hz, kind.n_channels, str(path))


@contextmanager
def record_passing(blocks: Iterator[Array], kind: AudioInfo) -> Iterator[tuple[Iterator[Array], Callable[[], Source]]]:
    """Keep what passes by in a temporary file.

    Args:
        blocks: Blocks (n, n_channels).
        kind: Their rate and channels.

    Yields:
        The same blocks, and what gives them again as a source once they have all passed.
    """
    with tempfile.TemporaryDirectory(prefix="voiceswap-") as folder:
        path = Path(folder) / "passed.w64"

        def pass_on() -> Iterator[Array]:
            with Writer(path, AudioInfo(kind.sample_rate_hz, kind.n_channels, "W64", "FLOAT")) as writer:
                for block in blocks:
                    writer.write(block)
                    yield block

        yield pass_on(), lambda: file_source(path)


class BlockReader:
    """Takes as many samples at a time as asked from blocks of any size; zeros when they have run out.

    Args:
        blocks: Blocks (n,), or (n, n_channels) if `n_channels` is given.
        n_channels: Their channels.
    """

    def __init__(self, blocks: Iterator[Array], n_channels: int | None = None) -> None:
        self._shape = () if n_channels is None else (n_channels,)
        self._blocks = blocks
        self._rest = np.zeros((0, *self._shape), np.float32)

    def take(self, n_samples: int) -> Array:
        """The next `n_samples`."""
        parts = [self._rest]
        n_ready = len(self._rest)
        while n_ready < n_samples:
            block = next(self._blocks, None)
            block = np.zeros((n_samples - n_ready, *self._shape), np.float32) if block is None else block
            parts.append(block)
            n_ready += len(block)
        joined = np.concatenate(parts)
        self._rest = joined[n_samples:]
        return joined[:n_samples]
