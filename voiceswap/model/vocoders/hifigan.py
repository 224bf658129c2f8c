"""The vocoder: HiFi-GAN's generator (Kong et al., 2020; MIT), mel in, samples out, brought nearer to that mel.

Nearly all of its time goes into convolutions, which processors with units for bfloat16 (AMX) do several times as
quickly in that. Elsewhere a slimmer form of it saves most of the arithmetic, where AVX-512 knows bfloat16 in that as
well. What either costs is in docs/measurements.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from voiceswap.config import Config
from voiceswap.model.runtime import Graph
from voiceswap.signal.features import SILENT_MEL, find_runs
from voiceswap.signal.spectral_correction import correct_mel

# About three seconds: longer is hardly faster and takes more memory (docs/measurements.md). Blocks of one recording are
# equally long, or a short one would pay for frames that it does not have; their lengths are multiples of a step: few
# of them differ.
BLOCK_FRAMES = 256
BLOCK_STEP = 32


class HifiGan:
    """Samples from mels of any length, in blocks that overlap by as much as the network sees.

    Args:
        network: Of `networks.hifigan`, whole or low-rank.
        config: The settings it was built with.
    """

    def __init__(self, network: Graph, config: Config) -> None:
        self.network = network
        self.config = config
        self._features = config.features

    @property
    def context_frames(self) -> int:
        """Frames to either side that can change the samples of one."""
        return self.config.vocoder.context_frames

    def prepare(self) -> None:
        """Build what the first block needs, which takes a second; nothing the second time."""
        self.network.prepare()

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
        n_frames, context, hop = len(mel), self.context_frames, self._features.hop_samples
        samples = np.zeros(n_frames * hop, np.float32)
        # Blocks may reach beyond the end by less than a step each.
        after = context + (n_frames // BLOCK_FRAMES + 1) * BLOCK_STEP
        padded = np.pad(mel.astype(np.float32), ((context, after), (0, 0)), constant_values=SILENT_MEL)
        for start, stop in find_pieces(np.ones(n_frames, bool) if wanted is None else wanted, 2 * context):
            n_blocks = max(1, round((stop - start) / BLOCK_FRAMES))
            size = -(-(stop - start) // (n_blocks * BLOCK_STEP)) * BLOCK_STEP
            for first in range(start, stop, size):
                if stopped is not None and stopped():
                    return samples
                made = self.network(padded[None, first : first + size + 2 * context])[0]
                own = slice(first * hop, min(first + size, stop) * hop)
                # The network may have left the context out itself.
                made = made[(len(made) - size * hop) // 2 :]
                samples[own] = made[: own.stop - own.start]
        return correct_mel(samples, mel, self._features)


def find_pieces(wanted: np.ndarray, gap: int) -> list[tuple[int, int]]:
    """Ranges [start, stop) that hold all of `wanted`, (n,) bool, and no more than `gap` others in a row."""
    held: list[tuple[int, int]] = []
    for start, stop in find_runs(wanted):
        if held and start - held[-1][1] <= gap:
            start = held.pop()[0]
        held.append((start, stop))
    return held


# How many channels go into and out of the kernel of each inner convolution.
Ranks = Mapping[str, tuple[int, int]]


def branch_name(stage: int, width: int) -> str:
    """The name of a residual branch: its convolutions' names begin with it."""
    return f"stage_{stage}_kernel_{width}"


def inner_convolutions(config: Config) -> dict[str, tuple[int, int, int]]:
    """Of each convolution inside the network's stages, by name: channels, kernel size, and values a mel frame."""
    size, found = config.vocoder, {}
    channels, values = size.channels, 1
    for i, rate in enumerate(size.upsample_rates):
        channels, values = channels // 2, values * rate
        for width in size.block_kernels:
            for j in range(len(size.block_dilations)):
                for kind in ("dilated", "plain"):
                    found[f"{branch_name(i, width)}_{kind}_{j}"] = (channels, width, values)
    return found
