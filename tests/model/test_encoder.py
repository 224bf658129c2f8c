"""The encoder: a piece has its own content, whatever it is packed with."""

import numpy as np

from conftest import TINY, keras_network
from voiceswap.model import encoder
from voiceswap.model.runtime import open_network
from voiceswap.model.weights import to_arrays

RANDOM = np.random.default_rng(0)


def test_encoder_gives_each_piece_its_own_content():
    arrays = to_arrays(keras_network("encoder"))
    heard = encoder.ContentEncoder(open_network("encoder", TINY, read=lambda expected: arrays), TINY)
    mels = [RANDOM.normal(-3, 1, (n, 80)).astype(np.float32) for n in (301, 200, 500, 80)]
    pieces = heard.encode_pieces(mels)
    assert [p.shape for p in pieces] == [(n // 2, TINY.encoder.content_dim) for n in (301, 200, 500, 80)]
    np.testing.assert_allclose(heard.encode_pieces([mels[1]])[0], heard.encode_window(mels[1]), atol=1e-6)
