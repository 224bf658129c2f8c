"""The content encoder's graph: `networks.encoder` for onnxruntime."""

from __future__ import annotations

from voiceswap.config import Config
from voiceswap.model.encoder import position_code
from voiceswap.model.graphs.builder import Builder, Graph


def build(config: Config) -> Graph:
    """The graph.

    Args:
        config: Sizes are read from its `features` and `encoder` sections.

    Returns:
        From a normalised encoder mel `(1, 2 * window_vectors, content_n_mels)` to content
        `(1, window_vectors, content_dim)`.
    """
    size = config.encoder
    b = Builder()
    mel = b.input("mel", (1, 2 * size.window_vectors, config.features.content_n_mels))
    x = b.to_channels_first(mel)
    x = b.gelu(b.conv1d(x, "conv_1", (3, config.features.content_n_mels, size.width)))
    x = b.gelu(b.conv1d(x, "conv_2", (3, size.width, size.width), stride=2, padding=(1, 1)))
    x = b.op("Add", b.to_channels_last(x), b.constant(position_code(size.window_vectors, size.width)))
    for i in range(size.n_layers):
        x = b.op("Add", x, _attention(b, b.layer_norm(x, f"attention_norm_{i}", size.width), f"attention_{i}", config))
        y = b.dense(b.layer_norm(x, f"feed_norm_{i}", size.width), f"expand_{i}", size.width, 4 * size.width)
        x = b.op("Add", x, b.dense(b.gelu(y), f"contract_{i}", 4 * size.width, size.width))
    content = b.dense(b.layer_norm(x, "norm", size.width), "content", size.width, size.content_dim)
    return b.finish(content, (1, size.window_vectors, size.content_dim))


def _attention(b: Builder, x: str, name: str, config: Config) -> str:
    width = config.encoder.width
    n_heads = config.encoder.n_heads
    each = width // n_heads

    def projected(part: str) -> str:
        kernel = b.weight(f"{name}/{part}/kernel", (width, n_heads, each), lambda k: k.reshape(width, width))
        bias = b.weight(f"{name}/{part}/bias", (n_heads, each), lambda k: k.reshape(width))
        return b.op("Add", b.op("MatMul", x, kernel), bias)

    query, key, value = (projected(part) for part in ("query", "key", "value"))
    heard = b.op("com.microsoft.MultiHeadAttention", query, key, value, num_heads=n_heads)
    output = f"{name}/attention_output"
    kernel = b.weight(f"{output}/kernel", (n_heads, each, width), lambda k: k.reshape(width, width))
    return b.op("Add", b.op("MatMul", heard, kernel), b.weight(f"{output}/bias", (width,)))
