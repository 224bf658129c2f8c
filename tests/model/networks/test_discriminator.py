"""The discriminator: its kernels keep a spectral norm of one."""

import numpy as np
import pytest

from conftest import TINY
from voiceswap.model.networks import discriminator

RANDOM = np.random.default_rng(0)


def test_critic_keeps_its_kernels_at_one():
    critic = discriminator.build(TINY)
    mel = RANDOM.normal(-5, 2, (2, TINY.train.crop_frames, 80)).astype(np.float32)
    for _ in range(50):
        verdict, *activations = critic(mel, training=True)
    assert len(activations) == len(discriminator.CHANNELS_AND_STRIDES) and np.isfinite(verdict).all()
    layer = critic.get_layer("conv_1")
    matrix = np.asarray(layer.kernel).reshape(-1, layer.filters)
    left = np.asarray(layer.vector) @ matrix.T
    left /= np.linalg.norm(left)
    assert np.linalg.norm(left @ matrix) == pytest.approx(np.linalg.svd(matrix, compute_uv=False)[0], rel=0.02)
