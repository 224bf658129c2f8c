"""HiFi-GAN's network: what is context alone is left out."""

import numpy as np
import pytest

from conftest import TINY
from voiceswap.config import VocoderConfig
from voiceswap.model.networks import hifigan as hifigan_network
from voiceswap.model.weights import load_arrays, to_arrays

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("rates", [(8, 8, 2, 2), (4, 4, 4, 4), (2, 128)])
def test_what_is_context_alone_is_left_out_and_changes_nothing(rates):
    sizes = {"upsample_rates": rates, "upsample_kernels": tuple(2 * rate for rate in rates)}
    blocks = {"block_kernels": (3, 5), "block_dilations": (1, 3)}
    config = TINY.model_copy(update={"vocoder": VocoderConfig(channels=16, **sizes, **blocks)})
    whole, left_out = hifigan_network.build(config), hifigan_network.build(config, context_only=True)
    load_arrays(left_out, to_arrays(whole, "float32"))
    # What lies beyond the context shall not count either, so it is loud.
    mel = (RANDOM.normal(size=(1, 60, 80)) * 3).astype(np.float32)
    context = config.vocoder.context_frames * config.features.hop_samples
    made = left_out.predict_on_batch(mel)
    np.testing.assert_allclose(made, whole.predict_on_batch(mel)[:, context:-context], atol=1e-6)
    assert made.std() > 1e-3
    assert hifigan_network._surplus(config)[0] > 0, "most of the context is done with after the first stage"
