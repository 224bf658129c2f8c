"""Samples at another rate: the only place that touches soxr."""

from __future__ import annotations

import numpy as np
import soxr

from voiceswap.arrays import Array


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
