"""The vocoder: HiFi-GAN's generator (Kong et al., 2020; MIT), mel in, samples out; and its quick end.

    mel -> conv_in -> stage 0 -> stage 1 -> stage 2 -> stage 3 -> samples      "best"
                              -> quick end ----------------------> samples      "fast"

After the first stage the waveform is as good as decided; most of the work is still to come. The quick end learns to do
it at the rate of the first stage.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from voiceswap.config import Config
from voiceswap.signal.features import SILENT_MEL

# Three seconds: longer is no faster and takes more memory (docs/measurements.md).
BLOCK_FRAMES = 256
SLOPE = 0.1
LAST_SLOPE = 0.01


def build(config: Config) -> keras.Model:
    """The network, with fresh weights.

    Args:
        config: Sizes are read from its `features` and `vocoder` sections.

    Returns:
        A model from a natural-log mel `(batch, n_frames, n_mels)` to samples `(batch, n_frames * hop_samples)` at
        `mel_rate_hz`, float32 in [-1, 1].
    """
    size = config.vocoder
    mel = keras.Input((None, config.features.n_mels), name="mel")
    x = layers.Conv1D(size.channels, 7, padding="same", name="conv_in")(mel)
    channels = size.channels
    for i, (rate, kernel) in enumerate(zip(size.upsample_rates, size.upsample_kernels, strict=True)):
        channels //= 2
        x = layers.Conv1DTranspose(channels, kernel, rate, padding="same", name=f"up_{i}")(ops.leaky_relu(x, SLOPE))
        branches = [
            _residual(x, channels, width, size.block_dilations, f"stage_{i}_kernel_{width}")
            for width in size.block_kernels
        ]
        x = layers.Identity(name=f"stage_{i}")(sum(branches[1:], branches[0]) / len(branches))
    x = layers.Conv1D(1, 7, padding="same", name="conv_out")(ops.leaky_relu(x, LAST_SLOPE))
    samples = ops.squeeze(ops.tanh(x), axis=-1)
    return keras.Model(mel, samples, name="vocoder")


def _residual(x: Any, channels: int, width: int, dilations: tuple[int, ...], name: str) -> Any:
    for i, dilation in enumerate(dilations):
        y = ops.leaky_relu(x, SLOPE)
        y = layers.Conv1D(channels, width, padding="same", dilation_rate=dilation, name=f"{name}_dilated_{i}")(y)
        y = ops.leaky_relu(y, SLOPE)
        x = x + layers.Conv1D(channels, width, padding="same", name=f"{name}_plain_{i}")(y)
    return x


def trunk(best: keras.Model, config: Config) -> keras.Model:
    """The stages of the vocoder that the quick end goes on from.

    Args:
        best: What `build` gave.
        config: The settings it was built with.

    Returns:
        A model from a mel `(batch, n_frames, n_mels)` to `(batch, n_frames * trunk_rate, trunk_channels)`.
    """
    return keras.Model(best.input, best.get_layer(f"stage_{config.vocoder.fast.shared_stages - 1}").output)


def build_fast(config: Config) -> keras.Model:
    """The quick end, with fresh weights.

    Args:
        config: Sizes are read from its `features` and `vocoder` sections.

    Returns:
        A model from what the trunk gave, `(batch, n_positions, trunk_channels)`, to samples `(batch, n_samples)`.
    """
    size, fast = config.vocoder, config.vocoder.fast
    begun = keras.Input((None, size.trunk_channels), name="trunk")
    x = layers.Conv1D(fast.width, 7, padding="same", name="conv_in")(ops.leaky_relu(begun, SLOPE))
    for i, dilation in enumerate(fast.dilations):
        y = ops.leaky_relu(x, SLOPE)
        y = layers.Conv1D(fast.width, 3, padding="same", dilation_rate=dilation, name=f"dilated_{i}")(y)
        y = ops.leaky_relu(y, SLOPE)
        x = x + layers.Conv1D(fast.width, 3, padding="same", name=f"plain_{i}")(y)
    x = layers.Conv1D(fast.wide, 1, name="wide")(ops.leaky_relu(x, SLOPE))
    hop = config.features.hop_samples // size.trunk_rate
    overlapping = layers.Conv1DTranspose(1, fast.overlap * hop, hop, padding="same", use_bias=False, name="conv_out")(
        ops.leaky_relu(x, SLOPE)
    )
    return keras.Model(begun, ops.squeeze(overlapping, axis=-1), name="fast_vocoder")


def joined(best: keras.Model, fast: keras.Model, config: Config) -> keras.Model:
    """The quick vocoder as a whole: the trunk of `best`, then the quick end."""
    begun = trunk(best, config)
    return keras.Model(begun.input, ops.clip(fast(begun.output), -1.0, 1.0))


class Vocoder:
    """Samples from mels of any length, in blocks that overlap by as much as the network sees.

    Args:
        network: What `build` gave, with its weights.
        config: The settings it was built with.
    """

    def __init__(self, network: keras.Model, config: Config) -> None:
        self.network = network
        self._hop_samples = config.features.hop_samples
        self._context = config.vocoder.context_frames

    def __call__(self, mel: np.ndarray) -> np.ndarray:
        """Make the waveform.

        Args:
            mel: Shape (n_frames, n_mels), natural log.

        Returns:
            Shape (n_frames * hop_samples,), float32 in [-1, 1], at `mel_rate_hz`.
        """
        n_frames = len(mel)
        n_blocks = -(-n_frames // BLOCK_FRAMES)
        after = n_blocks * BLOCK_FRAMES - n_frames + self._context
        padded = np.pad(mel.astype(np.float32), ((self._context, after), (0, 0)), constant_values=SILENT_MEL)
        core = slice(self._context * self._hop_samples, (self._context + BLOCK_FRAMES) * self._hop_samples)
        samples = [
            self.network.predict_on_batch(padded[None, first : first + BLOCK_FRAMES + 2 * self._context])[0, core]
            for first in range(0, n_blocks * BLOCK_FRAMES, BLOCK_FRAMES)
        ]
        return np.concatenate(samples)[: n_frames * self._hop_samples] if samples else np.zeros(0, np.float32)
