"""Seeded crops of clips: a batch is a function of (seed, step)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voiceswap.arrays import Array
from voiceswap.config import Config
from voiceswap.signal import features
from voiceswap.signal.f0 import interpolate_f0
from voiceswap.training.dataset import Clip

# Speakers with little speech are seen more often than their share, those with much less often: by this power of it.
BALANCE_POWER = 0.6
BALANCE_MAX_S = 600.0
# So many crops at most are judged on.
MAX_HELD_OUT_CROPS = 96


@dataclass(frozen=True)
class Batch:
    """Crops for the decoder.

    Attributes:
        content: Shape (batch, n_frames, content_dim), float32.
        conditions: Shape (batch, n_frames, 3 + n_mels), float32.
        speaker: Shape (batch,), int32.
        mel: Shape (batch, n_frames, n_mels), float32: the target.
        weight: Shape (batch, n_frames, 1), float32: 0 past a clip's end.
    """

    content: Array
    conditions: Array
    speaker: Array
    mel: Array
    weight: Array

    @property
    def inputs(self) -> list[Array]:
        """What the decoder takes."""
        return [self.content, self.conditions, self.speaker]


class CropSampler:
    """Draws crops from speakers' clips."""

    def __init__(self, speakers: Sequence[Sequence[Clip]], config: Config, seed: int) -> None:
        self._speakers = speakers
        self._config = config
        self._seed = seed
        self._clip_shares = [_compute_shares([len(c.mel) for c in clips], 1.0, np.inf) for clips in speakers]
        max_frames = BALANCE_MAX_S * config.features.frames_per_s
        self._speaker_shares = _compute_shares(
            [sum(len(c.mel) for c in clips) for clips in speakers], BALANCE_POWER, max_frames
        )

    def batch(self, step: int) -> Batch:
        """The batch of one step, with noise on its content."""
        random = np.random.default_rng([self._seed, step])
        crops = [crop(*place, self._config) for place in self._draw_crops(random)]
        batch = stack_batches(crops)
        noise = random.normal(0.0, self._config.train.content_noise, batch.content.shape).astype(np.float32)
        return Batch(batch.content + noise, batch.conditions, batch.speaker, batch.mel, batch.weight)

    def sources(self, step: int) -> list[Path]:
        """The recordings that the batch of one step is drawn from, sorted."""
        places = self._draw_crops(np.random.default_rng([self._seed, step]))
        return sorted({clip.source for clip, *_ in places})

    def _draw_crops(self, random: np.random.Generator) -> list[tuple[Clip, int, int, int]]:
        """Clip, copy, first frame and speaker of each crop."""
        t = self._config.train
        places = []
        for _ in range(t.batch):
            speaker = int(random.choice(len(self._speakers), p=self._speaker_shares))
            clips = self._speakers[speaker]
            clip = clips[int(random.choice(len(clips), p=self._clip_shares[speaker]))]
            perturbed = len(clip.contents) > 1 and random.random() < t.perturbed_share
            copy = int(random.integers(1, len(clip.contents))) if perturbed else 0
            first = int(random.integers(0, max(0, len(clip.mel) - t.crop_frames) + 1))
            places.append((clip, copy, first, speaker))
        return places


def make_held_out_batch(
    speakers: Sequence[Sequence[Clip]], config: Config, max_crops: int = MAX_HELD_OUT_CROPS
) -> Batch | None:
    """The held-out clips as one batch, plain and perturbed content in turn; None without any.

    Args:
        speakers: Held-out clips of each speaker.
        config: Crop length.
        max_crops: At most so many crops, evenly picked.

    Returns:
        The batch, without noise.
    """
    n = config.train.crop_frames
    places = [
        (clip, first, speaker)
        for speaker, clips in enumerate(speakers)
        for clip in clips
        for first in range(0, max(1, len(clip.mel) - n // 2), n)
    ]
    if not places:
        return None
    chosen = [places[i] for i in np.unique(np.linspace(0, len(places) - 1, min(max_crops, len(places))).astype(int))]
    return stack_batches(
        [crop(clip, k % len(clip.contents), first, speaker, config) for k, (clip, first, speaker) in enumerate(chosen)]
    )


def crop(clip: Clip, copy: int, first: int, speaker: int, config: Config) -> Batch:
    """`crop_frames` frames of a clip from frame `first` on, as a batch of one; padded with silence past its end."""
    n_wanted = config.train.crop_frames
    mel = clip.mel[first : first + n_wanted].astype(np.float32)
    before = min(first, features.ENERGY_REACH_FRAMES)
    around = slice(first - before, first + n_wanted + features.ENERGY_REACH_FRAMES)
    f0_hz = interpolate_f0(clip.f0_hz, config.features.frames_per_s)[around]
    inputs = features.decoder_inputs(
        clip.contents[copy], clip.mel[around], f0_hz, clip.f0_hz[around] > 0, config.features, first - before
    )
    content, conditions = (each[before : before + len(mel)] for each in inputs)
    missing = ((0, n_wanted - len(mel)), (0, 0))
    return Batch(
        np.pad(content, missing)[None],
        np.pad(conditions, missing)[None],
        np.array([speaker], np.int32),
        np.pad(mel, missing, constant_values=features.SILENT_MEL)[None],
        np.pad(np.ones((len(mel), 1), np.float32), missing)[None],
    )


def stack_batches(crops: Sequence[Batch]) -> Batch:
    """Many batches as one."""
    fields = ("content", "conditions", "speaker", "mel", "weight")
    return Batch(*(np.concatenate([getattr(c, name) for c in crops]) for name in fields))


def _compute_shares(lengths: Sequence[int], power: float, max_length: float) -> Array:
    weights = np.minimum(np.asarray(lengths, dtype=float), max_length) ** power
    return np.asarray(weights / weights.sum())
