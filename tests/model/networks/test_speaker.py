"""The speaker encoder's network: the equations of its layers."""

import numpy as np

from voiceswap.model import speaker
from voiceswap.model.networks import speaker as speaker_network


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_the_network_is_three_lstms_and_a_rectified_map():
    network = speaker_network.build()
    weights = {v.path: np.asarray(v, dtype=np.float64) for v in network.weights}
    mels = np.random.default_rng(0).exponential(0.1, (2, speaker.PIECE_FRAMES, speaker.N_MELS))
    x = mels
    for i in range(speaker.N_LAYERS):
        name = f"lstm_{i}/lstm_cell"
        state = cell = np.zeros((2, speaker.WIDTH))
        out = []
        for t in range(speaker.PIECE_FRAMES):
            gates = x[:, t] @ weights[f"{name}/kernel"] + state @ weights[f"{name}/recurrent_kernel"]
            enter, forget, new, leave = np.split(gates + weights[f"{name}/bias"], 4, axis=1)
            cell = sigmoid(forget) * cell + sigmoid(enter) * np.tanh(new)
            state = sigmoid(leave) * np.tanh(cell)
            out.append(state)
        x = np.stack(out, axis=1)
    wanted = np.maximum(x[:, -1] @ weights["direction/kernel"] + weights["direction/bias"], 0)
    np.testing.assert_allclose(network.predict_on_batch(mels), wanted, atol=1e-5)
