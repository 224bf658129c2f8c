"""Melody: F0, its range, and its way from one voice to another."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pyworld

from voiceswap.config import FeatureConfig
from voiceswap.errors import UsageError
from voiceswap.signal import audio, world
from voiceswap.signal.features import Array

if TYPE_CHECKING:
    from swift_f0 import SwiftF0

METHODS = ("swift", "dio", "harvest")
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


def f0_hz(samples: Array, config: FeatureConfig, method: str = METHODS[0]) -> Array:
    """The melody on the decoder's frames.

    Args:
        samples: Shape (n_samples,), float32, finite, at `mel_rate_hz`.
        config: Framing and the range looked in.
        method: "swift" (SwiftF0; Nieradzik, 2025), "harvest" (Morise, 2017) or "dio" (with StoneMask; Morise et al.,
            2009).

    Returns:
        Shape (n_samples // hop_samples,), float32, 0.0 = unvoiced; frame i is centred on sample (i + 0.5) *
        `hop_samples`.

    Raises:
        UsageError: An unknown method.
    """
    if method not in METHODS:
        raise UsageError(f"unknown F0 method {method!r}", f"wanted one of {', '.join(METHODS)}")
    n_frames = len(samples) // config.hop_samples
    if len(samples) < 2 * config.n_fft:
        return np.zeros(n_frames, np.float32)
    track = _by_swift if method == "swift" else _by_world
    times_s, f0, voiced = track(samples, config, method)
    if not voiced.any():
        return np.zeros(n_frames, np.float32)
    centres_s = (np.arange(n_frames) + 0.5) / config.frames_per_s
    nearest = np.searchsorted((times_s[1:] + times_s[:-1]) / 2, centres_s)
    melody = np.exp(np.interp(centres_s, times_s[voiced], np.log(f0[voiced])))
    return np.where(voiced[nearest], melody, 0.0).astype(np.float32)


def _by_swift(samples: Array, config: FeatureConfig, _method: str) -> tuple[Array, Array, Array]:
    gain = min(MAX_GAIN, TRACKED_PEAK / max(float(np.abs(samples).max()), 1e-9))
    heard = audio.resample(samples * np.float32(gain), config.mel_rate_hz, config.content_rate_hz)
    found = _tracker().detect(heard, config.content_rate_hz, config.f0_min_hz, config.f0_max_hz)
    return found.timestamps, found.pitch_hz, found.confidence >= VOICED_CONFIDENCE


def _by_world(samples: Array, config: FeatureConfig, method: str) -> tuple[Array, Array, Array]:
    x, rate = world.safe(samples), config.mel_rate_hz
    limits = {"f0_floor": config.f0_min_hz, "f0_ceil": config.f0_max_hz}
    if method == "harvest":
        f0, times_s = pyworld.harvest(x, rate, **limits)
    else:
        rough, times_s = pyworld.dio(x, rate, **limits)
        f0 = pyworld.stonemask(x, rough, times_s, rate)
    # StoneMask can run away from DIO's answer on creak.
    return times_s, f0, (f0 >= config.f0_min_hz) & (f0 <= config.f0_max_hz)


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
