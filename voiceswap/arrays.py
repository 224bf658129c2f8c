"""What all rooms call an array, and decibels there and back."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

Array = np.ndarray
# Weights by their variables' names.
Arrays = dict[str, np.ndarray]
Level = TypeVar("Level", float, np.ndarray)


def db_to_gain(db: Level) -> Level:
    """The factor on samples that a level in dB stands for: 20 dB are 10; dtype and shape stay."""
    return 10 ** (db / 20)


def db_to_power(db: Level) -> Level:
    """The factor on power, or the power, that a level in dB stands for: 20 dB are 100; dtype and shape stay."""
    return 10 ** (db / 10)


def power_to_db(power: Array | float, floor: float = 0.0) -> Array:
    """The level of a power in dB.

    Args:
        power: Any shape, 0 or more: the mean square of samples is in dBFS then.
        floor: What lesser powers count as, so that silence has a level; without it, a power of 0 is -inf.

    Returns:
        The same shape.
    """
    return np.asarray(10 * np.log10(np.maximum(power, floor)))
