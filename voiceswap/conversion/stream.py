"""The way of a recording through the networks, in windows: a ten-hour file takes the memory of a short one.

A source is read four times, one of several channels five times: once more, before all else, to see whether they cancel
each other. The analysis finds its F0, level and length. Then windows of it go through the networks, at two rates, and
beside the result the source itself runs once more, to lend each channel its loudness and its silence.

    content   |--before--|------------- core -------------|----after----|
    next                                      |--before---|------------- core ------ ...
    blended   from the window before ................... fading ........ from this one

Whisper's encoder hears a window as a whole, so that two windows say slightly different things of the same moment; the
content fades from one to the next over `after`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from itertools import tee
from threading import Event

import numpy as np

from voiceswap.arrays import Array
from voiceswap.audio.channels import mix_to_mono
from voiceswap.audio.prefetch import prefetch
from voiceswap.audio.resample import Resampler
from voiceswap.audio.source import BlockReader, Source
from voiceswap.conversion.analysis import SILENT_DB, Analysis
from voiceswap.conversion.engine import Controls, Decoded, Engine, Settings
from voiceswap.conversion.windows import cut_windows, mix_and_resample
from voiceswap.errors import ModelError
from voiceswap.model.vocoders import Melody
from voiceswap.signal import breath, loudness
from voiceswap.signal.f0 import interpolate_f0, transpose_f0
from voiceswap.signal.loudness import remove_dc, smooth_power

# Peaks above the knee are clipped softly, so that nothing exceeds the ceiling: without memory, hence without seams.
KNEE = 0.8
CEILING = 0.985
# What each channel has of its own is heard in blocks of this length, with so much around each.
CHANNEL_BLOCK_S = 2.0
CHANNEL_MARGIN_S = 0.1
MAX_CHANNEL_SHARE = 4.0


Watch = Callable[[Array, Array], None]


def convert_stream(
    source: Source, analysis: Analysis, engine: Engine, settings: Settings, watch: Watch | None = None
) -> Generator[Array, None, None]:
    """Convert a source; to be closed by who does not take all of it, which ends its threads.

    Args:
        source: The same that was analysed.
        analysis: Its analysis.
        engine: The voice's.
        settings: How the source is carried over.
        watch: Told each window's own content and the mel that is made of it.

    Yields:
        Blocks (n, n_channels) float32 at the source's rate, |sample| < 1; in all as many samples as the source has.

    Raises:
        ModelError: The voice's weights lead to samples that are not finite.
    """
    rate = source.sample_rate_hz
    margin = round(CHANNEL_MARGIN_S * rate)
    first = -margin
    voiced = analysis.f0_hz > 0
    f = engine.config.features
    # What is digitally silent shows in the source as it is: without its offset, each sound has a tail.
    plain, steady = tee(source.open())
    both = (
        cut_windows(blocks, round(CHANNEL_BLOCK_S * rate), margin, margin)
        for blocks in (plain, remove_dc(steady, rate))
    )
    left = Event()
    with closing(prefetch(_converted_mono(source, analysis, engine, settings, watch, left), left)) as blocks:
        reader = BlockReader(blocks)
        for given, window in zip(*both, strict=True):
            core = slice(margin, margin + window.n_core)
            mono = reader.take(window.n_core)
            if analysis.level_db > SILENT_DB:
                mono = mono + breath.hiss(mix_to_mono(window.samples, analysis.signs), rate, first, voiced, f)[core]
            first += window.n_core
            silence = np.stack([loudness.digital_silence_gain(c, rate)[core] for c in given.samples.T], axis=-1)
            yield soft_clip(mono[:, None] * channel_gains(window.samples, analysis.signs, rate)[core] * silence)


def channel_gains(samples: Array, signs: Array, sample_rate_hz: int) -> Array:
    """How loud each channel of (n, n_channels) is against their mix, moment by moment; ones for a single channel."""
    if samples.shape[1] == 1:
        return np.ones_like(samples)
    power = smooth_power(np.square(np.column_stack([samples, mix_to_mono(samples, signs)])), sample_rate_hz)
    # Where only one sounds, it is so many times as loud as their mean.
    most = max(MAX_CHANNEL_SHARE, samples.shape[1])
    return np.asarray(np.sqrt(np.clip(power[:, :-1] / np.maximum(power[:, -1:], 1e-9), 0.0, most**2)))


def soft_clip(samples: Array, knee: float = KNEE, ceiling: float = CEILING) -> Array:
    """Samples whose peaks above the knee are bent below the ceiling."""
    over = np.maximum(np.abs(samples) - knee, 0.0)
    room = ceiling - knee
    bend = np.sign(samples) * (knee + room * np.tanh(over / room))
    return np.where(over > 0, bend, samples).astype(np.float32)


def _converted_mono(
    source: Source, analysis: Analysis, engine: Engine, settings: Settings, watch: Watch | None, left: Event
) -> Iterator[Array]:
    """The mono result at the source's rate."""
    if analysis.level_db <= SILENT_DB:
        return
    f = engine.config.features
    resampler = Resampler(f.mel_rate_hz, source.sample_rate_hz)
    with closing(prefetch(_decoded_windows(source, analysis, engine, settings, watch))) as decoded_windows:
        for decoded, controls in decoded_windows:
            samples = engine.vocode(decoded, controls, settings, left.is_set)
            if not np.isfinite(samples).all():
                raise ModelError("the voice produces samples that are not numbers", "get it again, or train it again")
            yield resampler.push(samples)
    yield resampler.finish()


def _decoded_windows(
    source: Source, analysis: Analysis, engine: Engine, settings: Settings, watch: Watch | None
) -> Iterator[tuple[Decoded, Controls]]:
    """What the voice says, a window at a time."""
    f, grid = engine.config.features, engine.grid(settings.vocoder)
    hop, vector = f.hop_samples, 2 * f.content_hop_samples
    beyond = (grid.margin_frames, 2 * grid.core_frames + grid.margin_frames)
    f0_hz = transpose_f0(interpolate_f0(analysis.f0_hz, f.frames_per_s), settings.pitch_semitones, f)
    f0_hz = np.pad(f0_hz, beyond, mode="edge")
    melody = Melody.of(f0_hz, np.pad(analysis.f0_hz > 0, beyond), f, -grid.margin_frames)
    gain = np.float32(10 ** ((f.speech_level_db - analysis.level_db) / 20))
    at_content_rate = cut_windows(
        mix_and_resample(source.open(), analysis.signs, source.sample_rate_hz, f.content_rate_hz),
        grid.core_vectors * vector,
        grid.before_vectors * vector,
        grid.after_vectors * vector,
    )
    margin = grid.margin_frames * hop
    at_mel_rate = cut_windows(
        mix_and_resample(source.open(), analysis.signs, source.sample_rate_hz, f.mel_rate_hz),
        grid.core_frames * hop,
        margin,
        margin,
    )
    content: Array | None = None
    for i, (heard, window) in enumerate(zip(at_content_rate, at_mel_rate, strict=False)):
        begin = i * grid.core_frames
        controls = Controls(melody.cut(begin, begin + grid.core_frames + 2 * grid.margin_frames), gain)
        content = engine.encode(heard, gain, content)
        decoded = engine.decode(content, window, controls, settings)
        if watch is not None:
            n_vectors = -(-heard.n_core // vector)
            watch(content[grid.before_vectors : grid.before_vectors + n_vectors], decoded.own_mel)
        yield decoded, controls
