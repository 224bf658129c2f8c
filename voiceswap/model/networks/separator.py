"""The separator's network: the U-Net of Spleeter's two stems (Hennequin et al., 2020; MIT)."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from voiceswap.model.separator import DOWN_CHANNELS, KERNEL, N_BINS, SLOPE, UP_CHANNELS


class Affine(layers.Layer):  # type: ignore[misc]
    """Scales and shifts each channel: batch normalisation whose running mean is 0 and variance 1, as Spleeter's are."""

    def build(self, x_shape: Any) -> None:
        """Make scale and shift."""
        self.scale = self.add_weight(name="scale", shape=x_shape[-1:], initializer="ones")
        self.shift = self.add_weight(name="shift", shape=x_shape[-1:], initializer="zeros")

    def call(self, x: Any) -> Any:
        """Apply both to `(..., channels)`."""
        return x * self.scale + self.shift


def build() -> keras.Model:
    """The network, with fresh weights.

    Returns:
        A model from magnitudes `(batch, n_frames, N_BINS, 2)` of a Hann-windowed transform, `n_frames` a multiple of
        64, to the voice's share in each, of the same shape, 0 to 1.
    """
    magnitudes = keras.Input((None, N_BINS, 2), name="magnitudes")
    x, skips = magnitudes, []
    for i, channels in enumerate(DOWN_CHANNELS):
        if i:
            x = ops.leaky_relu(Affine(name=f"down_norm_{i - 1}")(x), SLOPE)
        x = layers.Conv2D(channels, KERNEL, 2, padding="same", name=f"down_{i}")(x)
        skips.append(x)
    for i, channels in enumerate(UP_CHANNELS):
        if i:
            x = ops.concatenate([skips[-1 - i], x], axis=-1)
        x = ops.relu(layers.Conv2DTranspose(channels, KERNEL, 2, padding="same", name=f"up_{i}")(x))
        x = Affine(name=f"up_norm_{i}")(x)
    share = layers.Conv2D(2, 4, dilation_rate=2, padding="same", activation="sigmoid", name="share")(x)
    return keras.Model(magnitudes, share, name="separator")
