"""The discriminators of the quick vocoder: each sees short-time spectra of one resolution; shipped with nothing."""

from __future__ import annotations

import keras
from keras import ops

# Filters as multiples of the width, kernel size, stride in time and in frequency. So small ones, on logarithms of
# magnitudes, learn within hundreds of steps what larger ones on samples do not at such batches.
LAYERS = ((1, 5, (1, 2)), (1, 5, (1, 2)), (2, 5, (2, 2)), (2, 3, (1, 2)))
WIDTH = 32
SLOPE = 0.1
# Products of matrices in half the bits: they take most of a training's time.
DTYPE = "mixed_bfloat16"


def build(n_bins: int, n_channels: int, name: str) -> keras.Model:
    """A discriminator of pictures of spectra.

    Args:
        n_bins: How many bins a spectrum has.
        n_channels: What is known of each bin: its magnitude alone, or its phase's step, too.
        name: Of the model.

    Returns:
        A model from pictures `(batch, n_steps, n_bins, n_channels)` to a list: the verdicts `(batch, height, width,
        1)`, float32, 1 for real and 0 for made, then the activations of each layer.
    """
    picture = keras.Input((None, n_bins, n_channels), name="picture")
    x = picture
    activations = []
    for i, (multiple, size, strides) in enumerate(LAYERS):
        conv = keras.layers.Conv2D(
            multiple * WIDTH, size, strides=strides, padding="same", dtype=DTYPE, name=f"{name}_conv_{i}"
        )
        x = ops.leaky_relu(conv(x), SLOPE)
        activations.append(x)
    verdict = keras.layers.Conv2D(1, 3, padding="same", dtype=DTYPE, name=f"{name}_verdict")(x)
    return keras.Model(picture, [ops.cast(verdict, "float32"), *activations], name=name)
