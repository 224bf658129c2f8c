"""The separator's graph: `networks.separator` for onnxruntime."""

from __future__ import annotations

from voiceswap.model.graphs.builder import Builder, Graph
from voiceswap.model.separator import DOWN_CHANNELS, KERNEL, N_BINS, SLOPE, UP_CHANNELS


def build() -> Graph:
    """The graph.

    Returns:
        From magnitudes `(batch, n_frames, N_BINS, 2)` of a Hann-windowed transform, `n_frames` a multiple of 64, to
        the voice's share in each, of the same shape, 0 to 1.
    """
    b = Builder()
    magnitudes = b.input("magnitudes", ("batch", "n_frames", N_BINS, 2))
    x = b.op("Transpose", magnitudes, perm=[0, 3, 1, 2])
    skips: list[str] = []
    channels = 2
    for i, filters in enumerate(DOWN_CHANNELS):
        if i:
            x = b.op("LeakyRelu", _affine(b, x, f"down_norm_{i - 1}", channels), alpha=SLOPE)
        x = _conv(b, x, f"down_{i}", KERNEL, channels, filters, stride=2)
        skips.append(x)
        channels = filters
    for i, filters in enumerate(UP_CHANNELS):
        if i:
            x = b.op("Concat", skips[-1 - i], x, axis=1)
            channels += DOWN_CHANNELS[-1 - i]
        x = b.op("Relu", _conv_transpose(b, x, f"up_{i}", channels, filters))
        x = _affine(b, x, f"up_norm_{i}", filters)
        channels = filters
    share = b.op("Sigmoid", _conv(b, x, "share", 4, channels, 2, dilation=2))
    return b.finish(b.op("Transpose", share, perm=[0, 2, 3, 1]), ("batch", "n_frames", N_BINS, 2))


def _affine(b: Builder, x: str, name: str, channels: int) -> str:
    scale, shift = (
        b.weight(f"{name}/{part}", (channels,), lambda values: values[:, None, None]) for part in ("scale", "shift")
    )
    return b.op("Add", b.op("Mul", x, scale), shift)


def _conv(
    b: Builder, x: str, name: str, size: int, channels: int, filters: int, stride: int = 1, dilation: int = 1
) -> str:
    kernel = b.weight(f"{name}/kernel", (size, size, channels, filters), lambda k: k.transpose(3, 2, 0, 1))
    reach = (size - 1) * dilation - (stride - 1)
    before, after = reach // 2, reach - reach // 2
    return b.op(
        "Conv",
        x,
        kernel,
        b.weight(f"{name}/bias", (filters,)),
        kernel_shape=[size, size],
        strides=[stride, stride],
        dilations=[dilation, dilation],
        pads=[before, before, after, after],
    )


def _conv_transpose(b: Builder, x: str, name: str, channels: int, filters: int) -> str:
    kernel = b.weight(f"{name}/kernel", (KERNEL, KERNEL, filters, channels), lambda k: k.transpose(3, 2, 0, 1))
    bias = b.weight(f"{name}/bias", (filters,))
    shape = [KERNEL, KERNEL]
    return b.op("ConvTranspose", x, kernel, bias, kernel_shape=shape, strides=[2, 2], pads=[1, 1, 2, 2])
