"""Weights go there and back, and into eight bits."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import keras_network
from voiceswap.model import base
from voiceswap.model.weights import expected_arrays, load_arrays, quantise_int8, to_arrays


@pytest.mark.parametrize("part", base.PARTS)
def test_weights_go_there_and_back(part):
    keras.utils.set_random_seed(1)
    first, second = keras_network(part), keras_network(part)
    arrays = to_arrays(first, "float32")
    assert {k: a.shape for k, a in arrays.items()} == {k: shape for k, (shape, _) in expected_arrays(first).items()}
    load_arrays(second, arrays)
    for name, array in to_arrays(second, "float32").items():
        np.testing.assert_array_equal(array, arrays[name])


@given(st.integers(0, 2**32 - 1), st.floats(-6, 4))
def test_eight_bits_are_near(seed, size):
    array = np.random.default_rng(seed).normal(size=(3, 4, 5)) * 10**size
    array[..., 0] = 0
    whole, worth = quantise_int8(array)
    assert whole.dtype == np.int8 and worth.dtype == np.float32
    half_a_step = np.abs(array).max(axis=(0, 1)) / 254
    assert (np.abs(whole * worth.astype(np.float64) - array).max(axis=(0, 1)) <= 1.001 * half_a_step).all()
