"""The content encoder's network: Whisper's encoder (Radford et al., 2022; MIT), and a linear map of what it says."""

from __future__ import annotations

import keras
from keras import layers

from voiceswap.config import Config
from voiceswap.model.networks.layers import SelfAttention, SinusoidalPosition, gelu


def build(config: Config) -> keras.Model:
    """The network, with fresh weights.

    Args:
        config: Sizes are read from its `features` and `encoder` sections.

    Returns:
        A model from a normalised encoder mel `(batch, 2 * window_vectors, content_n_mels)` to content
        `(batch, window_vectors, content_dim)`, float32.
    """
    size = config.encoder
    mel = keras.Input((2 * size.window_vectors, config.features.content_n_mels), name="mel")
    x = gelu(layers.Conv1D(size.width, 3, padding="same", name="conv_1")(mel))
    # 'same' with a stride would pad on the right alone; Whisper pads one frame on either side.
    x = layers.ZeroPadding1D(1, name="pad")(x)
    x = gelu(layers.Conv1D(size.width, 3, strides=2, name="conv_2")(x))
    x = SinusoidalPosition(name="position")(x)
    for i in range(size.n_layers):
        attention = SelfAttention(size.n_heads, size.width, name=f"attention_{i}")
        x = x + attention(_norm(f"attention_norm_{i}")(x))
        y = layers.Dense(4 * size.width, name=f"expand_{i}")(_norm(f"feed_norm_{i}")(x))
        x = x + layers.Dense(size.width, name=f"contract_{i}")(gelu(y))
    content = layers.Dense(size.content_dim, name="content")(_norm("norm")(x))
    return keras.Model(mel, content, name="encoder")


def _norm(name: str) -> layers.Layer:
    return layers.LayerNormalization(epsilon=1e-5, name=name)
