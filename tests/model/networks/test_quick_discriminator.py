"""The quick vocoder's discriminators: verdicts in full precision on pictures of any length."""

import numpy as np
import pytest

from voiceswap.model.networks import quick_discriminator


@pytest.mark.parametrize("n_channels", [1, 3])
def test_a_discriminator_judges_pictures_of_any_length(n_channels):
    discriminator = quick_discriminator.build(44, n_channels, "discriminator_128")
    for n_steps in (9, 30):
        picture = np.random.default_rng(0).normal(size=(2, n_steps, 44, n_channels)).astype(np.float32)
        verdict, *activations = discriminator(picture)
        assert len(activations) == len(quick_discriminator.LAYERS)
        assert verdict.shape[:2] == (2, -(-n_steps // 2)) and verdict.dtype == "float32"
        assert np.isfinite(verdict).all()
    assert all(variable.dtype == "float32" for variable in discriminator.trainable_variables)
    assert len({variable.path for variable in discriminator.variables}) == len(discriminator.variables)
