"""The quick vocoder's network: batch = singles, no reach beyond what it says, and next to nothing to say at the start."""

import numpy as np
import pytest

from conftest import TINY
from voiceswap.model.networks import quick_vocoder as quick_vocoder_network
from voiceswap.model.vocoders.quick_vocoder import INPUT_KERNEL_FRAMES, count_filters, count_inputs

RANDOM = np.random.default_rng(0)


def frames(n):
    return RANDOM.normal(size=(2, n, count_inputs(TINY))).astype(np.float32)


@pytest.mark.parametrize("n", [1, 5, 40])
def test_filters_of_a_batch_are_those_of_singles(n):
    model, inputs = quick_vocoder_network.build(TINY), frames(n)
    together = model.predict_on_batch(inputs)
    assert together.shape == (2, n, count_filters(TINY)) and np.abs(together).max() < 0.1
    for i in range(2):
        np.testing.assert_allclose(together[i], model.predict_on_batch(inputs[i : i + 1])[0], atol=1e-5)


def test_the_network_hears_no_further_than_it_says():
    model, inputs = quick_vocoder_network.build(TINY), frames(60)
    before = model.predict_on_batch(inputs)
    inputs[0, 30] += 100.0
    changed = np.abs(model.predict_on_batch(inputs) - before).max(axis=(0, 2)) > 0
    size = TINY.quick_vocoder
    reach = INPUT_KERNEL_FRAMES // 2 + size.n_blocks * (size.kernel_frames // 2)
    assert changed[30] and not changed[: 30 - reach].any() and not changed[31 + reach :].any()
