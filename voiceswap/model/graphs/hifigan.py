"""The vocoder's graph: `networks.hifigan`, whole or low-rank, for onnxruntime."""

from __future__ import annotations

import math

from voiceswap.arrays import Array
from voiceswap.config import Config
from voiceswap.model.graphs import onnx
from voiceswap.model.graphs.builder import Builder, Graph
from voiceswap.model.vocoders.hifigan import LAST_SLOPE, SLOPE, Ranks, branch_name


def build(config: Config, ranks: Ranks | None = None, *, context_only: bool = False) -> Graph:
    """The graph.

    Args:
        config: Sizes are read from its `features` and `vocoder` sections.
        ranks: Through how many channels each of `inner_convolutions` goes; all if not given.
        context_only: Whether the first and last `context_frames` of a mel serve as context alone. Their samples are
            left out, and after each stage what nothing wanted hears any more; the others are what they are without.

    Returns:
        From a natural-log mel `(1, n_frames, n_mels)` to samples `(1, n_frames * hop_samples)` at `mel_rate_hz` in
        [-1, 1]; of `n_frames - 2 * context_frames` with `context_only`.
    """
    size = config.vocoder
    surplus = find_surplus(config) if context_only else [0] * (len(size.upsample_rates) + 1)
    b = Builder()
    mel = b.input("mel", (1, "n_frames", config.features.n_mels))
    x = b.conv1d(b.to_channels_first(mel), "conv_in", (7, config.features.n_mels, size.channels))
    channels = size.channels
    for i, (rate, kernel) in enumerate(zip(size.upsample_rates, size.upsample_kernels, strict=True)):
        x = _upsample(b, _leaky(b, x), f"up_{i}", kernel, rate, channels, channels // 2)
        channels //= 2
        branches = [_residual(b, x, channels, width, i, config, ranks or {}) for width in size.block_kernels]
        total = branches[0]
        for branch in branches[1:]:
            total = b.op("Add", total, branch)
        x = _cut(b, b.op("Mul", total, b.number(1 / len(branches))), surplus[i])
    x = b.conv1d(b.op("LeakyRelu", x, alpha=LAST_SLOPE), "conv_out", (7, channels, 1))
    samples = b.op("Squeeze", _cut(b, b.op("Tanh", x), surplus[-1]), b.constant(onnx.int64(1, 2)))
    return b.finish(samples, (1, "n_samples"))


def find_surplus(config: Config) -> list[int]:
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


def _leaky(b: Builder, x: str) -> str:
    return b.op("LeakyRelu", x, alpha=SLOPE)


def _cut(b: Builder, x: str, n_values: int) -> str:
    """Without so many values at either end."""
    if not n_values:
        return x
    return b.op("Slice", x, *(b.constant(onnx.int64(number)) for number in (n_values, -n_values, 3)))


def _upsample(b: Builder, x: str, name: str, size: int, rate: int, channels: int, filters: int) -> str:
    def arranged(kernel: Array) -> Array:
        return kernel.transpose(2, 1, 0)[:, :, None]

    kernel = b.weight(f"{name}/kernel", (size, filters, channels), arranged)
    bias = b.weight(f"{name}/bias", (filters,))
    before = (size - rate) // 2
    return b.op(
        "ConvTranspose",
        x,
        kernel,
        bias,
        kernel_shape=[1, size],
        strides=[1, rate],
        pads=[0, before, 0, size - rate - before],
    )


def _residual(b: Builder, x: str, channels: int, width: int, stage: int, config: Config, ranks: Ranks) -> str:
    name = branch_name(stage, width)
    for i, dilation in enumerate(config.vocoder.block_dilations):
        y = _convolve(b, _leaky(b, x), f"{name}_dilated_{i}", channels, width, dilation, ranks)
        y = _convolve(b, _leaky(b, y), f"{name}_plain_{i}", channels, width, 1, ranks)
        x = b.op("Add", y, x)
    return x


def _convolve(b: Builder, x: str, name: str, channels: int, width: int, dilation: int, ranks: Ranks) -> str:
    if name not in ranks:
        return b.conv1d(x, name, (width, channels, channels), dilation=dilation)
    first, last = ranks[name]
    if first < channels:
        x = b.op("Conv", x, b.weight(f"{name}/first", (channels, first), lambda k: k.T[:, :, None, None]))
    if last == channels:
        return b.conv1d(x, name, (width, first, last), dilation=dilation)
    x = b.conv1d(x, name, (width, first, last), dilation=dilation, bias=False)
    bias = b.weight(f"{name}/bias", (channels,))
    return b.op("Conv", x, b.weight(f"{name}/last", (last, channels), lambda k: k.T[:, :, None, None]), bias)
