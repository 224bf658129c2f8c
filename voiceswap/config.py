"""Every setting of voiceswap, once: validated, frozen, and the same in files, code and command line."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from voiceswap.errors import ModelError

Count = Annotated[int, Field(ge=1, le=8192)]
Sizes = tuple[Count, ...]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=False)


class FeatureConfig(_Section):
    """Framing and mel bands. The two log-mels are those that Whisper and HiFi-GAN define."""

    content_rate_hz: Annotated[int, Field(ge=8000, le=48000)] = 16000
    content_n_fft: Count = 400
    content_hop_samples: Count = 160
    content_n_mels: Count = 80
    mel_rate_hz: Annotated[int, Field(ge=8000, le=48000)] = 22050
    n_fft: Count = 1024
    hop_samples: Count = 256
    n_mels: Count = 80
    mel_max_hz: Annotated[float, Field(gt=0, le=24000)] = 8000.0
    f0_min_hz: Annotated[float, Field(ge=40, le=200)] = 50.0
    f0_max_hz: Annotated[float, Field(ge=300, le=2000)] = 1100.0
    speech_level_db: Annotated[float, Field(ge=-60, le=-6)] = -23.0

    @property
    def frames_per_s(self) -> float:
        """Mel frames a second."""
        return self.mel_rate_hz / self.hop_samples

    @property
    def content_per_s(self) -> float:
        """Content vectors a second: the encoder halves its mel frames."""
        return self.content_rate_hz / self.content_hop_samples / 2


class EncoderConfig(_Section):
    """The content encoder: Whisper's encoder and a linear map to principal components."""

    width: Count = 512
    n_heads: Count = 8
    n_layers: Count = 6
    content_dim: Count = 96
    window_vectors: Count = 1500

    @model_validator(mode="after")
    def _heads_divide_width(self) -> EncoderConfig:
        if self.width % self.n_heads or self.width % 2:
            raise ValueError(f"width {self.width} must be even and divisible by n_heads {self.n_heads}")
        return self


class DecoderConfig(_Section):
    """The decoder: ConvNeXt blocks, each steered by the speaker's vector."""

    width: Count = 256
    dilations: Annotated[Sizes, Field(min_length=1, max_length=32)] = (1, 2, 4, 1, 2, 4, 1, 1)
    kernel_frames: Count = 7
    expansion: Count = 3
    speaker_dim: Count = 128
    n_speakers: Count = 1

    @property
    def context_frames(self) -> int:
        """Frames to either side that can change one output frame."""
        return (self.kernel_frames // 2) * sum(self.dilations) + 1


class VocoderConfig(_Section):
    """HiFi-GAN's generator, version 1 (Kong et al., 2020)."""

    channels: Count = 512
    upsample_rates: Annotated[Sizes, Field(min_length=1, max_length=8)] = (8, 8, 2, 2)
    upsample_kernels: Annotated[Sizes, Field(min_length=1, max_length=8)] = (16, 16, 4, 4)
    block_kernels: Annotated[Sizes, Field(min_length=1, max_length=8)] = (3, 7, 11)
    block_dilations: Annotated[Sizes, Field(min_length=1, max_length=8)] = (1, 3, 5)

    @model_validator(mode="after")
    def _stages_match(self) -> VocoderConfig:
        if len(self.upsample_rates) != len(self.upsample_kernels):
            raise ValueError("upsample_rates and upsample_kernels must have the same length")
        if self.channels % 2 ** len(self.upsample_rates):
            raise ValueError(f"channels {self.channels} must halve at each of {len(self.upsample_rates)} stages")
        return self

    @property
    def context_frames(self) -> int:
        """Frames to either side that can change one output frame, rounded up."""
        reach, samples_per_frame = 3.0, 1
        for rate, kernel in zip(self.upsample_rates, self.upsample_kernels, strict=True):
            reach += kernel / 2 / rate / samples_per_frame
            samples_per_frame *= rate
            reach += self.block_reach / samples_per_frame
        return math.ceil(reach + 3 / samples_per_frame)

    @property
    def block_reach(self) -> int:
        """Values to either side that can change one value that a stage's residual blocks give."""
        return max(self.block_kernels) // 2 * (sum(self.block_dilations) + len(self.block_dilations))


class QuickVocoderConfig(_Section):
    """The quick vocoder: ConvNeXt blocks that say how pulses and noise are to be filtered."""

    width: Count = 256
    n_blocks: Annotated[int, Field(ge=1, le=64)] = 8
    kernel_frames: Count = 7
    expansion: Count = 3
    n_fft: Annotated[int, Field(ge=16, le=8192)] = 512
    step_samples: Annotated[int, Field(ge=2, le=2048)] = 128

    @model_validator(mode="after")
    def _windows_overlap(self) -> QuickVocoderConfig:
        if self.n_fft % self.step_samples or self.n_fft < 4 * self.step_samples or self.step_samples % 2:
            raise ValueError(
                f"n_fft {self.n_fft} must be a multiple of step_samples {self.step_samples}, which is even, "
                "and four times as much at least"
            )
        return self


class TrainConfig(_Section):
    """How networks are trained: the recipe of docs/design.md."""

    crop_frames: Count = 86
    batch: Count = 16
    steps: Annotated[int, Field(ge=1, le=1_000_000)] = 450
    learning_rate: Annotated[float, Field(gt=0, le=0.1)] = 4e-4
    warmup_steps: Count = 30
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 1e-2
    content_noise: Annotated[float, Field(ge=0, le=1)] = 0.05
    adversary: Annotated[float, Field(ge=0, le=10)] = 0.1
    adversary_learning_rate: Annotated[float, Field(gt=0, le=0.1)] = 4e-4
    adversary_from_step: Annotated[int, Field(ge=0)] = 40
    perturbed_copies: Annotated[int, Field(ge=0, le=8)] = 2
    perturbed_share: Annotated[float, Field(ge=0, le=1)] = 0.7
    perturbed_rooms: bool = False
    evaluate_every: Count = 50
    patience: Count = 4
    checkpoint_every_s: Annotated[float, Field(ge=0, le=60)] = 30.0


class Config(_Section):
    """All settings of a base and of the voices that belong to it."""

    schema_version: Annotated[int, Field(ge=1, le=1)] = 1
    features: FeatureConfig = FeatureConfig()
    encoder: EncoderConfig = EncoderConfig()
    decoder: DecoderConfig = DecoderConfig()
    vocoder: VocoderConfig = VocoderConfig()
    quick_vocoder: QuickVocoderConfig = QuickVocoderConfig()
    train: TrainConfig = TrainConfig()

    @model_validator(mode="after")
    def _hops_match(self) -> Config:
        samples = math.prod(self.vocoder.upsample_rates)
        if samples != self.features.hop_samples:
            raise ValueError(f"upsample_rates make {samples} samples a frame, not {self.features.hop_samples}")
        if self.features.hop_samples % self.quick_vocoder.step_samples:
            raise ValueError(
                f"hop_samples {self.features.hop_samples} must be a multiple of the quick vocoder's step_samples "
                f"{self.quick_vocoder.step_samples}"
            )
        return self

    def to_json(self) -> dict[str, Any]:
        """The settings as plain JSON values."""
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, value: Any, where: str = "config.json") -> Config:
        """Settings from plain JSON values.

        Args:
            value: What `to_json` gave.
            where: The file, for the message.

        Returns:
            The checked settings.

        Raises:
            ModelError: An unknown key, a wrong type or a value out of range; names the key and the value.
        """
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            key = ".".join(str(part) for part in first["loc"]) or "the whole"
            found = repr(first["input"])[:60]
            raise ModelError(
                f"{where}: {key} is {found}: {first['msg'][:120].lower()}",
                "the file is damaged or was made by another version of voiceswap",
            ) from error
