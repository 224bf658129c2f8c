"""The small critic that keeps a decoder's mels from blurring: trained beside it, shipped with nothing."""

from __future__ import annotations

import keras
from keras import ops

from voiceswap.config import Config
from voiceswap.model.networks.layers import SpectralConv2D

CHANNELS_AND_STRIDES = ((32, 2), (64, 2), (128, 2), (128, 1))
SLOPE = 0.2


def build(config: Config) -> keras.Model:
    """A critic of mel pictures, spectrally normalised.

    Args:
        config: Sizes are read from its `features` and `train` sections.

    Returns:
        A model from a mel `(batch, crop_frames, n_mels)` to a list: the verdicts `(batch, height, width, 1)`, 1 for
        real and 0 for made, then the activations of each layer.
    """
    mel = keras.Input((config.train.crop_frames, config.features.n_mels), name="mel")
    x = ops.expand_dims((mel + 6) / 3, -1)
    activations = []
    for i, (channels, stride) in enumerate(CHANNELS_AND_STRIDES):
        x = ops.leaky_relu(SpectralConv2D(channels, stride, name=f"conv_{i}")(x), SLOPE)
        activations.append(x)
    verdict = keras.layers.Conv2D(1, 3, padding="same", name="verdict")(x)
    return keras.Model(mel, [verdict, *activations], name="adversary")
