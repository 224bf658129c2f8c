"""The vocoder's graph says what its Keras model says, whole and low-rank; what is context alone is left out."""

import numpy as np
import pytest

from conftest import TINY
from voiceswap.config import VocoderConfig
from voiceswap.model import runtime
from voiceswap.model.graphs import hifigan
from voiceswap.model.networks import hifigan as hifigan_network
from voiceswap.model.vocoders.hifigan import inner_convolutions
from voiceswap.model.weights import to_arrays

RANDOM = np.random.default_rng(0)
# Through fewer channels before the kernel, after it, on both sides, on none.
PAIRS = ((2, 4), (4, 3), (3, 2), (4, 4))


@pytest.mark.parametrize("upsample_kernels", [(16, 16, 4, 4), (9, 16, 5, 3)])
@pytest.mark.parametrize("is_low_rank", [False, True])
def test_the_graph_says_what_keras_says(compare, is_low_rank, upsample_kernels):
    sizes = {"upsample_kernels": upsample_kernels, "block_kernels": (3, 5), "block_dilations": (1, 3)}
    config = TINY.model_copy(update={"vocoder": VocoderConfig(channels=64, **sizes)})
    ranks = None
    if is_low_rank:
        names = inner_convolutions(config)
        ranks = {name: PAIRS[i % 4] for i, name in enumerate(names)}
        ranks = {name: tuple(min(rank, names[name][0]) for rank in pair) for name, pair in ranks.items()}
    mel = (RANDOM.normal(size=(1, 20, 80)) * 2).astype(np.float32)
    compare("hifigan", hifigan_network.build(config, ranks), [mel], config, ranks)


@pytest.mark.parametrize("rates", [(8, 8, 2, 2), (4, 4, 4, 4), (2, 128)])
def test_what_is_context_alone_is_left_out_and_changes_nothing(rates):
    sizes = {"upsample_rates": rates, "upsample_kernels": tuple(2 * rate for rate in rates)}
    blocks = {"block_kernels": (3, 5), "block_dilations": (1, 3)}
    config = TINY.model_copy(update={"vocoder": VocoderConfig(channels=16, **sizes, **blocks)})
    arrays = to_arrays(hifigan_network.build(config), "float32")
    whole, left_out = (
        runtime.open_network("hifigan", config, read=lambda expected: arrays, context_only=context_only)
        for context_only in (False, True)
    )
    # What lies beyond the context shall not count either, so it is loud.
    mel = (RANDOM.normal(size=(1, 60, 80)) * 3).astype(np.float32)
    context = config.vocoder.context_frames * config.features.hop_samples
    made = left_out(mel)
    np.testing.assert_allclose(made, whole(mel)[:, context:-context], atol=1e-6)
    assert made.std() > 1e-3
    assert hifigan.find_surplus(config)[0] > 0, "most of the context is done with after the first stage"
