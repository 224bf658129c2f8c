"""Layers of graphs against those of Keras that they are named after."""

import keras
import numpy as np
import pytest

from voiceswap.model import runtime
from voiceswap.model.graphs.builder import Builder

RANDOM = np.random.default_rng(0)


def run(build, x, arrays):
    """What a graph of one layer makes of `x`, (batch, n, channels)."""
    b = Builder()
    graph = b.finish(build(b, b.input("x", ("batch", "n", x.shape[-1]))), ("batch", "n", "channels"))
    return runtime.Network(graph, lambda expected: arrays)(x)


def layer_weights(layer, shape):
    layer.build(shape)
    for variable in layer.weights:
        variable.assign(RANDOM.normal(size=variable.shape))
    return {f"layer/{v.name}": np.asarray(v) for v in layer.weights}


def test_dense_norm_and_gelu():
    x = RANDOM.normal(size=(2, 9, 6)).astype(np.float32)
    dense, norm = keras.layers.Dense(5), keras.layers.LayerNormalization(epsilon=1e-5)
    arrays = layer_weights(dense, (None, None, 6)) | layer_weights(norm, (None, None, 5))
    made = run(lambda b, v: b.gelu(b.layer_norm(b.dense(v, "layer", 6, 5), "layer", 5)), x, arrays)
    wanted = keras.ops.gelu(norm(dense(x)), approximate=False)
    np.testing.assert_allclose(made, wanted, atol=1e-5)
    made = run(lambda b, v: b.tanh_gelu(b.dense(v, "layer", 6, 5)), x, arrays)
    np.testing.assert_allclose(made, keras.ops.gelu(dense(x), approximate=True), atol=1e-5)


@pytest.mark.parametrize("size", [3, 4, 7])
@pytest.mark.parametrize("dilation", [1, 2, 5])
def test_convolutions_keep_the_length(size, dilation):
    x = RANDOM.normal(size=(2, 23, 6)).astype(np.float32)
    layer = keras.layers.Conv1D(4, size, padding="same", dilation_rate=dilation)
    arrays = layer_weights(layer, (None, None, 6))

    def build(b, v):
        return b.to_channels_last(b.conv1d(b.to_channels_first(v), "layer", (size, 6, 4), dilation=dilation))

    np.testing.assert_allclose(run(build, x, arrays), layer(x), atol=1e-4)


def test_a_depthwise_convolution_keeps_channels_apart():
    x = RANDOM.normal(size=(1, 23, 6)).astype(np.float32)
    layer = keras.layers.DepthwiseConv1D(7, padding="same", dilation_rate=2)
    arrays = layer_weights(layer, (None, None, 6))

    def build(b, v):
        kernel = (7, 6, 1)
        return b.to_channels_last(b.conv1d(b.to_channels_first(v), "layer", kernel, dilation=2, depthwise=True))

    np.testing.assert_allclose(run(build, x, arrays), layer(x), atol=1e-5)


def test_a_weight_may_be_used_twice_in_two_layouts():
    kernel = RANDOM.normal(size=(4, 4)).astype(np.float32)
    x = RANDOM.normal(size=(1, 3, 4)).astype(np.float32)

    def build(b, v):
        once = b.op("MatMul", v, b.weight("kernel", (4, 4)))
        return b.op("MatMul", once, b.weight("kernel", (4, 4), np.transpose))

    np.testing.assert_allclose(run(build, x, {"kernel": kernel}), x @ kernel @ kernel.T, atol=1e-5)
