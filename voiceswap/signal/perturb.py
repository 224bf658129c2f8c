"""Perturbed copies of speech: the same words from another throat, microphone and room, at the same moments.

What decoders learn to ignore, and what the content's components are chosen to leave out (docs/design.md).
"""

from __future__ import annotations

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq

from voiceswap.arrays import Array, db_to_gain
from voiceswap.signal import world
from voiceswap.signal.world import warp_world

# The throat: F0 up or down, formants by 6 to 20 % up or down (the largest single gain in identity).
SEMITONES = 7.0
LOG_FORMANT = (0.06, 0.2)
# The microphone: gains drawn at points evenly spaced in log frequency, a smooth curve through them.
EQUAL_POINTS = 8
EQUAL_DB = 4.0
EQUAL_MAX_DB = 8.0
EQUAL_LOW_HZ = 60.0
# The room: half of the copies get a noise this far below the speech.
NOISY_SHARE = 0.5
NOISE_BELOW_DB = (15.0, 40.0)


def perturb_speech(analysis: world.Analysis, random: np.random.Generator, *, up: bool, rooms: bool) -> Array:
    """One perturbed copy.

    Args:
        analysis: What WORLD hears in the speech.
        random: Draws how far F0, formants, equalisation and noise go.
        up: Whether the formants move up, a shorter vocal tract, or down.
        rooms: Whether it comes through another microphone, and maybe a noisy room, as well.

    Returns:
        Shape (n_samples,), float32.
    """
    stretch = random.uniform(*LOG_FORMANT) * (1 if up else -1)
    semitones = random.uniform(-SEMITONES, SEMITONES)
    warped = warp_world(analysis, f0_ratio=2 ** (semitones / 12), envelope_ratio=float(np.exp(stretch)))
    return _add_room_noise(_equalise(warped, analysis.sample_rate_hz, random), random) if rooms else warped


def _equalise(samples: Array, sample_rate_hz: int, random: np.random.Generator) -> Array:
    points = np.geomspace(EQUAL_LOW_HZ, sample_rate_hz / 2, EQUAL_POINTS)
    gains_db = random.normal(0.0, EQUAL_DB, EQUAL_POINTS).clip(-EQUAL_MAX_DB, EQUAL_MAX_DB)
    n = next_fast_len(len(samples) + 1, real=True)
    frequencies = np.maximum(rfftfreq(n, 1 / sample_rate_hz), EQUAL_LOW_HZ)
    gain = db_to_gain(np.interp(np.log(frequencies), np.log(points), gains_db))
    return np.asarray(irfft(rfft(samples, n) * gain, n)[: len(samples)], dtype=np.float32)


def _add_room_noise(samples: Array, random: np.random.Generator) -> Array:
    noisy, below_db = random.random() < NOISY_SHARE, random.uniform(*NOISE_BELOW_DB)
    if not noisy:
        return samples
    level = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) * db_to_gain(-below_db)
    return np.asarray(samples + random.normal(0.0, level, len(samples)), dtype=np.float32)
