"""A slim vocoder learning to say what the whole one says: its step, its score, and all that a resumed run needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from voiceswap.arrays import Array, Arrays
from voiceswap.config import Config
from voiceswap.model.networks import hifigan as hifigan_network
from voiceswap.model.vocoders.hifigan import Ranks
from voiceswap.model.weights import load_arrays
from voiceswap.training.base.low_rank import bin_weights, loudness_around
from voiceswap.training.learner import Resumable, learning_rate_share

# Frames at either end of a crop that lack some of what the network would see.
EDGE_FRAMES = 10
# Spectra of several resolutions (Yamamoto et al., 2020): window and step in samples.
RESOLUTIONS = ((256, 64), (512, 128), (1024, 256))
# What lies so far below its surroundings is no louder or softer to anybody.
SOFT = 0.05


@dataclass(frozen=True)
class DistillBatch:
    """Crops of mels, (batch, n_frames, n_mels), and what the whole vocoder says to them, (batch, n_samples)."""

    mel: Array
    samples: Array

    def of(self, which: Array) -> DistillBatch:
        """Some of them, by a mask or by indices."""
        return DistillBatch(self.mel[which], self.samples[which])

    def beginning(self, n_frames: int) -> DistillBatch:
        """The first frames of each."""
        hop = self.samples.shape[1] // self.mel.shape[1]
        return DistillBatch(self.mel[:, :n_frames], self.samples[:, : n_frames * hop])


class DistillSampler:
    """Draws crops of what was said; a batch is a function of (seed, step)."""

    def __init__(self, said: DistillBatch, sources: Sequence[Path], config: Config, seed: int) -> None:
        self._said, self._sources, self._config, self._seed = said, sources, config, seed

    def batch(self, step: int) -> DistillBatch:
        """The batch of one step."""
        n, hop = self._config.train.crop_frames, self._config.features.hop_samples
        which, first = self._drawn(step)
        mels = [self._said.mel[i, start : start + n] for i, start in zip(which, first, strict=True)]
        samples = [self._said.samples[i, start * hop :][: n * hop] for i, start in zip(which, first, strict=True)]
        return DistillBatch(np.stack(mels), np.stack(samples))

    def sources(self, step: int) -> list[Path]:
        """The recordings that the batch of one step is drawn from, sorted."""
        return sorted({self._sources[i] for i in self._drawn(step)[0]})

    def _drawn(self, step: int) -> tuple[Array, Array]:
        t, random = self._config.train, np.random.default_rng([self._seed, step])
        n_clips, n_frames = self._said.mel.shape[:2]
        return random.integers(0, n_clips, t.batch), random.integers(0, n_frames - t.crop_frames + 1, t.batch)


class LowRankLearner(Resumable):
    """A slim vocoder whose inner convolutions learn; what it shares with the whole one stays.

    Args:
        config: The vocoder's settings, and how to train.
        ranks: Of its inner convolutions.
        start: All its weights.
    """

    def __init__(self, config: Config, ranks: Ranks, start: Arrays) -> None:
        self.config = config
        self.model = hifigan_network.build(config, ranks=ranks)
        load_arrays(self.model, start)
        self._learnt = [v for v in self.model.trainable_variables if v.path.split("/")[0] in ranks]
        self._optimiser = keras.optimizers.Adam(
            config.train.learning_rate, beta_1=0.9, beta_2=0.98, global_clipnorm=2.0
        )
        self._optimiser.build(self._learnt)
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
        found = [float(self._score(tf.constant(batch.mel[p]), tf.constant(batch.samples[p]))) for p in parts]
        return float(np.average(found, weights=[len(batch.mel[p]) for p in parts]))

    def weights(self) -> Arrays:
        """The inner convolutions' weights, float32."""
        return {v.path: np.asarray(v.numpy(), np.float32) for v in self._learnt}

    def groups(self) -> dict[str, Any]:
        """The weights that learn, and their optimiser."""
        return {"vocoder": self._learnt, "optimiser": self._optimiser.variables}

    def _one_step(self, mel: Any, samples: Any) -> Any:
        with tf.GradientTape() as tape:
            distance = self._distance(mel, samples, training=True)
        gradients = tape.gradient(distance, self._learnt)
        self._optimiser.apply(gradients, self._learnt)
        size = tf.linalg.global_norm(gradients)
        return tf.where(tf.math.is_finite(size), distance, size)

    def _distance(self, mel: Any, samples: Any, *, training: bool) -> Any:
        edge = EDGE_FRAMES * self.config.features.hop_samples
        made = self.model(mel, training=training)[:, edge:-edge]
        return spectral_distance(made, samples[:, edge:-edge], self.config.features.mel_rate_hz)


def spectral_distance(made: Any, wanted: Any, rate_hz: int) -> Any:
    """How far samples are from others, (batch, n_samples) each, heard with their phases and without.

    On the mean over slices, bins and resolutions, the bins as dense as the ear's: the size of the difference relative
    to how loud the wanted sound is around, and the difference of the logarithms of both sizes.
    """
    total = 0.0
    for window, step in RESOLUTIONS:
        ours, theirs = (tf.signal.stft(x, window, step) for x in (made, wanted))
        loudness, weights = loudness_around(theirs), bin_weights(window, rate_hz)
        apart = tf.sqrt(tf.abs(ours - theirs) ** 2 / loudness**2 + 1e-4)
        sizes = [tf.math.log(tf.abs(x) + SOFT * loudness) for x in (ours, theirs)]
        total += tf.reduce_mean(weights * (apart + tf.abs(sizes[0] - sizes[1])))
    return total
