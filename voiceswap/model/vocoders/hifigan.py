"""The vocoder: HiFi-GAN's generator (Kong et al., 2020; MIT), mel in, samples out, corrected towards that mel.

Nearly all of its time goes into convolutions, most of which a low-rank form saves. What either costs is in
docs/lab/vocoder.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from voiceswap.arrays import Array
from voiceswap.config import Config
from voiceswap.model.runtime import Network
from voiceswap.model.vocoders import Melody
from voiceswap.model.vocoders.blocks import count_padding, render_blocks, want_all
from voiceswap.signal.features import SILENT_MEL
from voiceswap.signal.spectral_correction import correct_mel

# A second and a half: longer is no faster and takes more memory (docs/lab/speed.md).
BLOCK_FRAMES = 128
# Of the leaky units, and of the last one.
SLOPE = 0.1
LAST_SLOPE = 0.01


class HifiGan:
    """Samples from mels of any length, in blocks that overlap by as much as the network sees.

    Args:
        network: Of `graphs.hifigan`, whole or low-rank.
        config: The settings it was built with.
    """

    def __init__(self, network: Network, config: Config) -> None:
        self.network = network
        self.config = config
        self._features = config.features

    @property
    def context_frames(self) -> int:
        """Frames to either side that can change the samples of one."""
        return self.config.vocoder.context_frames

    def prepare(self) -> None:
        """Build what the first block needs, which takes tenths of a second; nothing the second time."""
        self.network.prepare()

    def __call__(
        self,
        mel: Array,
        melody: Melody | None = None,
        wanted: Array | None = None,
        stopped: Callable[[], bool] | None = None,
    ) -> Array:
        """Make the waveform.

        Args:
            mel: Shape (n_frames, n_mels), natural log.
            melody: Not needed: the mel says it.
            wanted: Shape (n_frames,), bool: which frames are to be heard; all if not given.
            stopped: Asked before each block of a second or two; True leaves zeros from there on.

        Returns:
            Shape (n_frames * hop_samples,), float32, about [-1, 1], at `mel_rate_hz`; zeros where longer pieces are
            not wanted.
        """
        n_frames = len(mel)
        context = self.context_frames
        hop = self._features.hop_samples
        padding = (context, context + count_padding(n_frames, BLOCK_FRAMES))
        padded = np.pad(mel.astype(np.float32), (padding, (0, 0)), constant_values=SILENT_MEL)

        def render(first: int, block_frames: int) -> Array:
            output = self.network(padded[None, first : first + block_frames + 2 * context])[0]
            # The network may already have cut off the context.
            return np.asarray(output[(len(output) - block_frames * hop) // 2 :])

        samples = render_blocks(want_all(n_frames, wanted), context, BLOCK_FRAMES, hop, render, stopped)
        return correct_mel(samples, mel, self._features)


# How many channels go into and out of the kernel of each inner convolution.
Ranks = Mapping[str, tuple[int, int]]


def branch_name(stage: int, width: int) -> str:
    """The name of a residual branch: its convolutions' names begin with it."""
    return f"stage_{stage}_kernel_{width}"


def inner_convolutions(config: Config) -> dict[str, tuple[int, int, int]]:
    """Channels, kernel size and values per mel frame of each convolution inside the network's stages, by name."""
    vocoder = config.vocoder
    convolutions = {}
    channels = vocoder.channels
    values_per_frame = 1
    for stage, rate in enumerate(vocoder.upsample_rates):
        channels = channels // 2
        values_per_frame = values_per_frame * rate
        for width in vocoder.block_kernels:
            for i in range(len(vocoder.block_dilations)):
                for kind in ("dilated", "plain"):
                    convolutions[f"{branch_name(stage, width)}_{kind}_{i}"] = (channels, width, values_per_frame)
    return convolutions
