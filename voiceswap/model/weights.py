"""How the weights of networks travel to and from plain arrays; a network is anything with Keras' `weights`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from voiceswap.arrays import Arrays
from voiceswap.storage.folder import Expected

HALF = "F16"


def quantise_int8(array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whole numbers of -127 to 127, int8, and what one of them is worth, (last dimension,) float32."""
    worth = np.abs(array).max(axis=tuple(range(array.ndim - 1))) / 127
    worth = np.maximum(worth, np.finfo(np.float32).tiny).astype(np.float32)
    return np.clip(np.rint(array / worth), -127, 127).astype(np.int8), worth


def expected_arrays(model: Any, dtype: str = HALF) -> Expected:
    """Names, shapes and safetensors type of what `to_arrays` gives for this model."""
    return {v.path: (tuple(v.shape), dtype) for v in model.weights}


def to_half(arrays: Arrays) -> Arrays:
    """The same weights in half precision."""
    return {name: array.astype(np.float16) for name, array in arrays.items()}


def to_arrays(model: Any, dtype: str = "float16") -> Arrays:
    """The model's weights by name."""
    return {v.path: np.asarray(v).astype(dtype) for v in model.weights}


def load_arrays(model: Any, arrays: Mapping[str, np.ndarray]) -> None:
    """Put arrays that `expected_arrays` has vetted into the model."""
    for variable in model.weights:
        variable.assign(arrays[variable.path].astype(np.float32))
