"""The speaker encoder's graph says what its Keras model says, for any number of pieces."""

import numpy as np
import pytest

from voiceswap.model import speaker
from voiceswap.model.networks import speaker as speaker_network


@pytest.mark.parametrize("n_pieces", [1, 3])
def test_the_graph_says_what_keras_says(compare, n_pieces):
    mels = np.random.default_rng(0).exponential(0.1, (n_pieces, speaker.PIECE_FRAMES, speaker.N_MELS))
    compare("speaker", speaker_network.build(), [mels.astype(np.float32)])
