"""Melody: F0 by WORLD's DIO and StoneMask, its range, and its way from one voice to another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyworld

from voiceswap.config import FeatureConfig
from voiceswap.signal.features import Array

# Fewer voiced frames than this (about 0.2 s) say nothing about a range.
MIN_VOICED_FRAMES = 20


@dataclass(frozen=True)
class F0Range:
    """A voice's range: the 5th, 50th and 95th percentile of its voiced frames, in Hz."""

    low_hz: float
    mid_hz: float
    high_hz: float


def f0_hz(samples: Array, config: FeatureConfig) -> Array:
    """The melody on the decoder's frames.

    Args:
        samples: Shape (n_samples,), float32, finite, at `mel_rate_hz`.
        config: Framing and the range looked in.

    Returns:
        Shape (n_samples // hop_samples,), float32, 0.0 = unvoiced. DIO with StoneMask (Morise et al., 2009), single
        octave slips repaired.
    """
    n_frames = len(samples) // config.hop_samples
    # WORLD puts frame i at i periods, the mel at i + 0.5; and dies of too short or empty input.
    shifted = samples[config.hop_samples // 2 :].astype(np.float64)
    if len(shifted) < config.n_fft:
        return np.zeros(n_frames, np.float32)
    rate = config.mel_rate_hz
    rough, times_s = pyworld.dio(
        shifted, rate, f0_floor=config.f0_min_hz, f0_ceil=config.f0_max_hz, frame_period=config.frame_period_ms
    )
    fine = pyworld.stonemask(shifted, rough, times_s, rate)[:n_frames]
    # StoneMask can run away from DIO's answer on creak.
    fine = np.where((fine >= config.f0_min_hz) & (fine <= config.f0_max_hz), fine, 0.0)
    fine = np.pad(fine, (0, n_frames - len(fine)))
    return _without_octave_slips(fine).astype(np.float32)


def _without_octave_slips(f0: Array, reach: int = 12) -> Array:
    """Frames an octave from the median of their voiced surroundings are moved by that octave."""
    voiced = np.flatnonzero(f0 > 0)
    if len(voiced) < 2 * reach + 1:
        return f0
    log_f0 = np.log2(f0[voiced])
    around = np.lib.stride_tricks.sliding_window_view(np.pad(log_f0, reach, mode="reflect"), 2 * reach + 1)
    octaves = log_f0 - np.median(around, axis=-1)
    slipped = np.abs(np.abs(octaves) - 1) < 0.15
    repaired = f0.copy()
    repaired[voiced[slipped]] = 2.0 ** (log_f0[slipped] - np.sign(octaves[slipped]))
    return repaired


def f0_range(f0: Array) -> F0Range | None:
    """The range of a melody `(n_frames,)` in Hz, 0.0 = unvoiced; None where too little of it is voiced."""
    voiced = f0[f0 > 0]
    if len(voiced) < MIN_VOICED_FRAMES:
        return None
    low, mid, high = np.percentile(voiced, [5, 50, 95])
    return F0Range(round(float(low), 1), round(float(mid), 1), round(float(high), 1))


def transposition(source: F0Range | None, voice: F0Range) -> float:
    """Semitones that bring the middle of the source's range onto the middle of the voice's; 0.0 without a melody."""
    if source is None:
        return 0.0
    return round(12 * float(np.log2(voice.mid_hz / source.mid_hz)), 2)


def transposed(f0: Array, semitones: float, config: FeatureConfig) -> Array:
    """The melody `(n_frames,)` moved by `semitones`, kept within the range that the networks know."""
    moved = np.clip(f0 * 2 ** (semitones / 12), config.f0_min_hz, config.f0_max_hz)
    return np.where(f0 > 0, moved, 0.0).astype(np.float32)
