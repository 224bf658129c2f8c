"""A base's decoder: what it may go on from."""

from types import SimpleNamespace

import numpy as np

from conftest import TINY
from voiceswap.model.base import load_base
from voiceswap.model.encoder import COMPONENTS
from voiceswap.training.base.decoder import FIRST_LAYER, fit_start, map_first_layer
from voiceswap.training.base.encoder import principal_components


def test_in_more_components_a_first_layer_says_the_same():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(400, 16)) * np.arange(1, 17) + 3
    encoders, contents = [], []
    for n_components in (5, 9):
        kernel, bias, _ = principal_components(vectors, n_components)
        encoders.append(dict(zip(COMPONENTS, (kernel, bias), strict=True)))
        contents.append(vectors @ kernel + bias)
    first = dict(zip(FIRST_LAYER, (rng.normal(size=(5, 4)), rng.normal(size=4)), strict=True))
    kernel, bias = map_first_layer(first, *encoders).values()
    said = contents[0] @ first["content_in/kernel"] + first["content_in/bias"]
    np.testing.assert_allclose(contents[1] @ kernel + bias, said, atol=0.02)


def test_a_start_fits_by_its_sizes_whatever_its_components_were(tiny_base):
    tiny = load_base(tiny_base)
    start = SimpleNamespace(encoder=tiny.arrays("encoder"), decoder=tiny.arrays("decoder"))
    assert fit_start(start, start.encoder, TINY) is start.decoder
    other = start.encoder | {COMPONENTS[1]: start.encoder[COMPONENTS[1]] + 1}
    mapped = fit_start(start, other, TINY)
    assert {name for name in mapped if not np.array_equal(mapped[name], start.decoder[name])} == {FIRST_LAYER[1]}
    more_speakers = TINY.model_copy(update={"decoder": TINY.decoder.model_copy(update={"n_speakers": 3})})
    assert fit_start(start, start.encoder, more_speakers) is None
    assert fit_start(SimpleNamespace(decoder=None), start.encoder, TINY) is None
