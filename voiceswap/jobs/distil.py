"""Distilling the quick end of the vocoder: from what the trunk says to the waveform that the whole vocoder makes of it.

The whole vocoder's answer has the phase that the trunk has already decided on, so that the waveform itself can be
learnt; a critic of spectrograms keeps its noise from fading into the mean of all noises.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from voiceswap.config import Config
from voiceswap.errors import UsageError, WriteError
from voiceswap.jobs.dataset import Array, Clip
from voiceswap.jobs.learner import FEATURE_MATCHING, LAST_RATE
from voiceswap.model import vocoder
from voiceswap.model.layers import Arrays, load_arrays, to_arrays
from voiceswap.signal.features import SILENT_MEL
from voiceswap.storage import atomic

EXCERPT_FRAMES = 192
# Of each person at most so much: many voices matter more than much of one.
EXCERPTS_PER_SPEAKER = 4
N_HELD_OUT = 24
TRUNK, SAMPLES, DONE = "trunk.npy", "samples.npy", "lesson.json"
# Of the spectrograms that are compared, and of those that the critic looks at: window and hop in samples.
RESOLUTIONS = ((1024, 256), (512, 128), (256, 64), (128, 32))
CRITIC_RESOLUTIONS = RESOLUTIONS[:3]
# Magnitudes are raised to this power: quiet noise counts beside loud harmonics.
COMPRESSION = 0.3
WAVEFORM_WEIGHT = 0.3


@dataclass(frozen=True)
class Heard:
    """What the quick end learns from.

    Attributes:
        trunk: Shape (batch, n_positions + 2 * margin, trunk_channels), float32.
        samples: Shape (batch, n_positions * hop), float32: what the whole vocoder makes of it.
    """

    trunk: Array
    samples: Array


class Lesson:
    """The vocoder's own answers to real mels, worked out once and kept on the disk.

    Args:
        folder: Where they are kept.
        config: Sizes.
        seed: Of all that is drawn.
    """

    def __init__(self, folder: Path, config: Config, seed: int) -> None:
        self._config, self._seed = config, seed
        self._margin = config.vocoder.fast_context
        self._trunk = np.load(folder / TRUNK, mmap_mode="r")
        self._samples = np.load(folder / SAMPLES, mmap_mode="r")
        self._n_held_out = max(1, min(N_HELD_OUT, len(self._trunk) // 4))

    def batch(self, step: int) -> Heard:
        """The batch of one step."""
        t = self._config.train
        random = np.random.default_rng([self._seed, step])
        last = EXCERPT_FRAMES - t.crop_frames
        places = [
            (int(random.integers(self._n_held_out, len(self._trunk))), int(random.integers(0, last + 1)))
            for _ in range(t.batch)
        ]
        return self._cut(places, t.crop_frames)

    def held_out(self) -> Heard:
        """What the score is taken on."""
        return self._cut([(i, 0) for i in range(self._n_held_out)], EXCERPT_FRAMES)

    def _cut(self, places: Sequence[tuple[int, int]], n_frames: int) -> Heard:
        hop, rate, margin = self._config.features.hop_samples, self._config.vocoder.trunk_rate, self._margin
        trunk = [self._trunk[i, first * rate : (first + n_frames) * rate + 2 * margin] for i, first in places]
        samples = [self._samples[i, first * hop : (first + n_frames) * hop] for i, first in places]
        return Heard(np.stack(trunk).astype(np.float32), np.stack(samples).astype(np.float32))


def make_lesson(
    people: Sequence[Sequence[Clip]],
    best: keras.Model,
    config: Config,
    folder: Path,
    seed: int,
    report: Callable[[int, int], None],
) -> None:
    """Work out what the whole vocoder makes of real mels, unless `folder` holds it already.

    Args:
        people: Each person's clips.
        best: The whole vocoder.
        config: Sizes.
        folder: Where to keep it.
        seed: Of all that is drawn.
        report: Told how many excerpts of how many are done.

    Raises:
        UsageError: There are not two clips that are long enough.
        WriteError: The folder cannot be written.
    """
    if (folder / DONE).exists():
        return
    atomic.make_folder(folder)
    mels = _excerpts(people, config, seed)
    if len(mels) < 2:
        raise UsageError(
            f"{len(mels)} clips are as long as {EXCERPT_FRAMES} frames, wanted 2", "give longer recordings"
        )
    size, hop = config.vocoder, config.features.hop_samples
    around, margin = size.context_frames, size.fast_context
    both = keras.Model(best.input, [vocoder.trunk(best, config).output, best.output])
    shapes = {
        TRUNK: (len(mels), EXCERPT_FRAMES * size.trunk_rate + 2 * margin, size.trunk_channels),
        SAMPLES: (len(mels), EXCERPT_FRAMES * hop),
    }
    try:
        kept = {name: np.lib.format.open_memmap(folder / name, "w+", np.float16, s) for name, s in shapes.items()}
        for i, mel in enumerate(mels):
            report(i, len(mels))
            trunk, samples = both.predict_on_batch(mel[None].astype(np.float32))
            first = around * size.trunk_rate - margin
            kept[TRUNK][i] = trunk[0, first : first + shapes[TRUNK][1]]
            kept[SAMPLES][i] = samples[0, around * hop : (around + EXCERPT_FRAMES) * hop]
        for array in kept.values():
            array.flush()
    except OSError as error:
        raise WriteError(
            f"cannot write {folder}: {(error.strerror or str(error)).lower()}", "is there room?"
        ) from error
    atomic.write_json(folder / DONE, {"excerpts": len(mels)})


def _excerpts(people: Sequence[Sequence[Clip]], config: Config, seed: int) -> list[Array]:
    """Stretches of mels with what the vocoder looks at to either side; in an order that mixes the people."""
    random = np.random.default_rng(seed)
    n_frames = EXCERPT_FRAMES + 2 * config.vocoder.context_frames
    chosen = []
    for clips in people:
        long = [clip.mel for clip in clips if len(clip.mel) >= EXCERPT_FRAMES]
        for i in random.permutation(len(long))[:EXCERPTS_PER_SPEAKER]:
            missing = max(0, n_frames - len(long[i]))
            mel = np.pad(long[i], ((0, missing), (0, 0)), constant_values=SILENT_MEL)
            first = int(random.integers(0, len(mel) - n_frames + 1))
            chosen.append(mel[first : first + n_frames])
    return [chosen[i] for i in random.permutation(len(chosen))]


class QuickLearner:
    """The quick end learning, with its critic; what a resumed run needs. As `learner.Learner`, for `loop.run`.

    Args:
        config: Sizes and how to train.
        start: Weights to begin with; fresh ones if None.
        seed: Of all that is drawn.
    """

    def __init__(self, config: Config, start: Arrays | None, seed: int) -> None:
        keras.utils.set_random_seed(seed)
        self.config = config
        self.model = vocoder.build_fast(config)
        if start is not None:
            load_arrays(self.model, start)
        t = config.train
        self._optimiser = keras.optimizers.AdamW(
            t.learning_rate, weight_decay=t.weight_decay, beta_1=0.8, beta_2=0.98, global_clipnorm=1.0
        )
        self._optimiser.build(self.model.trainable_variables)
        self._critics = [_critic(window) for window, _ in CRITIC_RESOLUTIONS] if t.adversary else []
        self._critic_optimiser = keras.optimizers.AdamW(t.adversary_learning_rate, beta_1=0.5, beta_2=0.9)
        self._critic_optimiser.build(self._critic_variables)
        self._margin_samples = config.vocoder.fast_context * config.features.hop_samples // config.vocoder.trunk_rate
        self._plain_step = tf.function(lambda trunk, samples: self._step(trunk, samples, None))
        self._full_step = tf.function(self._step)

    @property
    def _critic_variables(self) -> list[Any]:
        return [v for critic in self._critics for v in critic.trainable_variables]

    def step(self, batch: Heard, step: int, n_steps: int) -> float:
        """Learn from one batch; as `learner.Learner.step`. Returns how far waveform and spectrograms are off."""
        t = self.config.train
        fall = LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * min(1.0, step / n_steps)))
        rate = min(1.0, (step + 1) / t.warmup_steps) * fall
        self._optimiser.learning_rate.assign(t.learning_rate * rate)
        self._critic_optimiser.learning_rate.assign(t.adversary_learning_rate * rate)
        tensors = tf.constant(batch.trunk), tf.constant(batch.samples)
        if not t.adversary or step < t.adversary_from_step:
            return float(self._plain_step(*tensors))
        return float(self._full_step(*tensors, tf.constant(t.adversary)))

    def score(self, batch: Heard) -> float:
        """How far held-out waveforms and their spectrograms are off; lower is better."""
        inner = slice(self._margin_samples, -self._margin_samples)
        errors = []
        for trunk, samples in zip(batch.trunk, batch.samples, strict=True):
            made = self.model.predict_on_batch(trunk[None])[:, inner]
            errors.append(float(_difference(tf.constant(made), tf.constant(samples[None]))))
        return float(np.mean(errors))

    def weights(self) -> Arrays:
        """Its weights, float32."""
        return to_arrays(self.model, "float32")

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
        groups = {"vocoder": self.model.weights, "optimiser": self._optimiser.variables}
        groups["critic"] = [v for critic in self._critics for v in critic.weights]
        groups["critic_optimiser"] = self._critic_optimiser.variables
        return {f"{group}/{i:04d}": v for group, variables in groups.items() for i, v in enumerate(variables)}

    def _step(self, trunk: Any, samples: Any, strength: Any) -> Any:
        inner = slice(self._margin_samples, -self._margin_samples)
        with tf.GradientTape() as tape:
            made = self.model(trunk, training=True)[:, inner]
            error = loss = _difference(made, samples)
            if strength is not None:
                real = [compressed(samples, *resolution) for resolution in CRITIC_RESOLUTIONS]
                shown = [compressed(made, *resolution) for resolution in CRITIC_RESOLUTIONS]
                self._teach_critics(real, [ops.stop_gradient(picture) for picture in shown])
                loss = error + strength * self._verdict(real, shown)
        variables = self.model.trainable_variables
        self._optimiser.apply(tape.gradient(loss, variables), variables)
        return error

    def _teach_critics(self, real: Sequence[Any], shown: Sequence[Any]) -> None:
        with tf.GradientTape() as tape:
            loss = sum(
                ops.mean((critic(a, training=True)[0] - 1) ** 2) + ops.mean(critic(b, training=True)[0] ** 2)
                for critic, a, b in zip(self._critics, real, shown, strict=True)
            )
        variables = self._critic_variables
        self._critic_optimiser.apply(tape.gradient(loss, variables), variables)

    def _verdict(self, real: Sequence[Any], shown: Sequence[Any]) -> Any:
        """What the critics say, and how far their activations are from those for the real."""
        total = 0.0
        for critic, a, b in zip(self._critics, real, shown, strict=True):
            (_, *theirs), (verdict, *ours) = critic(a), critic(b)
            matching = sum(
                ops.mean(ops.abs(x - y)) / (ops.mean(ops.abs(x)) + 1e-6)
                for x, y in zip(map(ops.stop_gradient, theirs), ours, strict=True)
            )
            total += ops.mean((verdict - 1) ** 2) + FEATURE_MATCHING * matching / len(ours)
        return total / len(self._critics)


def compressed(samples: Any, window: int, hop: int) -> Any:
    """A spectrogram whose magnitudes are compressed and whose phases are kept.

    Args:
        samples: Shape (batch, n_samples).
        window: Window length in samples.
        hop: Hop in samples.

    Returns:
        Shape (batch, n_frames, window / 2 + 1, 2): real and imaginary part.
    """
    spectrum = tf.signal.stft(samples, window, hop)
    parts = tf.stack([tf.math.real(spectrum), tf.math.imag(spectrum)], -1) / math.sqrt(window / 8)
    return parts * (tf.reduce_sum(parts**2, -1, keepdims=True) + 1e-9) ** ((COMPRESSION - 1) / 2)


def _difference(made: Any, samples: Any) -> Any:
    """How far waveforms are off, in their samples and in spectrograms of several resolutions."""
    level = tf.sqrt(tf.reduce_mean(samples**2, -1, keepdims=True) + 1e-6)
    total = WAVEFORM_WEIGHT * tf.reduce_mean(tf.abs(made - samples) / level)
    for resolution in RESOLUTIONS:
        ours, theirs = compressed(made, *resolution), compressed(samples, *resolution)
        sizes = [tf.sqrt(tf.reduce_sum(x**2, -1) + 1e-9) for x in (ours, theirs)]
        in_size, in_phase = tf.reduce_mean(tf.abs(sizes[0] - sizes[1])), tf.reduce_mean(tf.abs(ours - theirs))
        total += (in_size + 0.5 * in_phase) / len(RESOLUTIONS)
    return total


def _critic(window: int) -> keras.Model:
    """A critic of compressed spectrograms: to a list of its verdicts, then the activations of each layer."""
    picture = keras.Input((None, window // 2 + 1, 2))
    x, activations = picture, []
    for i, (channels, kernel) in enumerate(((16, (3, 7)), (32, (3, 7)), (32, 3), (32, 3))):
        convolution = layers.Conv2D(channels, kernel, strides=(1, 2 if i < 3 else 1), padding="same")
        x = ops.leaky_relu(layers.SpectralNormalization(convolution)(x), 0.2)
        activations.append(x)
    return keras.Model(picture, [layers.Conv2D(1, 3, padding="same")(x), *activations])
