"""What the networks' graphs are built of: values, weights by the names that Keras gives them, and common layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from voiceswap.arrays import Array
from voiceswap.model.graphs import onnx

# Brings an array from Keras's layout to that of the graph's operator.
Arrange = Callable[[Array], Array]


@dataclass(frozen=True)
class Weight:
    """A weight of a graph.

    Attributes:
        stored: The name under which it is stored, as Keras has it.
        shape: Its shape there.
        arrange: Brings it to the graph's layout.
    """

    stored: str
    shape: tuple[int, ...]
    arrange: Arrange


@dataclass(frozen=True)
class Graph:
    """A network as onnxruntime reads it, but for its weights.

    Attributes:
        model: An ONNX model.
        weights: What it is to be given, by the name in the graph.
        inputs: The names of its inputs, in order.
    """

    model: bytes
    weights: dict[str, Weight]
    inputs: tuple[str, ...]


class Builder:
    """Collects a graph; values are known by their names."""

    def __init__(self) -> None:
        self._nodes: list[bytes] = []
        self._initializers: list[bytes] = []
        self._inputs: dict[str, bytes] = {}
        self._weights: dict[str, Weight] = {}
        self._n_values = 0

    def input(self, name: str, dims: onnx.Dims) -> str:
        """A value that is given, float32; a size that is open has a name."""
        self._inputs[name] = onnx.value(name, dims)
        return name

    def op(self, kind: str, *inputs: str, **attributes: onnx.Attribute) -> str:
        """What an operator makes of its inputs; "" leaves an optional one out."""
        output = self._name()
        self._nodes.append(onnx.node(kind, inputs, [output], attributes))
        return output

    def split(self, x: str, n_parts: int, axis: int) -> list[str]:
        """A value in equal parts along an axis."""
        outputs = [self._name() for _ in range(n_parts)]
        self._nodes.append(onnx.node("Split", [x], outputs, {"axis": axis, "num_outputs": n_parts}))
        return outputs

    def constant(self, value: Array) -> str:
        """A value that is known, float32 or int64."""
        name = self._name()
        self._initializers.append(onnx.constant(name, value))
        return name

    def number(self, number: float) -> str:
        """A number, float32."""
        return self.constant(np.array(number, np.float32))

    def weight(self, stored: str, shape: Sequence[int], arrange: Arrange = lambda array: array) -> str:
        """A value that is given with the weights.

        Args:
            stored: The name under which it is stored.
            shape: Its shape there.
            arrange: Brings it to the layout that the graph wants; another shape must follow from the shape alone.

        Returns:
            The value.
        """
        name = f"{stored}:{len(self._weights)}"
        self._weights[name] = Weight(stored, tuple(shape), arrange)
        # Nothing is worked out: one zero stands for all.
        arranged = arrange(np.broadcast_to(np.float32(0), tuple(shape)))
        self._initializers.append(onnx.weight(name, arranged.shape))
        return name

    def finish(self, output: str, dims: onnx.Dims) -> Graph:
        """The graph that gives this value."""
        last = onnx.value(output, dims)
        model = onnx.model(self._nodes, self._initializers, list(self._inputs.values()), last)
        return Graph(model, self._weights, tuple(self._inputs))

    def _name(self) -> str:
        self._n_values += 1
        return f"v{self._n_values}"

    # Layers, under the names and in the layouts of Keras's.

    def dense(self, x: str, name: str, n_in: int, n_out: int) -> str:
        """keras.layers.Dense over the last axis."""
        product = self.op("MatMul", x, self.weight(f"{name}/kernel", (n_in, n_out)))
        return self.op("Add", product, self.weight(f"{name}/bias", (n_out,)))

    def layer_norm(self, x: str, name: str, width: int) -> str:
        """keras.layers.LayerNormalization over the last axis."""
        gamma = self.weight(f"{name}/gamma", (width,))
        beta = self.weight(f"{name}/beta", (width,))
        return self.op("LayerNormalization", x, gamma, beta, axis=-1, epsilon=1e-5)

    def gelu(self, x: str) -> str:
        """The exact Gaussian error linear unit."""
        return self.op("Gelu", x)

    def tanh_gelu(self, x: str) -> str:
        """The Gaussian error linear unit, approximated by tanh."""
        return self.op("Gelu", x, approximate="tanh")

    def to_channels_first(self, x: str) -> str:
        """`(batch, n, channels)` to `(batch, channels, 1, n)`: convolutions of such shapes are the quickest."""
        return self.op("Unsqueeze", self.op("Transpose", x, perm=[0, 2, 1]), self.constant(onnx.int64(2)))

    def to_channels_last(self, x: str) -> str:
        """`(batch, channels, 1, n)` to `(batch, n, channels)`."""
        return self.op("Transpose", self.op("Squeeze", x, self.constant(onnx.int64(2))), perm=[0, 2, 1])

    def conv1d(
        self,
        x: str,
        name: str,
        shape: tuple[int, int, int],
        *,
        dilation: int = 1,
        stride: int = 1,
        padding: tuple[int, int] | None = None,
        depthwise: bool = False,
        bias: bool = True,
    ) -> str:
        """A convolution along time of `(batch, channels, 1, n)`.

        Args:
            x: What it convolves.
            name: Of the layer.
            shape: Of Keras's kernel, (kernel_size, channels, filters); of a depthwise one (kernel_size, channels, 1).
            dilation: Between the kernel's taps.
            stride: Between what comes out.
            padding: Zeros at either end; as many as keep the length if not given.
            depthwise: Whether each channel is by itself.
            bias: Whether the layer has one.

        Returns:
            The value, `(batch, filters, 1, n)`.
        """
        size, channels, filters = shape
        reach = (size - 1) * dilation
        before, after = padding or (reach // 2, reach - reach // 2)
        if depthwise:
            kernel = self.weight(f"{name}/kernel", shape, lambda k: k.transpose(1, 2, 0)[:, :, None])
        else:
            kernel = self.weight(f"{name}/kernel", shape, lambda k: k.transpose(2, 1, 0)[:, :, None])
        biases = [self.weight(f"{name}/bias", (channels if depthwise else filters,))] if bias else []
        return self.op(
            "Conv",
            x,
            kernel,
            *biases,
            kernel_shape=[1, size],
            dilations=[1, dilation],
            strides=[1, stride],
            pads=[0, before, 0, after],
            group=channels if depthwise else 1,
        )
