"""The one place that runs networks: arrays in, arrays out. Behind it are Keras models on TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from voiceswap.arrays import Array
from voiceswap.model.weights import expected_arrays, load_arrays
from voiceswap.storage.folder import Expected

# Gives the weights of a network, once it is told their names, shapes and types.
Read = Callable[[Expected], Mapping[str, Array]]
Shape = tuple[int | None, ...]


class Graph:
    """A network with its weights, ready to run.

    It is built once, for inputs of these shapes whatever their open sizes are: Keras itself would build a graph for the
    first size it meets, and another one for all others.

    Args:
        network: A Keras model with its weights.
        shapes: The shape of each input, None for what is open; those of the model if not given.

    Attributes:
        model: The Keras model.
    """

    def __init__(self, network: Any, shapes: Sequence[Shape] | None = None) -> None:
        import tensorflow as tf

        inputs = network.inputs
        wanted = shapes or [tuple(each.shape) for each in inputs]
        specs = [tf.TensorSpec(shape, each.dtype) for shape, each in zip(wanted, inputs, strict=True)]

        def forward(*arrays: Any) -> Any:
            return network(list(arrays) if len(specs) > 1 else arrays[0], training=False)

        self.model = network
        self._dtypes = [each.as_numpy_dtype for each in (spec.dtype for spec in specs)]
        self._run = tf.function(forward, input_signature=specs, autograph=False)

    def prepare(self) -> None:
        """Build what the first call needs, which takes seconds; nothing the second time."""
        self._run.get_concrete_function()

    def __call__(self, *arrays: Array) -> Array:
        """Run the network.

        Args:
            *arrays: Its inputs, of the shapes given.

        Returns:
            Its output, float32.
        """
        given = (np.asarray(array, dtype) for array, dtype in zip(arrays, self._dtypes, strict=True))
        return np.asarray(self._run(*given).numpy())


def build(kind: str, *settings: Any, **options: Any) -> Any:
    """A network of `model.networks` with fresh weights: `build` of the file of this name."""
    return import_module(f"voiceswap.model.networks.{kind}").build(*settings, **options)


def open_network(kind: str, *settings: Any, read: Read, shapes: Sequence[Shape] | None = None, **options: Any) -> Graph:
    """A network with its weights, ready to run.

    Args:
        kind: Which of `model.networks`.
        *settings: What its `build` takes: a Config, but for networks of one size.
        read: Gives its weights.
        shapes: The shape of each input, None for what is open; those of the model if not given.
        **options: What else its `build` takes.

    Returns:
        The network.

    Raises:
        ModelError: What `read` raises: weights that are damaged, or another network's.
    """
    network = build(kind, *settings, **options)
    load_arrays(network, read(expected_arrays(network)))
    return Graph(network, shapes)


def expected_weights(kind: str, *settings: Any, **options: Any) -> Expected:
    """Names, shapes and safetensors types of a network's weights in half precision."""
    return expected_arrays(build(kind, *settings, **options))
