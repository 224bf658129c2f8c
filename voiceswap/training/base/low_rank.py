"""A slimmer vocoder out of the large one: its convolutions through as few channels as the ear allows.

What goes into and comes out of a convolution of a trained network lies near a space of far fewer dimensions than it
has channels. Which ones are left out is chosen by what each would change in the spectrum of the sound, relative to how
loud the spectrum is there: principal components of activations (Zhang et al., 2016, Accelerating Very Deep
Convolutional Networks) in the norm that the gradients of that spectrum give, on either side of the kernel (Tucker-2;
Kim et al., 2016). What they do together is then put right by training (`tuning`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from voiceswap.arrays import Array, Arrays
from voiceswap.config import Config
from voiceswap.events import Progress, Report, silent
from voiceswap.model.base import SLIM
from voiceswap.model.vocoders import hifigan as vocoder

WINDOW, STEP = 512, 128
# Spectra are relative to their mean over so many slices and bins, and to a floor this far below their mean power.
AROUND, FLOOR = (3, 5), 1e-5
# Reading a value for a kernel's tap, and writing one, take as long as so many multiply-adds (two cores with AVX2).
READ, WRITE = 13, 3
MOST_STEP = 16


@dataclass(frozen=True)
class Side:
    """What passes on one side of a convolution, in directions from the most heard one to the least.

    Attributes:
        mean: Shape (channels,).
        heard: Shape (channels,): how much a value's part in each direction changes the relative spectrum.
        onto: Shape (channels, channels): the directions' values are `(value - mean) @ onto`, of unit variance.
        back: Shape (channels, channels): and back again by `mean + values @ back`.
    """

    mean: Array
    heard: Array
    onto: Array
    back: Array


Sides = Mapping[str, tuple[Side, Side]]


def sides(
    network: keras.Model, mels: Array, config: Config, seed: int = 0, report: Report = silent
) -> dict[str, tuple[Side, Side]]:
    """What goes into and comes out of each inner convolution of a vocoder.

    Args:
        network: What `vocoder.build` gave, with its weights.
        mels: What it is to say, (n, n_frames, n_mels), natural log, float32.
        config: The settings it was built with.
        seed: Of the directions in which the spectrum is asked.
        report: Told of the progress.

    Returns:
        Both sides by the convolution's name.
    """
    names = list(vocoder.inner_convolutions(config))
    layers = [network.get_layer(name) for name in names]
    passing = [layer.input for layer in layers] + [layer.output for layer in layers]
    watched = keras.Model(network.input, [network.output, *passing])
    rate_hz, rng = config.features.mel_rate_hz, np.random.default_rng(seed)

    def of_one(mel: Any, noise: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(mel)
            samples, *values = watched(mel, training=True)
            asked = _relative_spectrum(samples, noise, rate_hz)
        found = []
        for value, gradient in zip(values, tape.gradient(asked, values), strict=True):
            flat, felt = (tf.reshape(x, (-1, x.shape[-1])) for x in (value, gradient))
            products = (tf.matmul(x, x, transpose_a=True) / tf.cast(tf.shape(x)[0], x.dtype) for x in (flat, felt))
            found.append((tf.reduce_mean(flat, 0), *products))
        return found

    moments, sums = tf.function(of_one), list[list[Array]]()
    for i, mel in enumerate(mels):
        report(Progress(SLIM, "ranking", i, len(mels)))
        n_slices = (len(mel) * config.features.hop_samples - WINDOW) // STEP + 1
        noise = rng.normal(size=(2, n_slices, WINDOW // 2 + 1)).astype(np.float32)
        found = [[x.numpy().astype(np.float64) for x in of_side] for of_side in moments(tf.constant(mel[None]), noise)]
        if sums:
            found = [[a + b for a, b in zip(*both, strict=True)] for both in zip(sums, found, strict=True)]
        sums = found
    made = [_side(*(x / len(mels) for x in of_side)) for of_side in sums]
    return dict(zip(names, zip(made[: len(names)], made[len(names) :], strict=True), strict=True))


def _relative_spectrum(samples: Any, noise: Any, rate_hz: int) -> Any:
    """The sound's spectrum, relative to how loud it is around, along random directions: one number.

    The square of its change, on the mean over `noise`, is the sum of the squares of what changes in each slice and bin,
    the bins as dense as the ear's (equivalent rectangular bandwidth; Glasberg and Moore, 1990).
    """
    spectrum = tf.signal.stft(samples, WINDOW, STEP)
    along = tf.math.real(spectrum) * noise[0] + tf.math.imag(spectrum) * noise[1]
    return tf.reduce_sum(along / loudness_around(spectrum) * bin_weights(WINDOW, rate_hz))


def loudness_around(spectrum: Any) -> Any:
    """The size of a spectrum, `(batch, n_slices, n_bins)`, around each of its values; nothing learns from it."""
    power = tf.abs(spectrum)[..., None] ** 2
    around = tf.nn.avg_pool2d(power, AROUND, 1, "SAME")[..., 0]
    return tf.stop_gradient(tf.sqrt(around + FLOOR * tf.reduce_mean(power, (1, 2), keepdims=True)[..., 0] + 1e-20))


def bin_weights(window: int, rate_hz: int) -> Array:
    """What each bin counts, 1 on the mean of the squares."""
    density = 1 / (4.37 * np.arange(window // 2 + 1) * rate_hz / window / 1000 + 1)
    return np.asarray(np.sqrt(density / density.mean()), np.float32)


def _side(mean: Array, products: Array, felt: Array) -> Side:
    sizes, axes = np.linalg.eigh(felt)
    roots = np.sqrt(np.maximum(sizes, max(sizes.max() * 1e-6, 1e-30)))
    root, inverse = (axes * roots) @ axes.T, (axes / roots) @ axes.T
    heard, directions = np.linalg.eigh(root @ (products - np.outer(mean, mean)) @ root)
    heard, directions = heard[::-1], directions[:, ::-1]
    heard = np.maximum(heard, max(heard.max() * 1e-9, 1e-30))
    deviations = np.sqrt(heard)
    return Side(mean, heard, root @ directions / deviations, (inverse @ directions * deviations).T)


def ranks(found: Sides, config: Config, share: float) -> dict[str, tuple[int, int]]:
    """Through how many channels each convolution is to go, so that what is heard of it is least.

    Args:
        found: What `sides` gave.
        config: The vocoder's settings.
        share: Of the time that the convolutions take, 0 to 1; the ranks returned take no more, where they can.

    Returns:
        Channels before and after the kernel, by the convolution's name.
    """
    sizes = vocoder.inner_convolutions(config)
    choices = {name: _choices(*found[name], *sizes[name]) for name in sizes}
    budget = share * sum(cost[0] for _, _, cost in choices.values())
    cheap, dear = -60.0, 60.0
    for _ in range(60):
        price = np.exp((cheap + dear) / 2)
        picked = {name: int(np.argmin(lost + price * cost)) for name, (_, lost, cost) in choices.items()}
        if sum(choices[name][2][i] for name, i in picked.items()) > budget:
            cheap = (cheap + dear) / 2
        else:
            dear = (cheap + dear) / 2
    picked = {name: int(np.argmin(lost + np.exp(dear) * cost)) for name, (_, lost, cost) in choices.items()}
    return {name: choices[name][0][i] for name, i in picked.items()}


def _choices(
    before: Side, after: Side, channels: int, width: int, values: int
) -> tuple[list[tuple[int, int]], Array, Array]:
    """Pairs of ranks, all channels first, what each would lose, and what it costs."""
    step = max(1, min(MOST_STEP, channels // 4))
    some = list(range(step, channels + 1, step))
    pairs = [(channels, channels), *((first, last) for first in some for last in some)]
    lost = [values * (before.heard[first:].sum() + after.heard[last:].sum()) for first, last in pairs]

    def cost(taps: int, n_in: int, n_out: int) -> int:
        return values * taps * (n_in * n_out + READ * n_in + WRITE * n_out)

    costs = [
        cost(width, first, last)
        + (cost(1, channels, first) if first < channels else 0)
        + (cost(1, last, channels) if last < channels else 0)
        for first, last in pairs
    ]
    return pairs, np.array(lost), np.array(costs, float)


def slimmed(arrays: Arrays, found: Sides, chosen: vocoder.Ranks) -> Arrays:
    """Weights of the inner convolutions through fewer channels.

    Args:
        arrays: The vocoder's weights.
        found: What `sides` gave.
        chosen: What `ranks` gave.

    Returns:
        By name as `vocoder.build` names them with these ranks, float64.
    """
    made: Arrays = {}
    for name, (first, last) in chosen.items():
        kernel, bias = (arrays[f"{name}/{part}"].astype(np.float64) for part in ("kernel", "bias"))
        before, after = found[name]
        channels = kernel.shape[1]
        if first < channels:
            onto, back = before.onto[:, :first], before.back[:first]
            made[f"{name}/first"] = onto
            # What is left out stays at its mean.
            bias = bias + np.einsum("c,kco->o", before.mean - before.mean @ onto @ back, kernel)
            kernel = np.einsum("rc,kco->kro", back, kernel)
        if last < channels:
            onto, back = after.onto[:, :last], after.back[:last]
            made[f"{name}/last"] = back
            bias = after.mean + (bias - after.mean) @ onto @ back
            kernel = kernel @ onto
        made |= {f"{name}/kernel": kernel, f"{name}/bias": bias}
    return made
