"""WORLD (Morise et al., 2016): the classical baseline, and what perturbed copies are made with."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from voiceswap.arrays import Array
from voiceswap.config import FeatureConfig

with warnings.catch_warnings():
    # Newer setuptools say so where pyworld 0.3.5 is imported; which there may be is settled in pyproject.toml.
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated", category=UserWarning)
    import pyworld

MAX_ABS = 1e3
SHORTEST_FRAME_PERIODS = 1.1


@dataclass(frozen=True)
class Analysis:
    """What WORLD finds in samples, to be synthesised again in other ways.

    Attributes:
        samples: Shape (n_samples,), float64, as WORLD can bear them.
        sample_rate_hz: Their rate.
        features: F0 in Hz, 0.0 = unvoiced, shape (n_frames,); the envelope's power and the share of noise, 0 to 1, each
            of shape (n_frames, n_fft / 2 + 1). None for samples too short for it.
    """

    samples: Array
    sample_rate_hz: int
    features: tuple[Array, Array, Array] | None


def analyse_world(samples: Array, config: FeatureConfig) -> Analysis:
    """F0, envelope and noise of samples, by DIO, StoneMask, CheapTrick and D4C.

    Args:
        samples: Shape (n_samples,), float32, finite, at `mel_rate_hz`.
        config: Rate, frame length and F0 range.

    Returns:
        What `warp_world` takes.
    """
    x, rate, n_fft = clean_samples(samples), config.mel_rate_hz, config.n_fft
    if len(samples) < 2 * n_fft:
        return Analysis(x, rate, None)
    f0, times_s = pyworld.dio(x, rate, f0_floor=config.f0_min_hz, f0_ceil=config.f0_max_hz)
    f0 = pyworld.stonemask(x, f0, times_s, rate)
    envelope = pyworld.cheaptrick(x, f0, times_s, rate, fft_size=n_fft)
    return Analysis(x, rate, (f0, envelope, pyworld.d4c(x, f0, times_s, rate, fft_size=n_fft)))


def track_f0(samples: Array, config: FeatureConfig, method: str) -> tuple[Array, Array]:
    """F0 by one of WORLD's trackers.

    Args:
        samples: Shape (n_samples,), float32, at `mel_rate_hz`.
        config: Rate and F0 range.
        method: "harvest" (Morise, 2017) or "dio" (with StoneMask; Morise et al., 2009).

    Returns:
        Times in seconds, and F0 in Hz, 0.0 = unvoiced, `(n_frames,)` each. StoneMask may leave the range.
    """
    x = clean_samples(samples)
    rate = config.mel_rate_hz
    limits = {"f0_floor": config.f0_min_hz, "f0_ceil": config.f0_max_hz}
    if method == "harvest":
        f0, times_s = pyworld.harvest(x, rate, **limits)
    else:
        rough, times_s = pyworld.dio(x, rate, **limits)
        f0 = pyworld.stonemask(x, rough, times_s, rate)
    return times_s, f0


def warp_world(analysis: Analysis, *, f0_ratio: float, envelope_ratio: float) -> Array:
    """The same words as another vocal tract would say them.

    Args:
        analysis: What `analyse_world` found.
        f0_ratio: Factor on F0, 0.25 to 4.
        envelope_ratio: Factor on the formants' frequencies, 0.5 to 2; above 1 is a shorter vocal tract.

    Returns:
        Shape (n_samples,), float32; ratios of 1 give WORLD's copy.
    """
    n_samples, rate = len(analysis.samples), analysis.sample_rate_hz
    if analysis.features is None:
        return analysis.samples.astype(np.float32)
    f0, envelope, aperiodicity = analysis.features
    n_bins = envelope.shape[1]
    position = np.clip(np.arange(n_bins) / envelope_ratio, 0, n_bins - 1)
    low = np.minimum(position.astype(int), n_bins - 2)
    share = position - low
    envelope = np.ascontiguousarray(envelope[:, low] * (1 - share) + envelope[:, low + 1] * share)
    # Its synthesis writes a period's noise into a frame, whether or not it fits: a longer one corrupts the heap.
    shortest_hz = SHORTEST_FRAME_PERIODS * rate / (2 * (n_bins - 1))
    warped_f0 = np.where(f0 > 0, np.maximum(f0 * f0_ratio, shortest_hz), 0.0)
    warped = pyworld.synthesize(warped_f0, envelope, aperiodicity, rate)[:n_samples]
    return np.pad(warped, (0, n_samples - len(warped))).astype(np.float32)


def clean_samples(samples: Array) -> Array:
    """Samples as WORLD's native code can bear them, float64: it answers NaN with NaN, and is not made for 1e6."""
    return np.nan_to_num(samples.astype(np.float64), posinf=0.0, neginf=0.0).clip(-MAX_ABS, MAX_ABS)
