"""Vocoders: mels in, samples out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from voiceswap.arrays import Array
from voiceswap.config import FeatureConfig
from voiceswap.signal.excitation import integrate_f0


@dataclass(frozen=True)
class Melody:
    """The melody of a mel's frames.

    Attributes:
        f0_hz: Shape (n_frames,), as it is to sound, interpolated through unvoiced frames; 0.0 where there is none.
        voiced: Shape (n_frames,), bool.
        phase: Shape (n_frames,), float64, in periods: the integral of F0 over the recording up to each frame's centre.
        first_frame: Which frame of the recording comes first.
    """

    f0_hz: Array
    voiced: Array
    phase: Array
    first_frame: int = 0

    @classmethod
    def of(cls, f0_hz: Array, voiced: Array, config: FeatureConfig, first_frame: int = 0) -> Melody:
        """The melody of a whole recording, its phase found from F0; the rest are the attributes."""
        return cls(f0_hz, voiced, integrate_f0(f0_hz, config), first_frame)

    def cut(self, start: int, stop: int) -> Melody:
        """The melody of the frames from `start` on, up to `stop`, both counted from its own first one."""
        part = slice(start, stop)
        return Melody(self.f0_hz[part], self.voiced[part], self.phase[part], self.first_frame + start)


class Vocoder(Protocol):
    """Turns a mel into samples."""

    @property
    def context_frames(self) -> int:
        """Frames to either side that can change the samples of one."""
        ...

    def prepare(self) -> None:
        """Build what the first block needs, which takes tenths of a second; nothing the second time."""
        ...

    def __call__(
        self, mel: Array, melody: Melody, wanted: Array | None = None, stopped: Callable[[], bool] | None = None
    ) -> Array:
        """Make the waveform.

        Args:
            mel: Shape (n_frames, n_mels), natural log.
            melody: Of the same frames.
            wanted: Shape (n_frames,), bool: which frames are to be heard; all if not given.
            stopped: Asked before each block of a few seconds at most; True leaves zeros from there on.

        Returns:
            Shape (n_frames * hop_samples,), float32, about [-1, 1], at `mel_rate_hz`; zeros where longer pieces are
            not wanted.
        """
        ...
