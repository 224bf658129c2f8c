"""Keras on TensorFlow and as it comes, whatever a host program, its environment or keras.json say."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from voiceswap.errors import UsageError

BACKEND = "tensorflow"
VARIABLE = "KERAS_BACKEND"


def _import_keras() -> Any:
    """Keras on TensorFlow, whatever the environment and keras.json say; raises UsageError if it cannot be had."""
    former = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = BACKEND
    try:
        import keras
    except ImportError as error:
        raise UsageError(f"training needs TensorFlow and Keras: {error}", "pip install tensorflow keras") from error
    finally:
        if former is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = former
    if keras.config.backend() != BACKEND:
        raise UsageError(
            f"Keras runs on {keras.config.backend()} in this process, voiceswap trains on {BACKEND}",
            "train in a process of its own",
        )
    return keras


keras = _import_keras()


@contextmanager
def plain_settings() -> Iterator[None]:
    """Keras as it comes, for as long as this lasts: what keras.json and a host program set would change the weights."""
    config = keras.config
    former_policy = config.dtype_policy()
    former = (config.floatx(), config.epsilon(), config.image_data_format())
    _set("float32", 1e-7, "channels_last")
    config.set_dtype_policy("float32")
    try:
        yield
    finally:
        _set(*former)
        config.set_dtype_policy(former_policy)


def _set(floatx: str, epsilon: float, image_data_format: str) -> None:
    keras.config.set_floatx(floatx)
    keras.config.set_epsilon(epsilon)
    keras.config.set_image_data_format(image_data_format)
