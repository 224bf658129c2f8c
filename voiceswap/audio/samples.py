"""Samples that other programs hand over, in whatever type and shape, as float32 in [-1, 1]."""

from __future__ import annotations

import numbers

import numpy as np
import numpy.typing as npt

from voiceswap.arrays import Array
from voiceswap.audio.read import MAX_CHANNELS, check_kind, check_samples
from voiceswap.errors import AudioError

SHAPES = "wanted (n,) or (n, n_channels) in [-1, 1]"
TYPES = "wanted floats in [-1, 1], or integers, which are scaled by their type"


def to_float(samples: npt.ArrayLike, sample_rate_hz: int) -> Array:
    """Samples from outside, checked.

    Args:
        samples: Shape (n,) or (n, n_channels). Floats are in [-1, 1]. Signed integers are scaled by the range of their
            type, int16 by 32,768; unsigned ones lie about its middle, uint8 about 128.
        sample_rate_hz: Their rate, 4,000 to 384,000.

    Returns:
        Shape (n, n_channels), float32, finite: a copy.

    Raises:
        AudioError: Another type or shape, samples that are not finite or no sound, or a rate that no recording has.
    """
    try:
        given = np.asarray(samples)
    except ValueError as error:
        raise AudioError("the samples are of different lengths", SHAPES) from error
    if given.ndim not in (1, 2):
        raise AudioError(f"the samples have shape {given.shape}", SHAPES)
    if given.dtype.kind not in "fiu":
        raise AudioError(f"the samples are of type {given.dtype.name}", TYPES)
    if not isinstance(sample_rate_hz, numbers.Real) or isinstance(sample_rate_hz, bool) or sample_rate_hz % 1:
        raise AudioError(f"the sample rate is {str(sample_rate_hz)[:40]!r}", "wanted a whole number of Hz")
    if given.ndim == 2 and given.shape[0] <= MAX_CHANNELS < given.shape[1]:
        n_channels, n_samples = given.shape
        raise AudioError(
            f"the samples have shape ({n_channels}, {n_samples}): wanted ({n_samples}, {n_channels})",
            "one row a moment, one column a channel: give samples.T",
        )
    columns = given.reshape(given.shape if given.ndim == 2 else (-1, 1))
    check_kind("the samples", int(sample_rate_hz), columns.shape[1])
    floats = _scale(columns)
    check_samples("the samples", floats, 0, int(sample_rate_hz))
    return floats


def _scale(samples: Array) -> Array:
    if samples.dtype.kind == "f":
        # What a float32 cannot hold is no sound, and is told as such.
        with np.errstate(over="ignore"):
            return samples.astype(np.float32)
    half = 2.0 ** (8 * samples.dtype.itemsize - 1)
    middle = half if samples.dtype.kind == "u" else 0.0
    return ((samples.astype(np.float64) - middle) / half).astype(np.float32)
