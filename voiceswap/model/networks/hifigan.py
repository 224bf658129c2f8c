"""HiFi-GAN's generator (Kong et al., 2020; MIT), whole or through fewer channels."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from voiceswap.config import Config
from voiceswap.model.networks.layers import Conv1D, Conv1DTranspose, LowRankConv1D
from voiceswap.model.vocoders.hifigan import LAST_SLOPE, SLOPE, Ranks, branch_name


def build(config: Config, ranks: Ranks | None = None) -> keras.Model:
    """The network, with fresh weights.

    Args:
        config: Sizes are read from its `features` and `vocoder` sections.
        ranks: Through how many channels each of `inner_convolutions` goes; all if not given.

    Returns:
        A model from a natural-log mel `(batch, n_frames, n_mels)` to samples `(batch, n_frames * hop_samples)` at
        `mel_rate_hz`, float32 in [-1, 1].
    """
    size = config.vocoder
    mel = keras.Input((None, config.features.n_mels), name="mel")
    x = ops.expand_dims(mel, 1)
    x = Conv1D(size.channels, 7, name="conv_in")(x)
    channels = size.channels
    for i, (rate, kernel) in enumerate(zip(size.upsample_rates, size.upsample_kernels, strict=True)):
        channels //= 2
        x = Conv1DTranspose(channels, kernel, rate, name=f"up_{i}")(ops.leaky_relu(x, SLOPE))
        branches = [
            _residual(x, channels, width, size.block_dilations, branch_name(i, width), ranks or {})
            for width in size.block_kernels
        ]
        x = sum(branches[1:], branches[0]) / len(branches)
    samples = ops.tanh(Conv1D(1, 7, name="conv_out")(ops.leaky_relu(x, LAST_SLOPE)))[:, 0, :, 0]
    return keras.Model(mel, samples, name="vocoder")


def _residual(x: Any, channels: int, width: int, dilations: tuple[int, ...], name: str, ranks: Ranks) -> Any:
    def convolved(y: Any, layer: str, dilation: int = 1) -> Any:
        if layer in ranks:
            return LowRankConv1D(channels, width, ranks[layer], dilation, name=layer)(y)
        return Conv1D(channels, width, dilation, name=layer)(y)

    for i, dilation in enumerate(dilations):
        y = convolved(ops.leaky_relu(x, SLOPE), f"{name}_dilated_{i}", dilation)
        x = x + convolved(ops.leaky_relu(y, SLOPE), f"{name}_plain_{i}")
    return x
