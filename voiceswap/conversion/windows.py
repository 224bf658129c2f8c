"""Streams of samples in windows: cut, at which rates they meet, and faded from one to the next."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from voiceswap.arrays import Array
from voiceswap.audio.channels import mix_to_mono
from voiceswap.audio.resample import Resampler
from voiceswap.config import Config, FeatureConfig
from voiceswap.signal import breath, features
from voiceswap.signal.loudness import remove_dc

# Frames to either side that the loudness needs to be followed without a seam.
FOLLOW_FRAMES = 12
# So long after its end a recording is repeated: further than a decoder hears.
REPEATED_AFTER_S = 1.0
# Share of a window's spare vectors that lies before its core.
BEFORE_SHARE = 0.3


@dataclass(frozen=True)
class Window:
    """`before` samples, `n_core` samples that are this window's own, and what follows; zeros beyond the source."""

    samples: Array
    n_core: int


def mix_and_resample(blocks: Iterator[Array], signs: Array, from_hz: int, to_hz: int) -> Iterator[Array]:
    """Blocks (n, n_channels) without their offset, mixed with `signs` to mono (n,) at another rate."""
    resampler = Resampler(from_hz, to_hz)
    for block in remove_dc(blocks, from_hz):
        yield resampler.push(mix_to_mono(block, signs))
    yield resampler.finish()


def cut_windows(blocks: Iterator[Array], core: int, before: int, after: int) -> Iterator[Window]:
    """Cut a stream of blocks (n,) or (n, n_channels) into windows of `before + core + after` samples, `core` apart."""
    whole = before + core + after
    first = next(blocks, np.zeros(0, np.float32))
    silence = np.zeros((whole, *first.shape[1:]), np.float32)
    held, n_held = [silence[:before], first], before + len(first)
    for block in blocks:
        held.append(block)
        n_held += len(block)
        while n_held >= whole:
            joined = np.concatenate(held)
            yield Window(joined[:whole], core)
            held, n_held = [joined[core:]], n_held - core
    joined = np.concatenate(held)
    while len(joined) > before:
        n_core = min(core, len(joined) - before)
        yield Window(np.concatenate([joined, silence])[:whole], n_core)
        joined = joined[core:]


@dataclass(frozen=True)
class Grid:
    """Where windows lie: content vectors and mel frames meet only every 5.12 s, so a core is a multiple of that.

    Of a window's margin, `decoded_frames` serve the decoder alone; `vocoded_frames` go through the vocoder too.
    """

    core_vectors: int
    before_vectors: int
    after_vectors: int
    core_frames: int
    decoded_frames: int
    vocoded_frames: int

    @classmethod
    def of(cls, config: Config) -> Grid:
        """The grid of these settings; as many periods to a window as leave two seconds over."""
        f = config.features
        content_rate = f.content_rate_hz // (2 * f.content_hop_samples)
        period_frames = f.mel_rate_hz // math.gcd(f.mel_rate_hz, f.hop_samples * content_rate)
        period_vectors = period_frames * f.hop_samples * content_rate // f.mel_rate_hz
        n_periods = (config.encoder.window_vectors - 2 * content_rate) // period_vectors
        spare = config.encoder.window_vectors - n_periods * period_vectors
        before = int(BEFORE_SHARE * spare)
        decoded = features.ENERGY_REACH_FRAMES + config.decoder.context_frames + breath.REACH_FRAMES
        vocoded = config.vocoder.context_frames + FOLLOW_FRAMES
        return cls(n_periods * period_vectors, before, spare - before, n_periods * period_frames, decoded, vocoded)

    @property
    def margin_frames(self) -> int:
        """Frames to either side of a core that a window must have."""
        return self.decoded_frames + self.vocoded_frames


def fill_window(window: Window, grid: Grid, config: FeatureConfig, *, is_first: bool) -> Array:
    """A window's samples; if its source ends in its core, that again and again after a second, instead of silence.

    Voices learn from windows that are full of speech (`ContentEncoder.pieces`), and Whisper's encoder hears a window as
    a whole: the same words amid half a minute of silence are other vectors (docs/measurements.md).

    Args:
        window: What the encoder is to hear, at `content_rate_hz`.
        grid: How it lies.
        config: The rate.
        is_first: Whether the source begins with its core.

    Returns:
        Shape (n_samples,), float32; the same up to a second after the end of the source.
    """
    vector = 2 * config.content_hop_samples
    core, before = grid.core_vectors * vector, grid.before_vectors * vector
    end = before + window.n_core
    if window.n_core == core:
        return window.samples
    pause = np.zeros(round(REPEATED_AFTER_S * config.content_rate_hz), np.float32)
    again = np.concatenate([pause, window.samples[before if is_first else 0 : end]])
    return np.concatenate([window.samples[:end], np.resize(again, len(window.samples) - end)])


def crossfade_content(previous: Array | None, content: Array, grid: Grid) -> Array:
    """A window's content, its beginning faded in from the window before."""
    if previous is None:
        return content
    known = previous[grid.core_vectors :]
    # The former content up to the core's start, then a straight fade over what it has after it.
    share = np.clip(np.arange(1 - grid.before_vectors, 1 + grid.after_vectors) / grid.after_vectors, 0, 1)[:, None]
    blended = content.copy()
    blended[: len(known)] = known * (1 - share) + content[: len(known)] * share
    return blended
