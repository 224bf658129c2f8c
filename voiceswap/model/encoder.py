"""The content encoder: what is said, and as little as possible of who says it.

Whisper's encoder (Radford et al., 2022; MIT), followed by a linear map to its principal components.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from voiceswap.config import Config
from voiceswap.model.networks.layers import SelfAttention, SinusoidalPosition, gelu
from voiceswap.signal.features import normalise_encoder_mel

# log10 of power of the silence that fills a window up.
SILENCE = -10.0
GAP_FRAMES = 20


def build(config: Config, attention_dtype: str = "float32") -> keras.Model:
    """The network, with fresh weights.

    Args:
        config: Sizes are read from its `features` and `encoder` sections.
        attention_dtype: Of what places ask each other: "float32" or "bfloat16".

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
        attention = SelfAttention(size.n_heads, size.width, name=f"attention_{i}", dtype=attention_dtype)
        x = x + ops.cast(attention(_norm(f"attention_norm_{i}")(x)), "float32")
        y = layers.Dense(4 * size.width, name=f"expand_{i}")(_norm(f"feed_norm_{i}")(x))
        x = x + layers.Dense(size.width, name=f"contract_{i}")(gelu(y))
    content = layers.Dense(size.content_dim, name="content")(_norm("norm")(x))
    return keras.Model(mel, content, name="encoder")


def _norm(name: str) -> layers.Layer:
    return layers.LayerNormalization(epsilon=1e-5, name=name)


class ContentEncoder:
    """Content of encoder mels. The network sees windows of one length only: what is missing is silence.

    Args:
        network: What `build` gave, with its weights.
        config: The settings it was built with.
    """

    def __init__(self, network: keras.Model, config: Config) -> None:
        self.network = network
        self._window_frames = 2 * config.encoder.window_vectors
        shown = tf.TensorSpec((1, self._window_frames, config.features.content_n_mels), tf.float32)
        self._hear = tf.function(lambda mel: network(mel, training=False), input_signature=[shown])

    def prepare(self) -> None:
        """Build what the first window needs, which takes a second; nothing the second time."""
        self._hear.get_concrete_function()

    def window(self, mel: np.ndarray) -> np.ndarray:
        """Content of one window.

        Args:
            mel: Shape (n_frames, content_n_mels), log10 of power, not normalised; at most one window.

        Returns:
            Shape (n_frames // 2, content_dim), float32.
        """
        n_missing = self._window_frames - len(mel)
        full = np.pad(mel, ((0, n_missing), (0, 0)), constant_values=SILENCE)
        content = self._hear(normalise_encoder_mel(full)[None].astype(np.float32)).numpy()[0]
        return np.asarray(content[: len(mel) // 2])

    def pieces(self, mels: Iterable[np.ndarray]) -> list[np.ndarray]:
        """Content of many short pieces, as many to a window as fit, a gap of silence between them.

        Args:
            mels: Each of shape (n_frames, content_n_mels), at most one window long.

        Returns:
            For each piece shape (n_frames // 2, content_dim), float32.
        """
        contents: list[np.ndarray] = []
        pack: list[np.ndarray] = []
        for mel in mels:
            if pack and sum(len(m) + GAP_FRAMES + 1 for m in pack) + len(mel) > self._window_frames:
                contents += self._pack(pack)
                pack = []
            pack.append(mel)
        return contents + (self._pack(pack) if pack else [])

    def _pack(self, mels: Sequence[np.ndarray]) -> list[np.ndarray]:
        # Each piece begins on an even frame, so that its first vector is its own.
        padded = [np.pad(m, ((0, GAP_FRAMES + len(m) % 2), (0, 0)), constant_values=SILENCE) for m in mels]
        starts = np.cumsum([0] + [len(m) // 2 for m in padded])
        content = self.window(np.concatenate(padded)[: self._window_frames])
        return [content[start : start + len(m) // 2] for start, m in zip(starts, mels, strict=False)]
