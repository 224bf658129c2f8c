"""The decoder's network: batch = singles, and no reach beyond what it says."""

import numpy as np
import pytest

from conftest import TINY
from voiceswap.model.decoder import N_SCALARS
from voiceswap.model.networks import decoder as decoder_network

RANDOM = np.random.default_rng(0)


def frames(n, config=TINY):
    content = RANDOM.normal(size=(2, n, config.encoder.content_dim)).astype(np.float32)
    conditions = RANDOM.normal(size=(2, n, N_SCALARS + config.features.n_mels)).astype(np.float32)
    return [content, conditions, np.array([0, 1], np.int32)]


@pytest.mark.parametrize("n", [1, 5, 40])
def test_decoder_of_a_batch_is_that_of_singles(n):
    model, inputs = decoder_network.build(TINY), frames(n)
    together = model.predict_on_batch(inputs)
    assert together.shape == (2, n, TINY.features.n_mels)
    for i in range(2):
        alone = model.predict_on_batch([x[i : i + 1] for x in inputs])
        np.testing.assert_allclose(together[i], alone[0], atol=1e-4)


def test_decoder_hears_no_further_than_it_says():
    model, inputs = decoder_network.build(TINY), frames(60)
    before = model.predict_on_batch(inputs)
    inputs[0][:, 30] += 100.0
    changed = np.abs(model.predict_on_batch(inputs) - before).max(axis=(0, 2)) > 0
    reach = TINY.decoder.context_frames
    assert changed[30] and not changed[: 30 - reach].any() and not changed[31 + reach :].any()
