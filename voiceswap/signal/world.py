"""WORLD (Morise et al., 2016): the classical baseline, and what perturbed copies are made with."""

from __future__ import annotations

import numpy as np
import pyworld

from voiceswap.config import FeatureConfig
from voiceswap.signal.features import Array

MAX_ABS = 1e3
SHORTEST_FRAME_PERIODS = 1.1


def warp(samples: Array, config: FeatureConfig, *, f0_ratio: float, envelope_ratio: float) -> Array:
    """The same words as another throat would say them.

    Args:
        samples: Shape (n_samples,), float32, finite, at `mel_rate_hz`.
        config: Rate, frame length and F0 range.
        f0_ratio: Factor on F0, 0.25 to 4.
        envelope_ratio: Factor on the formants' frequencies, 0.5 to 2; above 1 is a shorter vocal tract.

    Returns:
        Shape (n_samples,), float32; ratios of 1 give WORLD's copy.
    """
    x, rate, n_fft = safe(samples), config.mel_rate_hz, config.n_fft
    if len(samples) < 2 * config.n_fft:
        return x.astype(np.float32)
    f0, times_s = pyworld.dio(x, rate, f0_floor=config.f0_min_hz, f0_ceil=config.f0_max_hz)
    f0 = pyworld.stonemask(x, f0, times_s, rate)
    envelope = pyworld.cheaptrick(x, f0, times_s, rate, fft_size=n_fft)
    aperiodicity = pyworld.d4c(x, f0, times_s, rate, fft_size=n_fft)
    position = np.clip(np.arange(n_fft // 2 + 1) / envelope_ratio, 0, n_fft // 2)
    low = np.minimum(position.astype(int), n_fft // 2 - 1)
    share = position - low
    envelope = np.ascontiguousarray(envelope[:, low] * (1 - share) + envelope[:, low + 1] * share)
    # Its synthesis writes a period's noise into a frame, whether or not it fits: a longer one corrupts the heap.
    moved = np.where(f0 > 0, np.maximum(f0 * f0_ratio, SHORTEST_FRAME_PERIODS * rate / n_fft), 0.0)
    warped = pyworld.synthesize(moved, envelope, aperiodicity, rate)[: len(samples)]
    return np.pad(warped, (0, len(samples) - len(warped))).astype(np.float32)


def safe(samples: Array) -> Array:
    """Samples as WORLD's native code can bear them, float64: it answers NaN with NaN, and is not made for 1e6."""
    return np.nan_to_num(samples.astype(np.float64), posinf=0.0, neginf=0.0).clip(-MAX_ABS, MAX_ABS)
