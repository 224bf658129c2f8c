"""The speaker encoder's graph: `networks.speaker` for onnxruntime."""

from __future__ import annotations

import numpy as np

from voiceswap.arrays import Array
from voiceswap.model.graphs import onnx
from voiceswap.model.graphs.builder import Builder, Graph
from voiceswap.model.speaker import N_LAYERS, N_MELS, PIECE_FRAMES, WIDTH


def build() -> Graph:
    """The graph: mels `(n_pieces, PIECE_FRAMES, N_MELS)` to `(n_pieces, WIDTH)`, none below 0."""
    b = Builder()
    mels = b.input("mels", ("n_pieces", PIECE_FRAMES, N_MELS))
    x = b.op("Transpose", mels, perm=[1, 0, 2])
    channels = N_MELS
    for i in range(N_LAYERS):
        cell = f"lstm_{i}/lstm_cell"
        weights = (
            b.weight(f"{cell}/kernel", (channels, 4 * WIDTH), _gates),
            b.weight(f"{cell}/recurrent_kernel", (WIDTH, 4 * WIDTH), _gates),
            b.weight(f"{cell}/bias", (4 * WIDTH,), lambda bias: np.concatenate([_gates(bias), 0 * _gates(bias)], 1)),
        )
        # One direction: (n_frames, 1, n_pieces, WIDTH).
        states = b.op("LSTM", x, *weights, hidden_size=WIDTH)
        x = b.op("Squeeze", states, b.constant(onnx.int64(1)))
        channels = WIDTH
    last = b.op("Gather", x, b.constant(np.array(PIECE_FRAMES - 1)), axis=0)
    return b.finish(b.op("Relu", b.dense(last, "direction", WIDTH, WIDTH)), ("n_pieces", WIDTH))


def _gates(array: Array) -> Array:
    """Keras's gates, input, forget, cell, output along the last axis, as ONNX wants them, one direction in front."""
    gate, forget, cell, output = np.split(array, 4, axis=-1)
    return np.concatenate([gate, output, forget, cell], axis=-1).T[None]
