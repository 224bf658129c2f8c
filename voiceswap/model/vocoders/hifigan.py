"""The vocoder: HiFi-GAN's generator (Kong et al., 2020; MIT), mel in, samples out, brought nearer to that mel.

Nearly all of its time goes into convolutions, which processors with units for bfloat16 (AMX) do several times as
quickly in that. Elsewhere a slimmer form of it saves most of the arithmetic, where AVX-512 knows bfloat16 in that as
well. What either costs is in docs/measurements.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from voiceswap.config import Config
from voiceswap.model.networks.layers import Conv1D, Conv1DTranspose, LowRankConv1D
from voiceswap.signal.features import SILENT_MEL, stretches
from voiceswap.signal.spectral_correction import matched

# About three seconds: longer is hardly faster and takes more memory (docs/measurements.md). Blocks of one recording are
# equally long, or a short one would pay for frames that it does not have; their lengths are multiples of a step: few
# of them differ.
BLOCK_FRAMES, BLOCK_STEP = 256, 32
# How many channels go into and out of the kernel of each inner convolution.
Ranks = Mapping[str, tuple[int, int]]
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
            _residual(x, channels, width, size.block_dilations, _branch(i, width), dtype, ranks or {})
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


def _branch(stage: int, width: int) -> str:
    return f"stage_{stage}_kernel_{width}"


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


def inner_convolutions(config: Config) -> dict[str, tuple[int, int, int]]:
    """Of each convolution inside the network's stages, by name: channels, kernel size, and values a mel frame."""
    size, found = config.vocoder, {}
    channels, values = size.channels, 1
    for i, rate in enumerate(size.upsample_rates):
        channels, values = channels // 2, values * rate
        for width in size.block_kernels:
            for j in range(len(size.block_dilations)):
                for kind in ("dilated", "plain"):
                    found[f"{_branch(i, width)}_{kind}_{j}"] = (channels, width, values)
    return found


class Vocoder:
    """Samples from mels of any length, in blocks that overlap by as much as the network sees.

    Args:
        network: What `build` gave, with its weights.
        config: The settings it was built with.
    """

    def __init__(self, network: keras.Model, config: Config) -> None:
        self.network, self.config = network, config
        # Of any length from the start: Keras would build one graph for the first length, and another for all others.
        shown = tf.TensorSpec((1, None, config.features.n_mels), tf.float32)
        self._say = tf.function(lambda block: network(block, training=False), input_signature=[shown])
        self._features = config.features
        self._context = config.vocoder.context_frames

    def prepare(self) -> None:
        """Build what the first block needs, which takes a second; nothing the second time."""
        self._say.get_concrete_function()

    def __call__(
        self, mel: np.ndarray, wanted: np.ndarray | None = None, stopped: Callable[[], bool] | None = None
    ) -> np.ndarray:
        """Make the waveform.

        Args:
            mel: Shape (n_frames, n_mels), natural log.
            wanted: Shape (n_frames,), bool: which frames are to be heard; all if not given.
            stopped: Asked before each block of about three seconds; True leaves zeros from there on.

        Returns:
            Shape (n_frames * hop_samples,), float32, about [-1, 1], at `mel_rate_hz`; zeros where longer pieces are
            not wanted.
        """
        n_frames, context, hop = len(mel), self._context, self._features.hop_samples
        samples = np.zeros(n_frames * hop, np.float32)
        # Blocks may reach beyond the end by less than a step each.
        after = context + (n_frames // BLOCK_FRAMES + 1) * BLOCK_STEP
        padded = np.pad(mel.astype(np.float32), ((context, after), (0, 0)), constant_values=SILENT_MEL)
        for start, stop in pieces(np.ones(n_frames, bool) if wanted is None else wanted, 2 * context):
            n_blocks = max(1, round((stop - start) / BLOCK_FRAMES))
            size = -(-(stop - start) // (n_blocks * BLOCK_STEP)) * BLOCK_STEP
            for first in range(start, stop, size):
                if stopped is not None and stopped():
                    return samples
                made = self._say(padded[None, first : first + size + 2 * context]).numpy()[0]
                own = slice(first * hop, min(first + size, stop) * hop)
                # The network may have left the context out itself.
                made = made[(len(made) - size * hop) // 2 :]
                samples[own] = made[: own.stop - own.start]
        return matched(samples, mel, self._features)


def pieces(wanted: np.ndarray, gap: int) -> list[tuple[int, int]]:
    """Ranges [start, stop) that hold all of `wanted`, (n,) bool, and no more than `gap` others in a row."""
    held: list[tuple[int, int]] = []
    for start, stop in stretches(wanted):
        if held and start - held[-1][1] <= gap:
            start = held.pop()[0]
        held.append((start, stop))
    return held
