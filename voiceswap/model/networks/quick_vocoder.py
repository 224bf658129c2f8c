"""The quick vocoder's network: a mel and a melody in, filters for pulses and noise out."""

from __future__ import annotations

from typing import Any

import keras
from keras import initializers, layers, ops

from voiceswap.config import Config
from voiceswap.model.networks.layers import Scale
from voiceswap.model.vocoders.quick_vocoder import INPUT_KERNEL_FRAMES, count_filters, count_inputs

# Blocks at the start add a little; filters at the start are what the mel asks for.
SCALE_START = 0.1
FILTER_SPREAD = 0.002


def build(config: Config) -> keras.Model:
    """The network, with fresh weights: ConvNeXt blocks (Liu et al., 2022).

    Args:
        config: Sizes are read from its `features` and `quick_vocoder` sections.

    Returns:
        A model from what `vocoders.quick_vocoder.make_inputs` gives, `(batch, n_frames, 2 * n_mels + 3)`, to filters
        `(batch, n_frames, n_filters)`, float32.
    """
    size = config.quick_vocoder
    inputs = keras.Input((None, count_inputs(config)), name="inputs")
    x = layers.Conv1D(size.width, INPUT_KERNEL_FRAMES, padding="same", name="conv_in")(inputs)
    x = layers.LayerNormalization(epsilon=1e-5, name="norm_in")(x)
    for i in range(size.n_blocks):
        x = x + _block(x, size.width, size.expansion, size.kernel_frames, f"block_{i}")
    x = layers.LayerNormalization(epsilon=1e-5, name="norm")(x)
    small = initializers.RandomNormal(stddev=FILTER_SPREAD)
    filters = layers.Dense(count_filters(config), kernel_initializer=small, name="filters_out")(x)
    return keras.Model(inputs, filters, name="quick_vocoder")


def _block(x: Any, width: int, expansion: int, kernel: int, name: str) -> Any:
    x = layers.DepthwiseConv1D(kernel, padding="same", name=f"{name}_depthwise")(x)
    x = layers.LayerNormalization(epsilon=1e-5, name=f"{name}_norm")(x)
    # By tanh: quicker to train than the exact one.
    x = ops.gelu(layers.Dense(width * expansion, name=f"{name}_expand")(x), approximate=True)
    x = layers.Dense(width, name=f"{name}_contract")(x)
    return Scale(SCALE_START, name=f"{name}_scale")(x)
