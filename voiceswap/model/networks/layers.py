"""Parts that the networks share, and how their weights travel to and from plain arrays."""

from __future__ import annotations

from typing import Any

from keras import initializers, layers, ops

from voiceswap.model.encoder import position_code

# Places that ask at a time in attention: what they ask fits a processor's cache.
ASKING = 500


def gelu(x: Any) -> Any:
    """The exact Gaussian error linear unit, as Whisper uses it."""
    return ops.gelu(x, approximate=False)


class Conv1D(layers.Layer):  # type: ignore[misc]
    """A convolution along time of `(batch, 1, n, channels)`: in this shape TensorFlow's CPU kernels are quickest.

    Weights and names are those of keras.layers.Conv1D.
    """

    def __init__(self, filters: int, kernel_size: int, dilation: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters, self.kernel_size, self.dilation = filters, kernel_size, dilation

    def build(self, x_shape: Any) -> None:
        """Make kernel and bias."""
        self.kernel = self.add_weight(name="kernel", shape=(self.kernel_size, x_shape[-1], self.filters))
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")

    def compute_output_shape(self, x_shape: Any) -> tuple[Any, ...]:
        """The shape of what `call` gives: without it Keras would trace each layer once more to learn that."""
        return (*x_shape[:-1], self.filters)

    def call(self, x: Any, training: bool = False) -> Any:
        """Convolve."""
        return _along_time(x, self.kernel, self.dilation, training) + self.bias


class LowRankConv1D(Conv1D):
    """The same through fewer channels: in and out of the kernel by matrices (Tucker-2; Kim et al., 2016).

    Args:
        filters: Channels that come out.
        kernel_size: Of the kernel.
        ranks: Channels before and after the kernel; a side at its full number has no matrix.
        dilation: Of the kernel.
        **kwargs: For keras.layers.Layer.
    """

    def __init__(
        self, filters: int, kernel_size: int, ranks: tuple[int, int], dilation: int = 1, **kwargs: Any
    ) -> None:
        super().__init__(filters, kernel_size, dilation, **kwargs)
        self.ranks = ranks

    def build(self, x_shape: Any) -> None:
        """Make the matrices that there are, kernel and bias."""
        first, last = self.ranks
        self.first = self.add_weight(name="first", shape=(x_shape[-1], first)) if first < x_shape[-1] else None
        self.kernel = self.add_weight(name="kernel", shape=(self.kernel_size, first, last))
        self.last = self.add_weight(name="last", shape=(last, self.filters)) if last < self.filters else None
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")

    def call(self, x: Any, training: bool = False) -> Any:
        """Convolve."""
        x = x if self.first is None else _by_matrix(x, self.first)
        x = _along_time(x, self.kernel, self.dilation, training)
        return (x if self.last is None else _by_matrix(x, self.last)) + self.bias


def _by_matrix(x: Any, matrix: Any) -> Any:
    # ops.matmul would ask for the shape of `x` each time, which makes graphs slow to build where its length is open.
    return ops.einsum("bhnc,cr->bhnr", x, matrix)


def _along_time(x: Any, kernel: Any, dilation: int, training: bool) -> Any:
    """A convolution of `(batch, 1, n, channels)` with `(kernel_size, channels, filters)`, as long as it was."""
    if dilation == 1 or not training:
        return ops.conv(x, ops.expand_dims(kernel, 0), padding="same", dilation_rate=(1, dilation))
    # TensorFlow has no gradient of dilated convolutions on a CPU: every dilation-th value is convolved by itself.
    batch, _, n, channels = ops.shape(x)
    reach = kernel.shape[0] // 2 * dilation
    length = -(-(n + 2 * reach) // dilation)
    x = ops.pad(x, ((0, 0), (0, 0), (reach, length * dilation - n - reach), (0, 0)))
    x = ops.transpose(ops.reshape(x, (batch, length, dilation, channels)), (0, 2, 1, 3))
    y = ops.conv(ops.reshape(x, (batch * dilation, 1, length, channels)), ops.expand_dims(kernel, 0), padding="valid")
    length, filters = y.shape[2:]
    y = ops.transpose(ops.reshape(y, (batch, dilation, length, filters)), (0, 2, 1, 3))
    return ops.reshape(y, (batch, 1, length * dilation, filters))[:, :, :n]


class Conv1DTranspose(layers.Layer):  # type: ignore[misc]
    """A transposed convolution along time of `(batch, 1, n, channels)`; weights as keras.layers.Conv1DTranspose."""

    def __init__(self, filters: int, kernel_size: int, stride: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters, self.kernel_size, self.stride = filters, kernel_size, stride

    def build(self, x_shape: Any) -> None:
        """Make kernel and bias."""
        self.kernel = self.add_weight(name="kernel", shape=(self.kernel_size, self.filters, x_shape[-1]))
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")

    def compute_output_shape(self, x_shape: Any) -> tuple[Any, ...]:
        """The shape of what `call` gives."""
        batch, one, n, _ = x_shape
        return batch, one, None if n is None else n * self.stride, self.filters

    def call(self, x: Any) -> Any:
        """Convolve; `stride` times as long."""
        if self.kernel_size != 2 * self.stride or self.stride % 2:
            kernel = ops.expand_dims(self.kernel, 0)
            return ops.conv_transpose(x, kernel, strides=(1, self.stride), padding="same") + self.bias
        # Two neighbours make each `stride` values between them, so that products of matrices do, several times as fast.
        n, channels = x.shape[2], x.shape[3]
        n = ops.shape(x)[2] if n is None else n
        x = ops.pad(x[:, 0], ((0, 0), (1, 1), (0, 0)))
        before, after = (
            ops.reshape(half, (self.stride * self.filters, channels))
            for half in (self.kernel[self.stride :], self.kernel[: self.stride])
        )
        y = ops.einsum("bnc,kc->bnk", x[:, :-1], before) + ops.einsum("bnc,kc->bnk", x[:, 1:], after)
        y = ops.reshape(y, (-1, 1, (n + 1) * self.stride, self.filters))
        first = self.stride // 2
        return y[:, :, first : first + n * self.stride] + self.bias


class SelfAttention(layers.Layer):  # type: ignore[misc]
    """Every place of `(batch, n, width)` asks all others (Vaswani et al., 2017), `n` known beforehand.

    One head and some of its places at a time, so that what they ask stays near the processor. Weights and names are
    those of keras.layers.MultiHeadAttention.
    """

    def __init__(self, n_heads: int, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n_heads, self.width = n_heads, width
        each = width // n_heads
        self.query, self.key, self.value = (
            layers.EinsumDense("bnw,whd->bnhd", (None, n_heads, each), bias_axes="hd", name=name)
            for name in ("query", "key", "value")
        )
        self.output_map = layers.EinsumDense("bnhd,hdw->bnw", (None, width), bias_axes="w", name="attention_output")

    def build(self, x_shape: Any) -> None:
        """Make the four maps."""
        for part in (self.query, self.key, self.value):
            part.build(x_shape)
        self.output_map.build((*x_shape[:-1], self.n_heads, self.width // self.n_heads))

    def compute_output_shape(self, x_shape: Any) -> tuple[Any, ...]:
        """The shape of what `call` gives."""
        return tuple(x_shape)

    def call(self, x: Any) -> Any:
        """Ask and sum up."""
        query, key, value = self.query(x), self.key(x), self.value(x)
        query = query * (self.width // self.n_heads) ** -0.5
        heads = []
        for head in range(self.n_heads):
            asked, held = ops.transpose(key[:, :, head], (0, 2, 1)), value[:, :, head]
            parts = [
                ops.matmul(ops.softmax(ops.matmul(query[:, first : first + ASKING, head], asked)), held)
                for first in range(0, x.shape[1], ASKING)
            ]
            heads.append(ops.concatenate(parts, axis=1))
        return self.output_map(ops.stack(heads, axis=2))


class SinusoidalPosition(layers.Layer):  # type: ignore[misc]
    """Adds Whisper's fixed position code, `(n, width)`, to `(batch, n, width)`."""

    def call(self, x: Any) -> Any:
        """Add the code to `x`."""
        return x + ops.convert_to_tensor(position_code(*x.shape[1:]))


class Film(layers.Layer):  # type: ignore[misc]
    """Scales and shifts `(batch, n_frames, width)` by a conditioning vector (FiLM, Perez et al., 2018)."""

    def build(self, x_shape: Any, condition_shape: Any) -> None:
        """Make the map from the vector to scale and shift."""
        self.map = layers.Dense(2 * x_shape[-1], name="map")
        self.map.build(condition_shape)

    def call(self, x: Any, condition: Any) -> Any:
        """Apply the scale and shift that `condition`, `(batch, dim)`, asks for."""
        scale, shift = ops.split(ops.expand_dims(self.map(condition), 1), 2, axis=-1)
        return x * (1 + scale) + shift


class Scale(layers.Layer):  # type: ignore[misc]
    """Scales each channel of `(batch, n_frames, width)` by a number of its own (LayerScale, Touvron et al., 2021).

    Args:
        start: What all channels begin with.
        **kwargs: For keras.layers.Layer.
    """

    def __init__(self, start: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.start = start

    def build(self, x_shape: Any) -> None:
        """Make the channels' numbers."""
        start = initializers.Constant(self.start)
        self.gain = self.add_weight(name="gain", shape=(x_shape[-1],), initializer=start)

    def compute_output_shape(self, x_shape: Any) -> tuple[Any, ...]:
        """The shape of what `call` gives."""
        return tuple(x_shape)

    def call(self, x: Any) -> Any:
        """Scale."""
        return x * self.gain


class SpectralConv2D(layers.Layer):  # type: ignore[misc]
    """A 3 x 3 convolution whose kernel is divided by its largest singular value (Miyato et al., 2018)."""

    def __init__(self, filters: int, stride: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters, self.stride = filters, stride

    def build(self, x_shape: Any) -> None:
        """Make kernel, bias and the running estimate of the singular vector."""
        self.kernel = self.add_weight(name="kernel", shape=(3, 3, x_shape[-1], self.filters))
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")
        self.vector = self.add_weight(
            name="vector", shape=(1, self.filters), initializer="random_normal", trainable=False
        )

    def call(self, x: Any, training: bool = False) -> Any:
        """Convolve `(batch, height, width, channels)`; one power iteration a call in training."""
        matrix = ops.reshape(self.kernel, (-1, self.filters))
        frozen = ops.stop_gradient(matrix)
        left = _unit(ops.matmul(self.vector, ops.transpose(frozen)))
        right = _unit(ops.matmul(left, frozen))
        if training:
            self.vector.assign(right)
        gain = ops.sum(ops.matmul(left, matrix) * right)
        return ops.conv(x, self.kernel / gain, strides=self.stride, padding="same") + self.bias


def _unit(vector: Any) -> Any:
    return vector / (ops.norm(vector) + 1e-12)
