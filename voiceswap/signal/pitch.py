"""Melody: F0 by SwiftF0, its range, and its way from one voice to another."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from voiceswap.config import FeatureConfig
from voiceswap.signal import audio
from voiceswap.signal.features import Array

if TYPE_CHECKING:
    from swift_f0 import SwiftF0

# Fewer voiced frames than this (about 0.2 s) say nothing about a range.
MIN_VOICED_FRAMES = 20
VOICED_CONFIDENCE = 0.5
# The tracker takes what peaks below -60 dBFS for silence: quiet recordings are raised to half of full scale for it.
TRACKED_PEAK, MAX_GAIN = 0.5, 100.0


@dataclass(frozen=True)
class F0Range:
    """A voice's range: the 5th, 50th and 95th percentile of its voiced frames, in Hz."""

    low_hz: float
    mid_hz: float
    high_hz: float


@lru_cache(maxsize=1)
def _tracker() -> SwiftF0:
    from swift_f0 import SwiftF0  # brings onnxruntime: only where a melody is asked for

    return SwiftF0(threads=2, spin=False)


def f0_hz(samples: Array, config: FeatureConfig) -> Array:
    """The melody on the decoder's frames, by SwiftF0 (Nieradzik, 2025).

    Args:
        samples: Shape (n_samples,), float32, finite, at `mel_rate_hz`.
        config: Framing and the range looked in.

    Returns:
        Shape (n_samples // hop_samples,), float32, 0.0 = unvoiced; frame i is centred on sample (i + 0.5) *
        `hop_samples`.
    """
    n_frames = len(samples) // config.hop_samples
    if len(samples) < config.n_fft:
        return np.zeros(n_frames, np.float32)
    gain = min(MAX_GAIN, TRACKED_PEAK / max(float(np.abs(samples).max()), 1e-9))
    heard = audio.resample(samples * np.float32(gain), config.mel_rate_hz, config.content_rate_hz)
    found = _tracker().detect(heard, config.content_rate_hz, config.f0_min_hz, config.f0_max_hz)
    voiced = found.confidence >= VOICED_CONFIDENCE
    if not voiced.any():
        return np.zeros(n_frames, np.float32)
    times_s = (np.arange(n_frames) + 0.5) / config.frames_per_s
    nearest = np.minimum(
        np.searchsorted(found.timestamps[1:] - np.diff(found.timestamps) / 2, times_s), len(voiced) - 1
    )
    f0 = np.exp(np.interp(times_s, found.timestamps[voiced], np.log(found.pitch_hz[voiced])))
    return np.where(voiced[nearest], f0, 0.0).astype(np.float32)


def carried_on(f0: Array) -> Array:
    """A melody without gaps: F0 `(n_frames,)`, 0.0 = unvoiced, in a straight line of log F0 over unvoiced frames.

    Weakly voiced frames, which a tracker leaves out, then still have their pitch.
    """
    voiced = np.flatnonzero(f0 > 0)
    if not len(voiced):
        return f0
    return np.asarray(np.exp(np.interp(np.arange(len(f0)), voiced, np.log(f0[voiced]))), dtype=np.float32)


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
