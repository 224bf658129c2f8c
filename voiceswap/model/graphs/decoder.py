"""The decoder's graph: `networks.decoder`, told the speaker by a vector, for onnxruntime."""

from __future__ import annotations

from voiceswap.config import Config
from voiceswap.model.decoder import MEL_CENTRE, MEL_SCALE, N_SCALARS
from voiceswap.model.graphs.builder import Builder, Graph


def build(config: Config) -> Graph:
    """The graph.

    Args:
        config: Sizes are read from its `features`, `encoder` and `decoder` sections.

    Returns:
        From content `(1, n_frames, content_dim)`, conditions `(1, n_frames, 3 + n_mels)` and the speaker's vector
        `(1, speaker_dim)` to a natural-log mel `(1, n_frames, n_mels)`.
    """
    size = config.decoder
    n_mels = config.features.n_mels
    b = Builder()
    content = b.input("content", (1, "n_frames", config.encoder.content_dim))
    conditions = b.input("conditions", (1, "n_frames", N_SCALARS + n_mels))
    vector = b.input("speaker", (1, size.speaker_dim))
    x = b.dense(content, "content_in", config.encoder.content_dim, size.width)
    convolved = b.conv1d(b.to_channels_first(conditions), "conditions_in", (3, N_SCALARS + n_mels, size.width))
    x = b.op("Add", x, b.to_channels_last(convolved))
    for i, dilation in enumerate(size.dilations):
        x = b.op("Add", x, _block(b, x, vector, dilation, f"block_{i}", config))
    x = b.dense(b.layer_norm(x, "norm", size.width), "mel_out", size.width, n_mels)
    mel = b.op("Add", b.op("Mul", x, b.number(MEL_SCALE)), b.number(MEL_CENTRE))
    return b.finish(mel, (1, "n_frames", n_mels))


def _block(b: Builder, x: str, vector: str, dilation: int, name: str, config: Config) -> str:
    size = config.decoder
    width = size.width
    kernel = (size.kernel_frames, width, 1)
    x = b.conv1d(b.to_channels_first(x), f"{name}_depthwise", kernel, dilation=dilation, depthwise=True)
    x = b.layer_norm(b.to_channels_last(x), f"{name}_norm", width)
    steered = b.dense(vector, f"{name}_film/map", size.speaker_dim, 2 * width)
    scale, shift = b.split(steered, 2, 1)
    x = b.op("Add", b.op("Mul", x, b.op("Add", scale, b.number(1.0))), shift)
    x = b.gelu(b.dense(x, f"{name}_expand", width, width * size.expansion))
    return b.dense(x, f"{name}_contract", width * size.expansion, width)
