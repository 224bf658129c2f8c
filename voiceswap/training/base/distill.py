"""A low-rank vocoder learning to say what the whole one says: its step, its score, and all that a resumed run needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from voiceswap.arrays import Array, Arrays
from voiceswap.config import Config
from voiceswap.model.networks import hifigan as hifigan_network
from voiceswap.model.networks import keras
from voiceswap.model.vocoders.hifigan import Ranks
from voiceswap.model.weights import load_arrays
from voiceswap.training.base.low_rank import bin_weights, loudness_around
from voiceswap.training.learner import Resumable, learning_rate_share

# Frames at either end of a crop that lack some of what the network would see.
EDGE_FRAMES = 10
# Spectra of several resolutions (Yamamoto et al., 2020): window and step in samples.
RESOLUTIONS = ((256, 64), (512, 128), (1024, 256))
# What lies below this share of the loudness around it is no louder or softer to anybody.
SOFT_SHARE = 0.05
# Added to a square before its root is taken, so that the root has a finite gradient at 0.
ROOT_FLOOR = 1e-4
BETA_1 = 0.9
BETA_2 = 0.98
MAX_GRADIENT_NORM = 2.0


@dataclass(frozen=True)
class DistillBatch:
    """Crops of mels, (batch, n_frames, n_mels), and what the whole vocoder says to them, (batch, n_samples)."""

    mel: Array
    samples: Array

    def pick(self, which: Array) -> DistillBatch:
        """Some of them, by a mask or by indices."""
        return DistillBatch(self.mel[which], self.samples[which])

    def cut(self, n_frames: int) -> DistillBatch:
        """The first frames of each."""
        hop = self.samples.shape[1] // self.mel.shape[1]
        return DistillBatch(self.mel[:, :n_frames], self.samples[:, : n_frames * hop])


class DistillSampler:
    """Draws crops of examples; a batch is a function of (seed, step)."""

    def __init__(self, examples: DistillBatch, sources: Sequence[Path], config: Config, seed: int) -> None:
        self._examples = examples
        self._sources = sources
        self._config = config
        self._seed = seed

    def batch(self, step: int) -> DistillBatch:
        """The batch of one step."""
        n_frames = self._config.train.crop_frames
        hop = self._config.features.hop_samples
        crops = list(zip(*self._draw(step), strict=True))
        mels = [self._examples.mel[i, first : first + n_frames] for i, first in crops]
        samples = [self._examples.samples[i, first * hop :][: n_frames * hop] for i, first in crops]
        return DistillBatch(np.stack(mels), np.stack(samples))

    def sources(self, step: int) -> list[Path]:
        """The recordings that the batch of one step is drawn from, sorted."""
        return sorted({self._sources[i] for i in self._draw(step)[0]})

    def _draw(self, step: int) -> tuple[Array, Array]:
        """Which example, and from which frame on, for each crop of a step."""
        t = self._config.train
        random = np.random.default_rng([self._seed, step])
        n_clips, n_frames = self._examples.mel.shape[:2]
        return random.integers(0, n_clips, t.batch), random.integers(0, n_frames - t.crop_frames + 1, t.batch)


class LowRankLearner(Resumable):
    """A low-rank vocoder whose inner convolutions learn; what it shares with the whole one stays.

    Args:
        config: The vocoder's settings, and how to train.
        ranks: Of its inner convolutions.
        start: All its weights.
    """

    def __init__(self, config: Config, ranks: Ranks, start: Arrays) -> None:
        self.config = config
        self.model = hifigan_network.build(config, ranks=ranks)
        load_arrays(self.model, start)
        self._trained = [v for v in self.model.trainable_variables if v.path.split("/")[0] in ranks]
        self._optimiser = keras.optimizers.Adam(
            config.train.learning_rate, beta_1=BETA_1, beta_2=BETA_2, global_clipnorm=MAX_GRADIENT_NORM
        )
        self._optimiser.build(self._trained)
        self._step = tf.function(self._one_step)
        self._score = tf.function(lambda mel, samples: self._distance(mel, samples, training=False))

    def step(self, batch: DistillBatch, step: int, n_steps: int) -> float:
        """Learn from one batch; the distance before it, or the size of a gradient that is not finite."""
        t = self.config.train
        self._optimiser.learning_rate.assign(t.learning_rate * learning_rate_share(t, step, n_steps))
        return float(self._step(tf.constant(batch.mel), tf.constant(batch.samples)))

    def score(self, batch: DistillBatch) -> float:
        """How far it is on the mean from what the whole vocoder says; lower is better."""
        size = self.config.train.batch
        parts = [slice(first, first + size) for first in range(0, len(batch.mel), size)]
        distances = [float(self._score(tf.constant(batch.mel[p]), tf.constant(batch.samples[p]))) for p in parts]
        return float(np.average(distances, weights=[len(batch.mel[p]) for p in parts]))

    def weights(self) -> Arrays:
        """The inner convolutions' weights, float32."""
        return {v.path: np.asarray(v.numpy(), np.float32) for v in self._trained}

    def groups(self) -> dict[str, Any]:
        """The weights that learn, and their optimiser."""
        return {"vocoder": self._trained, "optimiser": self._optimiser.variables}

    def _one_step(self, mel: Any, samples: Any) -> Any:
        with tf.GradientTape() as tape:
            distance = self._distance(mel, samples, training=True)
        gradients = tape.gradient(distance, self._trained)
        self._optimiser.apply(gradients, self._trained)
        size = tf.linalg.global_norm(gradients)
        return tf.where(tf.math.is_finite(size), distance, size)

    def _distance(self, mel: Any, samples: Any, *, training: bool) -> Any:
        edge = EDGE_FRAMES * self.config.features.hop_samples
        rendered = self.model(mel, training=training)[:, edge:-edge]
        return spectral_distance(rendered, samples[:, edge:-edge], self.config.features.mel_rate_hz)


def spectral_distance(samples: Any, target: Any, rate_hz: int) -> Any:
    """How far samples are from a target, (batch, n_samples) each, heard with their phases and without.

    On the mean over slices, bins and resolutions, the bins as dense as the ear's: the size of the difference relative
    to how loud the target is around, and the difference of the logarithms of both sizes.
    """
    total = 0.0
    for window, step in RESOLUTIONS:
        ours, theirs = (tf.signal.stft(x, window, step) for x in (samples, target))
        loudness = loudness_around(theirs)
        weights = bin_weights(window, rate_hz)
        difference = tf.sqrt(tf.abs(ours - theirs) ** 2 / loudness**2 + ROOT_FLOOR)
        sizes = [tf.math.log(tf.abs(x) + SOFT_SHARE * loudness) for x in (ours, theirs)]
        total += tf.reduce_mean(weights * (difference + tf.abs(sizes[0] - sizes[1])))
    return total
