"""The quick vocoder's graph: `networks.quick_vocoder` for onnxruntime."""

from __future__ import annotations

from voiceswap.config import Config
from voiceswap.model.graphs.builder import Builder, Graph
from voiceswap.model.vocoders.quick_vocoder import INPUT_KERNEL_FRAMES, count_filters, count_inputs


def build(config: Config) -> Graph:
    """The graph.

    Args:
        config: Sizes are read from its `features` and `quick_vocoder` sections.

    Returns:
        From what `vocoders.quick_vocoder.make_inputs` gives, `(1, n_frames, 2 * n_mels + 3)`, to filters
        `(1, n_frames, n_filters)`.
    """
    size = config.quick_vocoder
    n_inputs = count_inputs(config)
    n_filters = count_filters(config)
    b = Builder()
    inputs = b.input("inputs", (1, "n_frames", n_inputs))
    x = b.conv1d(b.to_channels_first(inputs), "conv_in", (INPUT_KERNEL_FRAMES, n_inputs, size.width))
    x = b.layer_norm(b.to_channels_last(x), "norm_in", size.width)
    for i in range(size.n_blocks):
        x = b.op("Add", x, _block(b, x, f"block_{i}", config))
    filters = b.dense(b.layer_norm(x, "norm", size.width), "filters_out", size.width, n_filters)
    return b.finish(filters, (1, "n_frames", n_filters))


def _block(b: Builder, x: str, name: str, config: Config) -> str:
    size = config.quick_vocoder
    kernel = (size.kernel_frames, size.width, 1)
    x = b.conv1d(b.to_channels_first(x), f"{name}_depthwise", kernel, depthwise=True)
    x = b.layer_norm(b.to_channels_last(x), f"{name}_norm", size.width)
    x = b.tanh_gelu(b.dense(x, f"{name}_expand", size.width, size.width * size.expansion))
    x = b.dense(x, f"{name}_contract", size.width * size.expansion, size.width)
    return b.op("Mul", x, b.weight(f"{name}_scale/gain", (size.width,)))
