"""The quick vocoder learning: its step, its discriminators', its score, and all that a resumed run needs."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import tensorflow as tf

from voiceswap.arrays import Arrays
from voiceswap.config import Config
from voiceswap.model.networks import keras, quick_discriminator
from voiceswap.model.networks import quick_vocoder as quick_vocoder_network
from voiceswap.model.weights import load_arrays, to_arrays
from voiceswap.training.base.quick_examples import QuickBatch
from voiceswap.training.base.quick_losses import (
    DISCRIMINATORS,
    count_seen,
    draw_picture,
    measure_distances,
    remove_top,
    render,
)
from voiceswap.training.learner import Resumable, learning_rate_share

# How much of the gradient at the samples comes of spectra, complex spectra, the discriminators' verdicts and their
# activations, whatever the sizes of these losses are (Défossez et al., 2022, of EnCodec).
SHARES = (1.5, 0.3, 3.0, 2.0)
# The sizes are measured in the first steps, and in one of so many after that; a new one counts by this much.
MEASURED_FIRST = 5
MEASURED_EVERY = 10
MEASURED_SHARE = 0.1
# All together the gradient is so many times that of the spectra's loss.
GRADIENT_SCALE = 3.0
# Frames at either end of a crop that lack some of what the network would see.
EDGE_FRAMES = 3
BETA_1 = 0.8
BETA_2 = 0.99
MAX_GRADIENT_NORM = 10.0
# Of the running mean of the weights, which is what is kept; it follows more quickly at first.
MEAN_DECAY = 0.999
MEAN_WARMUP_STEPS = 20


class QuickLearner(Resumable):
    """A quick vocoder, the running mean of its weights, its discriminators, and both optimisers.

    Args:
        config: The vocoder's settings, and how to train.
        start: Its weights; fresh ones if not given.
        seed: Of fresh weights.
    """

    def __init__(self, config: Config, start: Arrays | None, seed: int) -> None:
        keras.utils.set_random_seed(seed)
        self.config = config
        self._rate_hz = config.features.mel_rate_hz
        self.model = quick_vocoder_network.build(config)
        if start is not None:
            load_arrays(self.model, start)
        self.mean = quick_vocoder_network.build(config)
        self.mean.set_weights(self.model.get_weights())
        self._discriminators = [
            quick_discriminator.build(
                count_seen(window, self._rate_hz), 3 if with_phase else 1, f"discriminator_{window}"
            )
            for window, _, with_phase in DISCRIMINATORS
        ]
        self._discriminators_variables = [
            v for discriminator in self._discriminators for v in discriminator.trainable_variables
        ]
        self._sizes = keras.Variable(np.zeros(len(SHARES), np.float32), trainable=False, name="sizes")
        t = config.train
        self._optimiser = _make_optimiser(t.learning_rate, t.weight_decay, self.model.trainable_variables)
        self._discriminators_optimiser = _make_optimiser(
            t.adversary_learning_rate, t.weight_decay, self._discriminators_variables
        )
        self._measured_step = tf.function(lambda *given: self._one_step(*given, measured=True))
        self._plain_step = tf.function(lambda *given: self._one_step(*given, measured=False))
        self._score = tf.function(lambda *tensors: self._measure(QuickBatch(*tensors)))

    def step(self, batch: QuickBatch, step: int, n_steps: int) -> float:
        """Learn from one batch.

        Args:
            batch: What to learn from.
            step: Counted from 0.
            n_steps: How many there will be: the learning rate falls along a cosine.

        Returns:
            The distance of both spectra before it; if the gradient is not finite, its size instead.
        """
        t = self.config.train
        rate = learning_rate_share(t, step, n_steps)
        self._optimiser.learning_rate.assign(t.learning_rate * rate)
        self._discriminators_optimiser.learning_rate.assign(t.adversary_learning_rate * rate)
        is_measured = step < MEASURED_FIRST or step % MEASURED_EVERY == 0
        take_step = self._measured_step if is_measured else self._plain_step
        # Discriminators first learn alone: early verdicts would be noise.
        judged = tf.constant(1.0 if step >= t.adversary_from_step else 0.0)
        decay = tf.constant(min(MEAN_DECAY, (step + 1) / (step + MEAN_WARMUP_STEPS)), tf.float32)
        return float(take_step(judged, decay, *_to_tensors(batch)))

    def score(self, batch: QuickBatch) -> float:
        """How far the running mean is from what was recorded, by both kinds of spectra; lower is better.

        Args:
            batch: Crops that the training has not seen.

        Returns:
            The mean distance. It does not tell what discriminators hear.
        """
        size = self.config.train.batch
        parts = [batch.cut(first, first + size) for first in range(0, len(batch.mel), size)]
        distances = [float(self._score(*_to_tensors(part))) for part in parts]
        return float(np.average(distances, weights=[len(part.mel) for part in parts]))

    def weights(self) -> Arrays:
        """The running mean of the weights, float32."""
        return to_arrays(self.mean, "float32")

    def groups(self) -> dict[str, Any]:
        """Weights, their running mean, discriminators, both optimisers, and the losses' sizes."""
        return {
            "vocoder": self.model.weights,
            "mean": self.mean.weights,
            "optimiser": self._optimiser.variables,
            "discriminators": self._discriminators_variables,
            "discriminators_optimiser": self._discriminators_optimiser.variables,
            "sizes": [self._sizes],
        }

    def _measure(self, batch: QuickBatch) -> Any:
        made = self._inner(render(self.mean(batch.inputs), batch, self.config))
        return tf.add_n(measure_distances(made, self._inner(batch.samples), self._rate_hz))

    def _inner(self, samples: Any) -> Any:
        edge = EDGE_FRAMES * self.config.features.hop_samples
        return samples[:, edge:-edge]

    def _one_step(self, judged: Any, decay: Any, *tensors: Any, measured: bool) -> Any:
        batch = QuickBatch(*tensors)
        recorded = self._inner(batch.samples)
        variables = self.model.trainable_variables
        shares = tf.constant(SHARES) * tf.stack([1.0, 1.0, judged, judged])
        with tf.GradientTape(persistent=True) as tape:
            made = self._inner(render(self.model(batch.inputs, training=True), batch, self.config))
            distances = measure_distances(made, recorded, self._rate_hz)
            discriminators_loss, verdict, matching = self._judge(made, recorded)
            losses = [*distances, verdict, matching]
            if not measured:
                total = tf.add_n([w * loss for w, loss in zip(self._weigh(shares), losses, strict=True)])
        if measured:
            # One by one at the samples, and then together through the network.
            at_samples = [tape.gradient(loss, made) for loss in losses]
            sizes = tf.stack([tf.norm(gradient) for gradient in at_samples])
            before = tf.convert_to_tensor(self._sizes)
            smoothed = before * (1 - MEASURED_SHARE) + sizes * MEASURED_SHARE
            self._sizes.assign(tf.where(before == 0.0, sizes, smoothed))
            weighed = [w * gradient for w, gradient in zip(self._weigh(shares), at_samples, strict=True)]
            gradients = tape.gradient(made, variables, output_gradients=tf.add_n(weighed))
        else:
            gradients = tape.gradient(total, variables)
        discriminators_gradients = tape.gradient(discriminators_loss, self._discriminators_variables)
        self._optimiser.apply(gradients, variables)
        self._discriminators_optimiser.apply(discriminators_gradients, self._discriminators_variables)
        for mean, variable in zip(self.mean.trainable_variables, variables, strict=True):
            mean.assign(mean * decay + variable * (1 - decay))
        size = tf.linalg.global_norm([*gradients, *discriminators_gradients])
        return tf.where(tf.math.is_finite(size), tf.add_n(distances), size)

    def _weigh(self, shares: Any) -> list[Any]:
        """What each loss is multiplied by, so that it has its share of the gradient at the samples."""
        sizes = tf.convert_to_tensor(self._sizes)
        weights = shares / (tf.reduce_sum(shares) * sizes + 1e-9) * sizes[0] * GRADIENT_SCALE
        return list(tf.unstack(weights))

    def _judge(self, made: Any, recorded: Any) -> tuple[Any, Any, Any]:
        """The discriminators' own loss, their verdict on what was made, and how their activations differ.

        Least-squares GAN with feature matching (Mao et al., 2017; Larsen et al., 2016). Recordings and copies go
        through them apart, so that the vocoder's gradient does not run through the recordings' half.
        """
        discriminators_loss = verdict = matching = 0.0
        ours, theirs = (remove_top(samples, self._rate_hz) for samples in (made, recorded))
        for discriminator, (window, step, with_phase) in zip(self._discriminators, DISCRIMINATORS, strict=True):
            (real, *real_activations), (fake, *fake_activations) = (
                discriminator(draw_picture(samples, window, step, self._rate_hz, with_phase=with_phase), training=True)
                for samples in (theirs, ours)
            )
            discriminators_loss += tf.reduce_mean((real - 1) ** 2) + tf.reduce_mean(fake**2)
            verdict += tf.reduce_mean((fake - 1) ** 2)
            for wanted, found in zip(real_activations, fake_activations, strict=True):
                wanted = tf.cast(tf.stop_gradient(wanted), tf.float32)
                error = tf.reduce_mean(tf.abs(wanted - tf.cast(found, tf.float32)))
                matching += error / (tf.reduce_mean(tf.abs(wanted)) + 1e-3) / len(real_activations)
        return discriminators_loss, verdict, matching


def _make_optimiser(learning_rate: float, weight_decay: float, variables: list[Any]) -> Any:
    optimiser = keras.optimizers.AdamW(
        learning_rate, weight_decay=weight_decay, beta_1=BETA_1, beta_2=BETA_2, global_clipnorm=MAX_GRADIENT_NORM
    )
    optimiser.build(variables)
    return optimiser


def _to_tensors(batch: QuickBatch) -> list[Any]:
    return [tf.constant(getattr(batch, field.name)) for field in fields(QuickBatch)]
