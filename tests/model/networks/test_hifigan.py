"""HiFi-GAN's network: so many samples a frame, whole and through fewer channels."""

import keras
import numpy as np
import pytest

from conftest import TINY
from voiceswap.model.networks import hifigan as hifigan_network
from voiceswap.model.vocoders.hifigan import inner_convolutions


@pytest.mark.parametrize("is_low_rank", [False, True])
def test_a_frame_becomes_a_hop_of_samples(is_low_rank):
    keras.utils.set_random_seed(0)
    ranks = {name: (1, 1) for name in inner_convolutions(TINY)} if is_low_rank else None
    mel = np.random.default_rng(0).normal(size=(2, 20, TINY.features.n_mels)).astype(np.float32)
    samples = hifigan_network.build(TINY, ranks).predict_on_batch(mel)
    assert samples.shape == (2, 20 * TINY.features.hop_samples)
    assert np.abs(samples).max() <= 1 and samples.std() > 0
