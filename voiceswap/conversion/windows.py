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

# Frames to either side that following the loudness needs, so that no seam is heard.
FOLLOW_FRAMES = 12
# A recording is repeated so long after its end: further than a decoder hears.
REPEAT_PAUSE_S = 1.0
# The share of a window's spare vectors that lies before its core.
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
    window_samples = before + core + after
    first = next(blocks, np.zeros(0, np.float32))
    silence = np.zeros((window_samples, *first.shape[1:]), np.float32)
    pending = [silence[:before], first]
    n_pending = before + len(first)
    for block in blocks:
        pending.append(block)
        n_pending += len(block)
        while n_pending >= window_samples:
            samples = np.concatenate(pending)
            yield Window(samples[:window_samples], core)
            pending = [samples[core:]]
            n_pending -= core
    samples = np.concatenate(pending)
    while len(samples) > before:
        n_core = min(core, len(samples) - before)
        yield Window(np.concatenate([samples, silence])[:window_samples], n_core)
        samples = samples[core:]


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
    def of(cls, config: Config, context_frames: int | None = None) -> Grid:
        """The grid of these settings: as many periods to a window as leave two seconds spare.

        Args:
            config: Framing, and how far encoder and decoder hear.
            context_frames: How far the vocoder hears; HiFi-GAN if not given.

        Returns:
            The grid.
        """
        context_frames = config.vocoder.context_frames if context_frames is None else context_frames
        framing = config.features
        vectors_per_s = framing.content_rate_hz // (2 * framing.content_hop_samples)
        period_frames = framing.mel_rate_hz // math.gcd(framing.mel_rate_hz, framing.hop_samples * vectors_per_s)
        period_vectors = period_frames * framing.hop_samples * vectors_per_s // framing.mel_rate_hz
        n_periods = (config.encoder.window_vectors - 2 * vectors_per_s) // period_vectors
        spare_vectors = config.encoder.window_vectors - n_periods * period_vectors
        before_vectors = int(BEFORE_SHARE * spare_vectors)
        return cls(
            core_vectors=n_periods * period_vectors,
            before_vectors=before_vectors,
            after_vectors=spare_vectors - before_vectors,
            core_frames=n_periods * period_frames,
            decoded_frames=features.ENERGY_REACH_FRAMES + config.decoder.context_frames + breath.REACH_FRAMES,
            vocoded_frames=context_frames + FOLLOW_FRAMES,
        )

    @property
    def margin_frames(self) -> int:
        """Frames to either side of a core that a window must have."""
        return self.decoded_frames + self.vocoded_frames


def fill_window(window: Window, grid: Grid, config: FeatureConfig, *, is_first: bool) -> Array:
    """A window's samples; if its source ends in its core, the source repeated after a second, instead of silence.

    Voices learn from windows that are full of speech (`ContentEncoder.pieces`), and Whisper's encoder hears a window as
    a whole: the same words amid half a minute of silence are other vectors (docs/lab/short_clips.md).

    Args:
        window: What the encoder is to hear, at `content_rate_hz`.
        grid: How it lies.
        config: The rate.
        is_first: Whether the source begins with its core.

    Returns:
        Shape (n_samples,), float32; the same up to a second after the end of the source.
    """
    vector_samples = 2 * config.content_hop_samples
    core_samples = grid.core_vectors * vector_samples
    before_samples = grid.before_vectors * vector_samples
    end = before_samples + window.n_core
    if window.n_core == core_samples:
        return window.samples
    pause = np.zeros(round(REPEAT_PAUSE_S * config.content_rate_hz), np.float32)
    repeated = np.concatenate([pause, window.samples[before_samples if is_first else 0 : end]])
    return np.concatenate([window.samples[:end], np.resize(repeated, len(window.samples) - end)])


def crossfade_content(previous: Array | None, content: Array, grid: Grid) -> Array:
    """A window's content, its beginning faded in from the window before."""
    if previous is None:
        return content
    overlap = previous[grid.core_vectors :]
    # The previous content up to the start of the core, then a linear fade over what it has after that.
    fade_in = np.clip(np.arange(1 - grid.before_vectors, 1 + grid.after_vectors) / grid.after_vectors, 0, 1)[:, None]
    blended = content.copy()
    blended[: len(overlap)] = overlap * (1 - fade_in) + content[: len(overlap)] * fade_in
    return blended
