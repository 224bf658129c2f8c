"""The speaker encoder's network: Resemblyzer's voice encoder (GE2E, Wan et al., 2018; Apache 2.0)."""

from __future__ import annotations

import keras
from keras import layers

from voiceswap.model.speaker import N_LAYERS, N_MELS, PIECE_FRAMES, WEIGHTS, WIDTH


def build() -> keras.Model:
    """The network, with fresh weights: mels `(batch, PIECE_FRAMES, N_MELS)` to `(batch, WIDTH)`, none below 0."""
    mels = keras.Input((PIECE_FRAMES, N_MELS), name="mels")
    x = mels
    for i in range(N_LAYERS):
        x = layers.LSTM(WIDTH, return_sequences=i + 1 < N_LAYERS, name=f"lstm_{i}")(x)
    return keras.Model(mels, layers.Dense(WIDTH, activation="relu", name="direction")(x), name=WEIGHTS)
