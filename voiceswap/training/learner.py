"""One decoder learning: its step, its score, and all that a resumed run needs."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import tensorflow as tf

from voiceswap.arrays import Array, Arrays
from voiceswap.config import Config, TrainConfig
from voiceswap.model.networks import decoder as decoder_network
from voiceswap.model.networks import discriminator, keras
from voiceswap.model.weights import load_arrays, to_arrays
from voiceswap.training.batches import Batch

# Least-squares GAN with feature matching (Mao et al., 2017; Larsen et al., 2016), at the prototype's weights.
FEATURE_MATCHING = 2.0
# The share of the learning rate that the last step has.
LAST_RATE_SHARE = 0.05


class Resumable(ABC):
    """What a run needs of something that learns, to go on with it later."""

    @abstractmethod
    def groups(self) -> dict[str, Any]:
        """All variables that change while learning, by what they belong to."""

    def state(self) -> Arrays:
        """Everything that changes while learning."""
        return {name: np.asarray(variable.numpy()) for name, variable in self._variables().items()}

    def restore(self, state: Arrays) -> None:
        """Go on from what `state` gave."""
        for name, variable in self._variables().items():
            variable.assign(state[name])

    def expected_state(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Names, shapes and types of `state`, before anything is read."""
        types = {"float32": "F32", "int32": "I32", "int64": "I64"}
        return {name: (tuple(v.shape), types[v.dtype]) for name, v in self._variables().items()}

    def _variables(self) -> dict[str, Any]:
        return {f"{group}/{i:04d}": v for group, held in self.groups().items() for i, v in enumerate(held)}


class DecoderLearner(Resumable):
    """A decoder, its discriminator if the settings ask for one (`adversary`), and their optimisers."""

    def __init__(self, config: Config, start: Arrays | None, seed: int) -> None:
        keras.utils.set_random_seed(seed)
        self.config = config
        self.model = decoder_network.build(config)
        if start is not None:
            load_arrays(self.model, start)
        t = config.train
        self._discriminator = discriminator.build(config) if t.adversary else None
        self._optimiser = keras.optimizers.AdamW(
            t.learning_rate,
            weight_decay=t.weight_decay,
            beta_1=0.5 if t.adversary else 0.9,
            beta_2=0.9 if t.adversary else 0.98,
            global_clipnorm=1.0,
        )
        self._optimiser.build(self.model.trainable_variables)
        if self._discriminator is not None:
            self._discriminator_optimiser = keras.optimizers.AdamW(t.adversary_learning_rate, beta_1=0.5, beta_2=0.9)
            self._discriminator_optimiser.build(self._discriminator.trainable_variables)
        self._plain_step = tf.function(self._step_without_discriminator)
        self._full_step = tf.function(self._step_with_discriminator)

    def step(self, batch: Batch, step: int, n_steps: int) -> float:
        """Learn from one batch.

        Args:
            batch: What to learn from.
            step: Counted from 0.
            n_steps: How many there will be: the learning rate falls along a cosine.

        Returns:
            The mean absolute error of the mel, in natural-log units; if the gradient is not finite, its size instead.
        """
        t = self.config.train
        rate = learning_rate_share(t, step, n_steps)
        self._optimiser.learning_rate.assign(t.learning_rate * rate)
        tensors = [tf.convert_to_tensor(x) for x in (*batch.inputs, batch.mel, batch.weight)]
        if self._discriminator is None:
            return float(self._plain_step(*tensors))
        self._discriminator_optimiser.learning_rate.assign(t.adversary_learning_rate * rate)
        # The discriminator first learns alone: early verdicts would be noise.
        return float(self._full_step(*tensors, tf.constant(t.adversary if step >= t.adversary_from_step else 0.0)))

    def score(self, batch: Batch) -> float:
        """How far the mel of held-out crops is from what it should be: its error, and the detail that it lacks.

        The error alone prefers the mean of all that could be said: it rises while the discriminator wipes the blur away
        that everybody hears. So the mean step from frame to frame and from band to band counts too, by as much as it
        differs from that of the recording (docs/lab/stopping.md).

        Args:
            batch: Crops that the training has not seen.

        Returns:
            Natural-log units; lower is better.
        """
        size = self.config.train.batch
        parts = [slice(first, first + size) for first in range(0, len(batch.mel), size)]
        mel = np.concatenate([self.model.predict_on_batch([x[part] for x in batch.inputs]) for part in parts])
        error = np.abs(mel - batch.mel).mean(-1, keepdims=True)
        missing_detail = _measure_detail(mel, batch.weight) - _measure_detail(batch.mel, batch.weight)
        return float((error * batch.weight).sum() / batch.weight.sum() + np.abs(missing_detail).sum())

    def weights(self) -> Arrays:
        """The decoder's weights, float32."""
        return to_arrays(self.model, "float32")

    def groups(self) -> dict[str, Any]:
        """Weights, discriminator, both optimisers; the names are those in checkpoints."""
        groups = {"decoder": self.model.weights, "optimiser": self._optimiser.variables}
        if self._discriminator is not None:
            groups |= {
                "critic": self._discriminator.weights,
                "critic_optimiser": self._discriminator_optimiser.variables,
            }
        return groups

    def _step_without_discriminator(self, content: Any, conditions: Any, speaker: Any, mel: Any, weight: Any) -> Any:
        with tf.GradientTape() as tape:
            decoded = self.model([content, conditions, speaker], training=True)
            error = _mean_error(decoded, mel, weight)
        variables = self.model.trainable_variables
        gradients = tape.gradient(error, variables)
        self._optimiser.apply(gradients, variables)
        return _check_finite(gradients, error)

    def _step_with_discriminator(
        self, content: Any, conditions: Any, speaker: Any, mel: Any, weight: Any, strength: Any
    ) -> Any:
        discriminator = self._discriminator
        assert discriminator is not None
        # One way through the discriminator serves both: it judges as it was before this step.
        with tf.GradientTape(persistent=True) as tape:
            decoded = self.model([content, conditions, speaker], training=True)
            # What lies past a clip's end is nobody's fault.
            judged = decoded * weight + mel * (1 - weight)
            real_verdict, *real_activations = discriminator(mel, training=True)
            verdict, *decoded_activations = discriminator(judged, training=True)
            discriminator_loss = keras.ops.mean((real_verdict - 1) ** 2) + keras.ops.mean(verdict**2)
            matching = sum(
                keras.ops.mean(keras.ops.abs(ours - keras.ops.stop_gradient(theirs)))
                for ours, theirs in zip(decoded_activations, real_activations, strict=True)
            )
            error = _mean_error(decoded, mel, weight)
            loss = error + strength * (keras.ops.mean((verdict - 1) ** 2) + FEATURE_MATCHING * matching)
        variables = self.model.trainable_variables
        discriminator_variables = discriminator.trainable_variables
        gradients = tape.gradient(loss, variables)
        discriminator_gradients = tape.gradient(discriminator_loss, discriminator_variables)
        self._optimiser.apply(gradients, variables)
        self._discriminator_optimiser.apply(discriminator_gradients, discriminator_variables)
        return _check_finite([*gradients, *discriminator_gradients], error)


def learning_rate_share(settings: TrainConfig, step: int, n_steps: int) -> float:
    """The share of the learning rate in a step, counted from 0: up in a line, then down along a cosine."""
    fall = LAST_RATE_SHARE + (1 - LAST_RATE_SHARE) * 0.5 * (1 + math.cos(math.pi * min(1.0, step / n_steps)))
    return min(1.0, (step + 1) / settings.warmup_steps) * fall


def _measure_detail(mel: Array, weight: Array) -> Array:
    """The mean step from frame to frame, and from band to band, of `(batch, n_frames, n_mels)`: (2,)."""
    in_time = (np.abs(np.diff(mel, axis=1)) * weight[:, 1:]).sum() / (weight[:, 1:].sum() * mel.shape[2])
    in_bands = (np.abs(np.diff(mel, axis=2)) * weight).sum() / (weight.sum() * (mel.shape[2] - 1))
    return np.array([in_time, in_bands])


def _mean_error(decoded: Array, mel: Array, weight: Array) -> Any:
    return keras.ops.sum(keras.ops.mean(keras.ops.abs(decoded - mel), axis=-1, keepdims=True) * weight) / keras.ops.sum(
        weight
    )


def _check_finite(gradients: Any, error: Any) -> Any:
    """The error, or the size of gradients that are not finite: the weights are broken then, though the error is not."""
    size = tf.linalg.global_norm(gradients)
    return tf.where(tf.math.is_finite(size), error, size)
