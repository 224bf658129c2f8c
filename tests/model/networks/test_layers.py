"""Layers of our own against those of Keras."""

import keras
import numpy as np
import pytest

from voiceswap.model.networks import layers

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("n", [7, layers.ASKING, layers.ASKING + 1])
def test_self_attention_is_that_of_keras(n):
    x = RANDOM.normal(size=(2, n, 12)).astype(np.float32)
    ours = layers.SelfAttention(3, 12, name="attention")
    theirs = keras.layers.MultiHeadAttention(3, 4, name="attention")
    assert ours(x).shape == theirs(x, x).shape == ours.compute_output_shape(x.shape)
    assert {v.path: v.shape for v in ours.weights} == {v.path: v.shape for v in theirs.weights}
    found = {v.path: v for v in theirs.weights}
    for variable in ours.weights:
        variable.assign(RANDOM.normal(size=variable.shape))
        found[variable.path].assign(variable)
    np.testing.assert_allclose(ours(x), theirs(x, x), atol=1e-4)


@pytest.mark.parametrize("dilation", [1, 3])
def test_convolution_along_time_is_that_of_keras(dilation):
    x = RANDOM.normal(size=(2, 30, 5)).astype(np.float32)
    oracle = keras.layers.Conv1D(7, 3, padding="same", dilation_rate=dilation, bias_initializer="random_normal")
    wanted = np.asarray(oracle(x))
    ours = layers.Conv1D(7, 3, dilation)
    ours.build((2, 1, 30, 5))
    ours.set_weights(oracle.get_weights())
    np.testing.assert_allclose(np.asarray(ours(x[:, None]))[:, 0], wanted, atol=1e-5)


@pytest.mark.parametrize("dilation", [1, 3, 5])
def test_in_training_a_convolution_is_what_it_always_is(dilation):
    x = RANDOM.normal(size=(2, 1, 31, 5)).astype(np.float32)
    ours = layers.LowRankConv1D(6, 7, (3, 2), dilation)
    wanted = np.asarray(ours(x))
    np.testing.assert_allclose(np.asarray(ours(x, training=True)), wanted, atol=1e-5)


@pytest.mark.parametrize("ranks", [(3, 2), (5, 2), (3, 6), (5, 6)])
def test_a_low_rank_convolution_is_the_product_of_its_parts(ranks):
    x = RANDOM.normal(size=(2, 1, 30, 5)).astype(np.float32)
    slim, whole = layers.LowRankConv1D(6, 3, ranks, 2), layers.Conv1D(6, 3, 2)
    found = np.asarray(slim(x))
    names = {w.name: np.asarray(w) for w in slim.weights}
    assert set(names) == {"kernel", "bias"} | {n for n, full in (("first", 5), ("last", 6)) if full not in ranks}
    kernel = names["kernel"]
    kernel = np.einsum("cr,kro->kco", names.get("first", np.eye(5, dtype=np.float32)), kernel)
    kernel = kernel @ names.get("last", np.eye(6, dtype=np.float32))
    whole.build(x.shape)
    whole.set_weights([kernel, names["bias"]])
    np.testing.assert_allclose(found, np.asarray(whole(x)), atol=1e-5)


@pytest.mark.parametrize(("kernel", "stride"), [(16, 8), (4, 2), (6, 3), (5, 2)])
def test_transposed_convolution_along_time_is_that_of_keras(kernel, stride):
    x = RANDOM.normal(size=(2, 11, 5)).astype(np.float32)
    oracle = keras.layers.Conv1DTranspose(7, kernel, stride, padding="same", bias_initializer="random_normal")
    wanted = np.asarray(oracle(x))
    ours = layers.Conv1DTranspose(7, kernel, stride)
    ours.build((2, 1, 11, 5))
    ours.set_weights(oracle.get_weights())
    np.testing.assert_allclose(np.asarray(ours(x[:, None]))[:, 0], wanted, atol=1e-5)


def test_a_scale_has_a_number_for_each_channel():
    layer = layers.Scale(0.1, name="scale")
    x = RANDOM.normal(size=(2, 5, 3)).astype(np.float32)
    np.testing.assert_allclose(layer(x), 0.1 * x, atol=1e-6)
    (gain,) = layer.weights
    assert gain.path == "scale/gain" and layer.compute_output_shape(x.shape) == x.shape
    gain.assign([1.0, 2.0, 3.0])
    np.testing.assert_allclose(layer(x), x * [1.0, 2.0, 3.0], atol=1e-6)
