"""HiFi-GAN's generator (Kong et al., 2020; MIT), whole or through fewer channels."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from voiceswap.config import Config
from voiceswap.model.networks.layers import Conv1D, Conv1DTranspose, LowRankConv1D
from voiceswap.model.vocoders.hifigan import Ranks, branch_name

SLOPE = 0.1
LAST_SLOPE = 0.01


def build(
    config: Config, dtype: str = "float32", ranks: Ranks | None = None, *, context_only: bool = False
) -> keras.Model:
    """The network, with fresh weights.

    Args:
        config: Sizes are read from its `features` and `vocoder` sections.
        dtype: Of its weights and of all that it works out but the samples: "float32" or "bfloat16".
        ranks: Through how many channels each of `inner_convolutions` goes; all if not given.
        context_only: Whether the first and last `context_frames` of a mel serve as context alone. Their samples are
            left out, and after each stage what nothing wanted hears any more; the others are what they are without.

    Returns:
        A model from a natural-log mel `(batch, n_frames, n_mels)` to samples `(batch, n_frames * hop_samples)` at
        `mel_rate_hz`, float32 in [-1, 1]; of `n_frames - 2 * context_frames` with `context_only`.
    """
    size = config.vocoder
    surplus = _surplus(config) if context_only else [0] * (len(size.upsample_rates) + 1)
    mel = keras.Input((None, config.features.n_mels), name="mel")
    x = ops.expand_dims(ops.cast(mel, dtype), 1)
    x = Conv1D(size.channels, 7, name="conv_in", dtype=dtype)(x)
    channels = size.channels
    for i, (rate, kernel) in enumerate(zip(size.upsample_rates, size.upsample_kernels, strict=True)):
        channels //= 2
        x = Conv1DTranspose(channels, kernel, rate, name=f"up_{i}", dtype=dtype)(ops.leaky_relu(x, SLOPE))
        branches = [
            _residual(x, channels, width, size.block_dilations, branch_name(i, width), dtype, ranks or {})
            for width in size.block_kernels
        ]
        x = sum(branches[1:], branches[0]) / len(branches)
        x = x[:, :, surplus[i] : -surplus[i]] if surplus[i] else x
    # Eight bits are too few for the samples themselves.
    x = ops.leaky_relu(ops.cast(x, "float32"), LAST_SLOPE)
    samples = ops.tanh(Conv1D(1, 7, name="conv_out")(x))[:, 0, :, 0]
    return keras.Model(mel, samples[:, surplus[-1] : -surplus[-1]] if surplus[-1] else samples, name="vocoder")


def _surplus(config: Config) -> list[int]:
    """How many values at either end nothing that is wanted hears any more, after each stage and of the samples."""
    size = config.vocoder
    reaches = [3]
    for rate, kernel in zip(size.upsample_rates[:0:-1], size.upsample_kernels[:0:-1], strict=True):
        reaches.append(math.ceil((reaches[-1] + size.block_reach + kernel / 2) / rate) + 1)
    surplus, held = list[int](), size.context_frames
    for rate, reach in zip(size.upsample_rates, reversed(reaches), strict=True):
        surplus.append(max(0, held * rate - reach))
        held = held * rate - surplus[-1]
    return [*surplus, held]


def _residual(
    x: Any, channels: int, width: int, dilations: tuple[int, ...], name: str, dtype: str, ranks: Ranks
) -> Any:
    def convolved(y: Any, layer: str, dilation: int = 1) -> Any:
        if layer in ranks:
            return LowRankConv1D(channels, width, ranks[layer], dilation, name=layer, dtype=dtype)(y)
        return Conv1D(channels, width, dilation, name=layer, dtype=dtype)(y)

    for i, dilation in enumerate(dilations):
        y = convolved(ops.leaky_relu(x, SLOPE), f"{name}_dilated_{i}", dilation)
        x = x + convolved(ops.leaky_relu(y, SLOPE), f"{name}_plain_{i}")
    return x
