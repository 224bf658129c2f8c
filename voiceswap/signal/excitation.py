"""What a voice is before its throat: pulses at an F0, and noise, both the same wherever a recording is cut.

F0 at frame centres    f0[0] ------- f0[1] ------- f0[2]      straight lines between them
phase, their integral  phase[0] .... phase[1] .... phase[2]   a parabola between them, from its frame alone
"""

from __future__ import annotations

import numpy as np

from voiceswap.arrays import Array
from voiceswap.config import FeatureConfig

# Noise is drawn in pieces of so many samples, each from a stream that its place in the recording names.
NOISE_PIECE_SAMPLES = 16384
# Nearer to a pulse's peak than this, in periods, its height is its limit: both sides of the fraction vanish there.
PEAK_PERIODS = 3e-5


def integrate_f0(f0_hz: Array, config: FeatureConfig) -> Array:
    """The phase of an F0.

    Args:
        f0_hz: Shape (n_frames,), at frame centres, in straight lines between them.
        config: Framing.

    Returns:
        Shape (n_frames,), float64: the integral from the first centre on, in periods, less whole ones.
    """
    f0_hz = f0_hz.astype(np.float64)
    between = (f0_hz[1:] + f0_hz[:-1]) / 2 / config.frames_per_s
    return np.asarray(np.concatenate([np.zeros(min(1, len(f0_hz))), np.cumsum(between)]) % 1.0)


def follow_melody(f0_hz: Array, phase: Array, first: int, n_samples: int, config: FeatureConfig) -> tuple[Array, Array]:
    """F0 and its phase, sample by sample; beyond either end F0 is held.

    Args:
        f0_hz: Shape (n_frames,), at frame centres.
        phase: Shape (n_frames,), in periods: what `integrate_f0` gave, or a part of that.
        first: The first sample that is wanted; 0 is where the first frame begins.
        n_samples: How many are wanted.
        config: Framing; a hop is even.

    Returns:
        Both (n_samples,), float64, at the samples' centres: F0 in Hz, and the phase in periods, -0.5 to 0.5.
    """
    hop = config.hop_samples
    # Rows of samples from one centre to the next, as many as are wanted; frames beyond an end are the outermost one.
    first_row = (first - hop // 2) // hop
    last_row = (first + n_samples - 1 - hop // 2) // hop
    rows = np.arange(first_row, last_row + 1)
    low, high = (np.clip(row, 0, len(f0_hz) - 1) for row in (rows, rows + 1))
    begin_hz = f0_hz[low].astype(np.float64)
    begin_phase = phase[low] + begin_hz * (rows - low) / config.frames_per_s
    share = (np.arange(hop) + 0.5) / hop
    rise_hz = (f0_hz[high] - begin_hz)[:, None] * share
    periods = begin_phase[:, None] + (begin_hz[:, None] + rise_hz / 2) * (share / config.frames_per_s)
    wanted = slice(first - hop // 2 - first_row * hop, None)
    at_samples = (begin_hz[:, None] + rise_hz, periods - np.round(periods))
    f0_at_samples, phase_at_samples = (values.reshape(-1)[wanted][:n_samples] for values in at_samples)
    return f0_at_samples, phase_at_samples


def make_pulses(f0_hz: Array, periods: Array, sample_rate_hz: float) -> Array:
    """A train of pulses: all harmonics below half the sample rate, each of amplitude 1, their sum at most at phase 0.

    Args:
        f0_hz: Shape (n_samples,), which says how many harmonics there are.
        periods: Shape (n_samples,), the fundamental's phase, -0.5 to 0.5.
        sample_rate_hz: Of the samples.

    Returns:
        Shape (n_samples,), float32; zeros where F0 is 0.
    """
    n_harmonics = np.floor(sample_rate_hz / 2 / np.maximum(f0_hz, 1.0))
    # The sum of n cosines is Dirichlet's kernel: sin((n + 1/2) x) / (2 sin(x / 2)) - 1/2.
    turns = (n_harmonics + 0.5) * periods
    above = np.sin((2 * np.pi * (turns - np.round(turns))).astype(np.float32))
    below = 2 * np.sin((np.pi * periods).astype(np.float32))
    is_peak = np.abs(periods) < PEAK_PERIODS
    pulses = above / np.where(is_peak, 1, below) - np.float32(0.5)
    return np.where(f0_hz > 0, np.where(is_peak, n_harmonics, pulses), 0.0).astype(np.float32)


def draw_noise(first: int, n_samples: int, seed: int = 0) -> Array:
    """White noise of a recording: the same sample at the same place, whatever was drawn before.

    Args:
        first: The first sample's place in the recording; it may lie before its beginning.
        n_samples: How many samples.
        seed: Names the noise.

    Returns:
        Shape (n_samples,), float32, of standard deviation 1.
    """
    first_piece = first // NOISE_PIECE_SAMPLES
    last_piece = (first + max(1, n_samples) - 1) // NOISE_PIECE_SAMPLES
    pieces = [_draw_piece(piece, seed) for piece in range(first_piece, last_piece + 1)]
    begin = first - first_piece * NOISE_PIECE_SAMPLES
    return np.concatenate(pieces)[begin : begin + n_samples]


def _draw_piece(piece: int, seed: int) -> Array:
    stream = np.random.Philox(key=np.array([seed, piece % 2**64], np.uint64))
    return np.random.Generator(stream).standard_normal(NOISE_PIECE_SAMPLES, np.float32)
