"""A low-rank vocoder out of the whole one: its convolutions through as few channels as the ear allows.

What goes into and comes out of a convolution of a trained network lies near a space of far fewer dimensions than it
has channels. Which ones are left out is chosen by what each would change in the spectrum of the sound, relative to how
loud the spectrum is there: principal components of activations (Zhang et al., 2016, Accelerating Very Deep
Convolutional Networks) in the norm that the gradients of that spectrum give, on either side of the kernel (Tucker-2;
Kim et al., 2016). What they do together is then put right by training (`distill`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from voiceswap.arrays import Array
from voiceswap.config import Config
from voiceswap.events import OnEvent, Progress, ignore_events
from voiceswap.model.networks import keras
from voiceswap.model.vocoders.hifigan import inner_convolutions
from voiceswap.model.vocoders.low_rank import SLIM, Side, to_side

WINDOW_SAMPLES = 512
STEP_SAMPLES = 128
# Spectra are relative to their mean over so many slices and bins, and to a floor at this share of their mean power.
AROUND = (3, 5)
FLOOR_SHARE = 1e-5
# Added to a power, so that its root has a finite gradient in digital silence.
MIN_POWER = 1e-20


def measure_sides(
    network: keras.Model, mels: Array, config: Config, seed: int = 0, on_event: OnEvent = ignore_events
) -> dict[str, tuple[Side, Side]]:
    """What goes into and comes out of each inner convolution of a vocoder.

    Args:
        network: What `networks.hifigan.build` gave, with its weights.
        mels: What it is to say, (n, n_frames, n_mels), natural log, float32.
        config: The settings it was built with.
        seed: Of the directions in which the spectrum is asked.
        on_event: Called with each event.

    Returns:
        Both sides by the convolution's name.
    """
    names = list(inner_convolutions(config))
    layers = [network.get_layer(name) for name in names]
    passing = [layer.input for layer in layers] + [layer.output for layer in layers]
    watched = keras.Model(network.input, [network.output, *passing])
    rate_hz = config.features.mel_rate_hz
    rng = np.random.default_rng(seed)

    def measure_one(mel: Any, noise: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(mel)
            samples, *values = watched(mel, training=True)
            spectrum = _project_spectrum(samples, noise, rate_hz)
        moments = []
        for value, gradient in zip(values, tape.gradient(spectrum, values), strict=True):
            flat, slopes = (tf.reshape(x, (-1, x.shape[-1])) for x in (value, gradient))
            products = (tf.matmul(x, x, transpose_a=True) / tf.cast(tf.shape(x)[0], x.dtype) for x in (flat, slopes))
            moments.append((tf.reduce_mean(flat, 0), *products))
        return moments

    run = tf.function(measure_one)
    sums: list[list[Array]] = []
    for i, mel in enumerate(mels):
        on_event(Progress(SLIM, "ranking", i, len(mels)))
        n_slices = (len(mel) * config.features.hop_samples - WINDOW_SAMPLES) // STEP_SAMPLES + 1
        noise = rng.normal(size=(2, n_slices, WINDOW_SAMPLES // 2 + 1)).astype(np.float32)
        moments = [[x.numpy().astype(np.float64) for x in of_side] for of_side in run(tf.constant(mel[None]), noise)]
        if sums:
            moments = [[a + b for a, b in zip(*both, strict=True)] for both in zip(sums, moments, strict=True)]
        sums = moments
    sides = [to_side(*(x / len(mels) for x in of_side)) for of_side in sums]
    before, after = sides[: len(names)], sides[len(names) :]
    return dict(zip(names, zip(before, after, strict=True), strict=True))


def _project_spectrum(samples: Any, noise: Any, rate_hz: int) -> Any:
    """The sound's spectrum, relative to how loud it is around, along random directions: one number.

    The square of its change, on the mean over `noise`, is the sum of the squares of what changes in each slice and bin,
    the bins as dense as the ear's (equivalent rectangular bandwidth; Glasberg and Moore, 1990).
    """
    spectrum = tf.signal.stft(samples, WINDOW_SAMPLES, STEP_SAMPLES)
    along = tf.math.real(spectrum) * noise[0] + tf.math.imag(spectrum) * noise[1]
    return tf.reduce_sum(along / loudness_around(spectrum) * bin_weights(WINDOW_SAMPLES, rate_hz))


def loudness_around(spectrum: Any) -> Any:
    """The size of a spectrum, `(batch, n_slices, n_bins)`, around each of its values; nothing learns from it."""
    power = tf.abs(spectrum)[..., None] ** 2
    around = tf.nn.avg_pool2d(power, AROUND, 1, "SAME")[..., 0]
    return tf.stop_gradient(
        tf.sqrt(around + FLOOR_SHARE * tf.reduce_mean(power, (1, 2), keepdims=True)[..., 0] + MIN_POWER)
    )


def bin_weights(window: int, rate_hz: int) -> Array:
    """What each bin counts, 1 on the mean of the squares."""
    density = 1 / (4.37 * np.arange(window // 2 + 1) * rate_hz / window / 1000 + 1)
    return np.asarray(np.sqrt(density / density.mean()), np.float32)
