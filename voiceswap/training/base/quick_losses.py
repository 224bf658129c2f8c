"""What the quick vocoder makes, and how far that is from a recording, in TensorFlow.

Bin by bin, spectra are compared only where harmonics are regular. Above, a recording is noise in the main, and a
distance of single bins prefers anything regular to noise, so that copies buzz: there patches' power is compared, and
the rest is left to the discriminators.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from voiceswap.config import Config
from voiceswap.model.vocoders.quick_vocoder import (
    LEVEL_LIMITS,
    N_PARTS,
    NOISE_LEVEL,
    count_bins,
    count_steps,
    overlap_sum,
    spread_mel,
    step_weights,
)
from voiceswap.training.base.quick_examples import QuickBatch

# Window, step, and the patch whose power is compared: so many steps, so many bins.
PATCHES = ((2048, 512, 2, 8), (1024, 256, 3, 4), (512, 128, 4, 3), (256, 64, 4, 2), (128, 32, 4, 2))
# Which windows compare bin by bin, and up to where; and which compare complex spectra. Above, pulses laid by F0 alone
# do not fall where the recording's do.
BINWISE_WINDOWS = (2048, 1024, 512)
BINWISE_HZ = 2500.0
BINWISE_WEIGHT = 0.3
COMPLEX_WINDOWS = (1024, 512)
COMPLEX_HZ = 1500.0
# Magnitudes count by this power of their size.
COMPLEX_POWER = -0.7
# Added before logarithms, at the scale of samples in [-1, 1].
FLOOR = 1e-3
SPECTRUM_SCALE = 8.0
# The discriminators' windows and steps, and whether they see how phases go on from step to step.
DISCRIMINATORS = ((512, 128, False), (1024, 256, True), (256, 64, True), (128, 32, True))
# Up to where they see, and from where on recordings differ by their codec, so that nothing is judged there.
SEEN_HZ = 7600.0
JUDGED_HZ = 7300.0
JUDGED_EDGE_HZ = 60.0
# How steeply narrow recordings end, at the mel's highest frequency.
NARROW_EDGE_HZ = 65.0


def render(filters: Any, batch: QuickBatch, config: Config) -> Any:
    """The samples that filters make of a batch: `filter_excitation` and `overlap_add` of `vocoders.quick_vocoder`.

    Args:
        filters: Shape (batch, n_frames, n_filters), the network's.
        batch: Of tensors.
        config: Sizes.

    Returns:
        Shape (batch, n_frames * hop_samples), float32.
    """
    size = config.quick_vocoder
    n_bins = count_bins(config)
    n_steps = filters.shape[1] * count_steps(config)
    level = _spread_level(batch.mel, config)
    parts = tf.unstack(tf.reshape(filters, (-1, n_steps, N_PARTS, n_bins)), axis=2)
    pulse_level, real, imaginary, noise_level, by_cosine, by_sine = parts
    real = real + 1.0
    band = tf.where(batch.is_wide[:, None, None] > 0, tf.ones(n_bins), _narrow_band(config))
    pulse_gain = tf.exp(tf.clip_by_value(level + pulse_level, *LEVEL_LIMITS)) * band
    pulse_gain *= tf.math.rsqrt(real * real + imaginary * imaginary + 1e-6)
    noise_gain = tf.exp(tf.clip_by_value(level + NOISE_LEVEL + noise_level, *LEVEL_LIMITS)) * band

    def spectra_of(samples: Any) -> Any:
        return tf.signal.stft(samples, size.n_fft, size.step_samples)

    noise = spectra_of(batch.noise)
    noise += _to_complex(by_cosine) * spectra_of(batch.noise * batch.cosine)
    noise += _to_complex(by_sine) * spectra_of(batch.noise * batch.sine)
    spectra = tf.complex(pulse_gain * real, pulse_gain * imaginary) * spectra_of(batch.pulses)
    spectra += _to_complex(noise_gain) * noise
    frames = tf.signal.irfft(spectra, [size.n_fft]) * tf.signal.hann_window(size.n_fft)
    margin = (size.n_fft - size.step_samples) // 2
    samples = tf.signal.overlap_and_add(frames, size.step_samples)[:, margin:-margin]
    return samples / overlap_sum(size.n_fft, size.step_samples)


def _spread_level(mel: Any, config: Config) -> Any:
    """How loud each bin is by the mel (batch, n_frames, n_mels), at each step: (batch, n_frames * n_steps, n_bins)."""
    spread = spread_mel(config.features, config.quick_vocoder.n_fft)
    n_steps = count_steps(config)
    before, after = (tf.concat(each, axis=1) for each in ((mel[:, :1], mel[:, :-1]), (mel[:, 1:], mel[:, -1:])))
    around = tf.stack([before, mel, after], axis=2) - spread.offset
    # (batch, n_frames, 3, n_mels) -> (batch, n_frames, n_steps, n_mels)
    steps = tf.einsum("bfwm,sw->bfsm", around, tf.constant(step_weights(n_steps)))
    return tf.reshape(steps, (-1, mel.shape[1] * n_steps, mel.shape[2])) @ tf.constant(spread.bins)


def _to_complex(values: Any) -> Any:
    # The gradient of a cast would warn of the imaginary part that it discards.
    return tf.complex(values, tf.zeros_like(values))


def _narrow_band(config: Config) -> Any:
    hz = np.arange(count_bins(config)) * config.features.mel_rate_hz / config.quick_vocoder.n_fft
    return tf.constant(1 / (1 + np.exp((hz - config.features.mel_max_hz) / NARROW_EDGE_HZ)), tf.float32)


def measure_distances(made: Any, recorded: Any, rate_hz: int) -> tuple[Any, Any]:
    """How far samples are from a recording, (batch, n_samples) each: by their spectra, and by their complex spectra."""
    distance = complex_distance = 0.0
    for window, step, n_steps, n_bins in PATCHES:
        ours, theirs = (tf.signal.stft(samples, window, step) for samples in (made, recorded))
        scale = SPECTRUM_SCALE / window
        distance += _mean_error(*(_patch_level(spectra, scale, n_steps, n_bins) for spectra in (ours, theirs)))
        if window in BINWISE_WINDOWS:
            seen = int(window * BINWISE_HZ / rate_hz)
            sizes = [tf.abs(spectra[..., :seen]) * scale for spectra in (ours, theirs)]
            in_all = tf.norm(sizes[0] - sizes[1]) / (tf.norm(sizes[1]) + FLOOR)
            distance += BINWISE_WEIGHT * (_mean_error(*(tf.math.log(size + FLOOR) for size in sizes)) + in_all)
        if window in COMPLEX_WINDOWS:
            seen = int(window * COMPLEX_HZ / rate_hz)
            complex_distance += _measure_complex(ours[..., :seen], theirs[..., :seen])
    return distance / len(PATCHES), complex_distance / len(COMPLEX_WINDOWS)


def _mean_error(ours: Any, theirs: Any) -> Any:
    return tf.reduce_mean(tf.abs(ours - theirs))


def _patch_level(spectra: Any, scale: float, n_steps: int, n_bins: int) -> Any:
    """Half the log of the power in patches that overlap by half: what noise should be like, not what it was."""
    power = (tf.square(tf.math.real(spectra)) + tf.square(tf.math.imag(spectra))) * scale**2
    strides = (max(1, n_steps // 2), max(1, n_bins // 2))
    pooled = tf.nn.avg_pool2d(power[..., None], (n_steps, n_bins), strides, "VALID")
    return 0.5 * tf.math.log(pooled + 1e-8)


def _measure_complex(ours: Any, theirs: Any) -> Any:
    size = tf.abs(theirs)
    weight = tf.pow(size + 0.05 * tf.reduce_mean(size, axis=-1, keepdims=True) + FLOOR, COMPLEX_POWER)
    return tf.reduce_mean(tf.abs(theirs - ours) * weight) / (tf.reduce_mean(size * weight) + FLOOR)


def remove_top(samples: Any, rate_hz: int) -> Any:
    """Samples (batch, n_samples) without what lies above the frequencies that discriminators judge."""
    n_samples = samples.shape[1]
    hz = np.fft.rfftfreq(n_samples, 1 / rate_hz)
    gain = 1 / (1 + np.exp(np.minimum((hz - JUDGED_HZ) / JUDGED_EDGE_HZ, 80.0)))
    return tf.signal.irfft(tf.signal.rfft(samples) * tf.constant(gain, tf.complex64), [n_samples])


def count_seen(window: int, rate_hz: int) -> int:
    """How many bins of so long a window discriminators see."""
    return int(window * SEEN_HZ / rate_hz)


def draw_picture(samples: Any, window: int, step: int, rate_hz: int, *, with_phase: bool) -> Any:
    """What a discriminator sees of samples.

    Args:
        samples: Shape (batch, n_samples).
        window: Length of a window.
        step: Distance between windows.
        rate_hz: Of the samples.
        with_phase: Whether it sees phases.

    Returns:
        Shape (batch, n_steps, n_bins, 1 or 3): logarithms of magnitudes, and each phase's turn since the spectrum
        before, as a point on a circle.
    """
    spectra = tf.signal.stft(samples, window, step)[..., : count_seen(window, rate_hz)]
    level = (tf.math.log(tf.abs(spectra) + FLOOR) + 3) / 2
    if not with_phase:
        return level[..., None]
    turn = spectra[:, 1:] * tf.math.conj(spectra[:, :-1])
    turn /= _to_complex(tf.abs(turn) + 1e-6)
    return tf.stack([level[:, 1:], tf.math.real(turn), tf.math.imag(turn)], axis=-1)
