"""The low-rank vocoder: packed, unpacked, and refused where no network has such ranks."""

import numpy as np
import pytest

from conftest import TINY
from voiceswap.errors import ModelError
from voiceswap.model.networks import hifigan as hifigan_network
from voiceswap.model.vocoders.hifigan import inner_convolutions
from voiceswap.model.vocoders.low_rank import check_ranks, expected_low_rank, pack_low_rank, unpack_low_rank
from voiceswap.model.weights import load_arrays, to_arrays


def test_a_slim_vocoder_is_as_its_ranks_say():
    sizes = inner_convolutions(TINY)
    ranks = {name: [1, channels] for name, (channels, *_) in sizes.items()}
    sound = check_ranks({"ranks": ranks}, TINY)
    model = hifigan_network.build(TINY, ranks=sound)
    whole = to_arrays(hifigan_network.build(TINY), "float32")
    arrays = {k: v for k, v in to_arrays(model, "float32").items() if k.split("/")[0] in sizes}
    packed = pack_low_rank(arrays)
    expected = expected_low_rank(TINY, sound)
    assert {k: v.shape for k, v in packed.items()} == {k: shape for k, (shape, _) in expected.items()}
    load_arrays(model, whole | unpack_low_rank(packed))
    for name, array in to_arrays(model, "float32").items():
        np.testing.assert_allclose(array, arrays.get(name, whole.get(name)), atol=0.005 * np.abs(array).max() + 1e-6)


@pytest.mark.parametrize("bad", [None, {}, [1], [0, 1], [1, 99], [True, 1], [1.0, 1], "11", [1, 1, 1]])
def test_ranks_that_no_network_has_are_refused(bad):
    sizes = inner_convolutions(TINY)
    ranks = {name: [1, 1] for name, _ in sizes.items()}
    for card in (bad, {"ranks": bad}, {"ranks": ranks | {next(iter(sizes)): bad}}, {"ranks": ranks | {"more": [1, 1]}}):
        with pytest.raises(ModelError, match="rank"):
            check_ranks(card, TINY)
