"""Vocoders: mels in, samples out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from voiceswap.arrays import Array


class Vocoder(Protocol):
    """Turns a mel into samples."""

    @property
    def context_frames(self) -> int:
        """Frames to either side that can change the samples of one."""
        ...

    def prepare(self) -> None:
        """Build what the first block needs, which takes tenths of a second; nothing the second time."""
        ...

    def __call__(self, mel: Array, wanted: Array | None = None, stopped: Callable[[], bool] | None = None) -> Array:
        """Make the waveform.

        Args:
            mel: Shape (n_frames, n_mels), natural log.
            wanted: Shape (n_frames,), bool: which frames are to be heard; all if not given.
            stopped: Asked before each block of a second or two; True leaves zeros from there on.

        Returns:
            Shape (n_frames * hop_samples,), float32, about [-1, 1], at `mel_rate_hz`; zeros where longer pieces are
            not wanted.
        """
        ...
