"""The way of a recording through the networks, in windows: a ten-hour file takes the memory of a short one.

A source is read four times, one of several channels five times: once more, before all else, to see whether they cancel
each other. The survey finds its melody, level and length. Then windows of it go through the networks, at two rates, and
beside the result the source itself runs once more, to lend each channel its loudness and its silence.

    content   |--before--|------------- core -------------|----after----|
    next                                      |--before---|------------- core ------ ...
    blended   from the window before ................... fading ........ from this one

Whisper's encoder hears a window as a whole, so that two windows say slightly different things of the same moment; the
content fades from one to the next over `after`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import tee

import numpy as np
from scipy.ndimage import maximum_filter1d

from voiceswap.config import Config, FeatureConfig
from voiceswap.errors import AudioError, ModelError
from voiceswap.model.encoder import ContentEncoder
from voiceswap.model.vocoder import Vocoder
from voiceswap.signal import audio, breath, features, formants, loudness, pitch
from voiceswap.signal.features import Array
from voiceswap.signal.mark import AUDIBLE_DB

MIN_DURATION_S = 0.05
SURVEY_S, SURVEY_MARGIN_S = 20.0, 1.0
# Frames to either side that the loudness needs to be followed without a seam.
FOLLOW_FRAMES = 12
SILENT_DB = -90.0
# So long after its end a recording is repeated: further than a decoder hears.
REPEATED_AFTER_S = 1.0
# Share of a window's spare vectors that lies before its core.
BEFORE_SHARE = 0.3
# Above the knee peaks are bent, so that nothing clips: no memory, hence no seams.
KNEE, CEILING = 0.8, 0.985
CHANNEL_BLOCK_S, CHANNEL_MARGIN_S = 2.0, 0.1
MAX_CHANNEL_SHARE = 4.0


@dataclass(frozen=True)
class Source:
    """A recording that can be read from its beginning as often as needed.

    Attributes:
        open: Gives its blocks (n, n_channels), float32, finite.
        sample_rate_hz: Its rate.
        n_channels: Its channels.
        label: What to call it in messages.
    """

    open: Callable[[], Iterator[Array]]
    sample_rate_hz: int
    n_channels: int
    label: str


@dataclass(frozen=True)
class Survey:
    """What the survey found.

    Attributes:
        n_samples: Samples a channel at the source's rate, counted.
        f0_hz: Shape (n_frames,), 0.0 = unvoiced.
        f0_range: The range of the melody; None if hardly anything is voiced.
        level_db: Level of the sounding parts, dBFS; `SILENT_DB` or less means silence.
        signs: Shape (n_channels,): with which signs its channels are mixed.
        sounding_s: How much of it is loud enough to bear a mark.
    """

    n_samples: int
    f0_hz: Array
    f0_range: pitch.F0Range | None
    level_db: float
    signs: Array
    sounding_s: float


@dataclass(frozen=True)
class Networks:
    """What a window goes through.

    Attributes:
        encoder: Listens to what is said.
        decode: From frames of content and conditions to a mel of as many frames.
        vocoder_of: Gives the vocoder "best" or "fast".
        config: The settings of all.
    """

    encoder: ContentEncoder
    decode: Callable[[Array, Array], Array]
    vocoder_of: Callable[[str], Vocoder]
    config: Config


@dataclass(frozen=True)
class Shaping:
    """How the source is carried over.

    Attributes:
        pitch_semitones: How far the melody moves.
        formant_semitones: How far the voice's formants move.
        protect: 0 to 1: how much of the source's own breaths, plosives and sibilants stays; a breath that the voice
            does not draw stays in any case.
        vocoder: "fast" or "best".
    """

    pitch_semitones: float = 0.0
    formant_semitones: float = 0.0
    protect: float = 0.0
    vocoder: str = "fast"


def array_source(samples: Array, sample_rate_hz: int, block_samples: int = 1 << 16) -> Source:
    """A source of samples in memory, (n_samples, n_channels) float32."""

    def blocks() -> Iterator[Array]:
        for first in range(0, len(samples), block_samples):
            yield samples[first : first + block_samples]

    return Source(blocks, sample_rate_hz, samples.shape[1], "the samples")


def survey(source: Source, config: Config, f0_method: str = pitch.METHODS[0]) -> Survey:
    """Read a source, once, or twice if it has several channels.

    Args:
        source: Of any length.
        config: Framing.
        f0_method: How the melody is found: pitch.METHODS.

    Returns:
        Its length, melody and level.

    Raises:
        AudioError: It is shorter than 50 ms, or unreadable.
    """
    f = config.features
    hop = f.hop_samples
    core, margin = (round(s * f.frames_per_s) * hop for s in (SURVEY_S, SURVEY_MARGIN_S))
    signs = audio.channel_signs(source.open(), source.n_channels)
    counted = _Counted(source)
    f0, levels = [], []
    mono = resampled(counted.blocks(), signs, source.sample_rate_hz, f.mel_rate_hz)
    for window in windows(mono, core, margin, margin):
        first, last = margin // hop, -(-(margin + window.n_core) // hop)
        f0.append(pitch.f0_hz(window.samples, f, f0_method)[first:last])
        levels.append(loudness.frame_levels_db(window.samples[margin : margin + window.n_core], f.mel_rate_hz))
    if counted.n_samples < MIN_DURATION_S * source.sample_rate_hz:
        raise AudioError(
            f"{source.label} is {1000 * counted.n_samples / source.sample_rate_hz:.0f} ms long, wanted at least "
            f"{1000 * MIN_DURATION_S:.0f} ms",
            "give a longer recording",
        )
    melody = np.concatenate(f0)
    each_db = np.concatenate(levels)
    level_db = loudness.active_level_db(each_db)
    sounding_s = float(np.sum(each_db > AUDIBLE_DB)) * loudness.LEVEL_FRAME_S
    return Survey(counted.n_samples, melody, pitch.f0_range(melody), level_db, signs, sounding_s)


class _Counted:
    def __init__(self, source: Source) -> None:
        self._source, self.n_samples = source, 0

    def blocks(self) -> Iterator[Array]:
        for block in self._source.open():
            self.n_samples += len(block)
            yield block


@dataclass(frozen=True)
class Window:
    """`before` samples, `n_core` samples that are this window's own, and what follows; zeros beyond the source."""

    samples: Array
    n_core: int


def resampled(blocks: Iterator[Array], signs: Array, from_hz: int, to_hz: int) -> Iterator[Array]:
    """Blocks (n, n_channels) without their offset, mixed with `signs` to mono (n,) at another rate."""
    resampler = audio.Resampler(from_hz, to_hz)
    for block in loudness.without_offset(blocks, from_hz):
        yield resampler.push(audio.mono(block, signs))
    yield resampler.finish()


def windows(blocks: Iterator[Array], core: int, before: int, after: int) -> Iterator[Window]:
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


def repeated(window: Window, grid: Grid, config: FeatureConfig, *, is_first: bool) -> Array:
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


Watch = Callable[[Array, Array], None]


def converted(
    source: Source, found: Survey, networks: Networks, shaping: Shaping, watch: Watch | None = None
) -> Iterator[Array]:
    """Convert a source.

    Args:
        source: The same that was surveyed.
        found: Its survey.
        networks: The voice's.
        shaping: How the source is carried over.
        watch: Told each window's own content and the mel that is made of it.

    Yields:
        Blocks (n, n_channels) float32 at the source's rate, |sample| < 1; in all as many samples as the source has.

    Raises:
        ModelError: The voice's weights lead to samples that are not finite.
    """
    made = Queue(_made(source, found, networks, shaping, watch))
    rate = source.sample_rate_hz
    margin = round(CHANNEL_MARGIN_S * rate)
    first, voiced, f = -margin, found.f0_hz > 0, networks.config.features
    # What is digitally silent shows in the source as it is: without its offset, each sound has a tail.
    plain, steady = tee(source.open())
    both = (
        windows(blocks, round(CHANNEL_BLOCK_S * rate), margin, margin)
        for blocks in (plain, loudness.without_offset(steady, rate))
    )
    for given, window in zip(*both, strict=True):
        core = slice(margin, margin + window.n_core)
        mono = made.take(window.n_core)
        if found.level_db > SILENT_DB:
            mono = mono + breath.hiss(audio.mono(window.samples, found.signs), rate, first, voiced, f)[core]
        first += window.n_core
        silence = np.stack([loudness.digital_silence_gain(c, rate)[core] for c in given.samples.T], axis=-1)
        yield bent(mono[:, None] * channel_shares(window.samples, found.signs, rate)[core] * silence)


def channel_shares(samples: Array, signs: Array, sample_rate_hz: int) -> Array:
    """How loud each channel of (n, n_channels) is against their mix, moment by moment; ones for a single channel."""
    if samples.shape[1] == 1:
        return np.ones_like(samples)
    power = loudness.smoothed(np.square(np.column_stack([samples, audio.mono(samples, signs)])), sample_rate_hz)
    # Where only one sounds, it is so many times as loud as their mean.
    most = max(MAX_CHANNEL_SHARE, samples.shape[1])
    return np.asarray(np.sqrt(np.clip(power[:, :-1] / np.maximum(power[:, -1:], 1e-9), 0.0, most**2)))


def bent(samples: Array, knee: float = KNEE, ceiling: float = CEILING) -> Array:
    """Samples whose peaks above the knee are bent below the ceiling."""
    over = np.maximum(np.abs(samples) - knee, 0.0)
    room = ceiling - knee
    bend = np.sign(samples) * (knee + room * np.tanh(over / room))
    return np.where(over > 0, bend, samples).astype(np.float32)


class Queue:
    """Takes as many samples at a time as asked from blocks of any size; zeros when they have run out.

    Args:
        blocks: Blocks (n,), or (n, n_channels) if `n_channels` is given.
        n_channels: Their channels.
    """

    def __init__(self, blocks: Iterator[Array], n_channels: int | None = None) -> None:
        self._shape = () if n_channels is None else (n_channels,)
        self._blocks, self._held = blocks, np.zeros((0, *self._shape), np.float32)

    def take(self, n_samples: int) -> Array:
        """The next `n_samples`."""
        held = [self._held]
        n_held = len(self._held)
        while n_held < n_samples:
            block = next(self._blocks, None)
            block = np.zeros((n_samples - n_held, *self._shape), np.float32) if block is None else block
            held.append(block)
            n_held += len(block)
        joined = np.concatenate(held)
        self._held = joined[n_samples:]
        return joined[:n_samples]


def _made(source: Source, found: Survey, networks: Networks, shaping: Shaping, watch: Watch | None) -> Iterator[Array]:
    """The mono result at the source's rate."""
    if found.level_db <= SILENT_DB:
        return
    resampler = audio.Resampler(networks.config.features.mel_rate_hz, source.sample_rate_hz)
    for samples in _cores(source, found, networks, shaping, watch):
        yield resampler.push(samples)
    yield resampler.finish()


def _cores(source: Source, found: Survey, networks: Networks, shaping: Shaping, watch: Watch | None) -> Iterator[Array]:
    """The mono result at `mel_rate_hz`, a core at a time."""
    config, f = networks.config, networks.config.features
    grid, vocoder = Grid.of(config), networks.vocoder_of(shaping.vocoder)
    hop, vector = f.hop_samples, 2 * f.content_hop_samples
    gain = np.float32(10 ** ((f.speech_level_db - found.level_db) / 20))
    beyond = (grid.margin_frames, 2 * grid.core_frames + grid.margin_frames)
    melody = pitch.transposed(pitch.carried_on(found.f0_hz, f.frames_per_s), shaping.pitch_semitones, f)
    melody = np.pad(melody, beyond, mode="edge")
    voiced = np.pad(found.f0_hz > 0, beyond)
    heard = windows(
        resampled(source.open(), found.signs, source.sample_rate_hz, f.content_rate_hz),
        grid.core_vectors * vector,
        grid.before_vectors * vector,
        grid.after_vectors * vector,
    )
    margin = grid.margin_frames * hop
    seen = windows(
        resampled(source.open(), found.signs, source.sample_rate_hz, f.mel_rate_hz),
        grid.core_frames * hop,
        margin,
        margin,
    )
    n_frames = grid.core_frames + 2 * grid.margin_frames
    previous: Array | None = None
    for i, (listened, looked) in enumerate(zip(heard, seen, strict=False)):
        filled = repeated(listened, grid, f, is_first=i == 0)
        content = faded(previous, networks.encoder.window(features.encoder_mel(filled * gain, f)), grid)
        previous = content
        at_frames = features.content_at_frames(content, -grid.margin_frames, n_frames, f, -grid.before_vectors)
        first = i * grid.core_frames
        samples = looked.samples * gain
        frames = slice(first, first + n_frames)
        source_mel = features.decoder_mel(samples, f)
        around = features.conditions(source_mel, melody[frames], voiced[frames], f)
        mel = formants.moved(networks.decode(at_frames, around), shaping.formant_semitones, f)
        mel = breath.kept(mel, source_mel, samples, voiced[frames], f)
        if watch is not None:
            n_vectors, n_own = -(-listened.n_core // vector), -(-looked.n_core // hop)
            own = content[grid.before_vectors : grid.before_vectors + n_vectors]
            watch(own, mel[grid.margin_frames : grid.margin_frames + n_own])
        # Only so much goes through the vocoder, the slowest part, as this window's core needs.
        inner, spare = grid.decoded_frames, grid.vocoded_frames
        vocoded = slice(inner, inner + -(-looked.n_core // hop) + 2 * spare)
        own_samples = slice(vocoded.start * hop, vocoded.stop * hop)
        source_part = samples[own_samples]
        made = vocoder(mel[vocoded], _sounding(looked.samples[own_samples], hop))
        followed = made * loudness.follow_gain(made, source_part, f.mel_rate_hz)
        kept = shaping.protect * _unvoiced_share(voiced[frames][vocoded], hop)
        mixed = (followed * (1 - kept) + source_part * kept) / gain
        if not np.isfinite(mixed).all():
            raise ModelError("the voice gives samples that are no numbers", "get it anew, or train it again")
        yield mixed[spare * hop : spare * hop + looked.n_core]


def _sounding(samples: Array, hop_samples: int) -> Array:
    """Which frames of (n_frames * hop_samples,) are not digitally silent, nor near one that is not: (n_frames,)."""
    loudest = np.abs(samples).reshape(-1, hop_samples).max(axis=1)
    return np.asarray(maximum_filter1d(loudest > loudness.DIGITAL_SILENCE, 2 * FOLLOW_FRAMES + 1))


def _unvoiced_share(voiced: Array, hop_samples: int) -> Array:
    """At each sample how unvoiced its surroundings are, 0 to 1, from frames (n_frames,): (n_frames * hop_samples,)."""
    centres = (np.arange(len(voiced)) + 0.5) * hop_samples
    share = np.interp(np.arange(len(voiced) * hop_samples), centres, np.where(voiced, 0.0, 1.0))
    return np.asarray(share, dtype=np.float32)


def faded(previous: Array | None, content: Array, grid: Grid) -> Array:
    """A window's content, its beginning faded in from the window before."""
    if previous is None:
        return content
    ahead = previous[grid.core_vectors :]
    # The former content up to the core's start, then a straight fade over what it has after it.
    share = np.clip(np.arange(1 - grid.before_vectors, 1 + grid.after_vectors) / grid.after_vectors, 0, 1)[:, None]
    blended = content.copy()
    blended[: len(ahead)] = ahead * (1 - share) + content[: len(ahead)] * share
    return blended
