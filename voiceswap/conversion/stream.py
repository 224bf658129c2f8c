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

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import tee
from threading import Event

import numpy as np
from scipy.ndimage import maximum_filter1d

from voiceswap.arrays import Array
from voiceswap.audio.channels import mix_to_mono
from voiceswap.audio.prefetch import prefetch
from voiceswap.audio.resample import Resampler
from voiceswap.audio.source import BlockReader, Source
from voiceswap.config import Config, FeatureConfig
from voiceswap.conversion.analysis import SILENT_DB, Analysis
from voiceswap.conversion.windows import (
    FOLLOW_FRAMES,
    Grid,
    crossfade_content,
    cut_windows,
    fill_window,
    mix_and_resample,
)
from voiceswap.errors import ModelError
from voiceswap.model.encoder import ContentEncoder
from voiceswap.model.vocoders.hifigan import Vocoder
from voiceswap.signal import breath, features, loudness
from voiceswap.signal.breath import keep_breaths
from voiceswap.signal.f0 import interpolate_f0, transpose_f0
from voiceswap.signal.formants import shift_formants
from voiceswap.signal.loudness import remove_dc, smooth_power

# Above the knee peaks are bent, so that nothing clips: no memory, hence no seams.
KNEE, CEILING = 0.8, 0.985
CHANNEL_BLOCK_S, CHANNEL_MARGIN_S = 2.0, 0.1
MAX_CHANNEL_SHARE = 4.0


@dataclass(frozen=True)
class Networks:
    """What a window goes through.

    Attributes:
        encoder: Listens to what is said.
        decode: From frames of content and conditions to a mel of as many frames.
        get_vocoder: Gives the vocoder "best" or "fast".
        config: The settings of all.
    """

    encoder: ContentEncoder
    decode: Callable[[Array, Array], Array]
    get_vocoder: Callable[[str], Vocoder]
    config: Config

    def prepare(self, vocoder: str) -> None:
        """Build what the first window needs, which takes seconds; nothing the second time."""
        self.encoder.prepare()
        self.get_vocoder(vocoder).prepare()


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


Watch = Callable[[Array, Array], None]


def convert_stream(
    source: Source, found: Analysis, networks: Networks, shaping: Shaping, watch: Watch | None = None
) -> Generator[Array, None, None]:
    """Convert a source; to be closed by who does not take all of it, which ends its threads.

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
    rate = source.sample_rate_hz
    margin = round(CHANNEL_MARGIN_S * rate)
    first, voiced, f = -margin, found.f0_hz > 0, networks.config.features
    # What is digitally silent shows in the source as it is: without its offset, each sound has a tail.
    plain, steady = tee(source.open())
    both = (
        cut_windows(blocks, round(CHANNEL_BLOCK_S * rate), margin, margin)
        for blocks in (plain, remove_dc(steady, rate))
    )
    left = Event()
    with closing(prefetch(_made(source, found, networks, shaping, watch, left), left)) as blocks:
        made = BlockReader(blocks)
        for given, window in zip(*both, strict=True):
            core = slice(margin, margin + window.n_core)
            mono = made.take(window.n_core)
            if found.level_db > SILENT_DB:
                mono = mono + breath.hiss(mix_to_mono(window.samples, found.signs), rate, first, voiced, f)[core]
            first += window.n_core
            silence = np.stack([loudness.digital_silence_gain(c, rate)[core] for c in given.samples.T], axis=-1)
            yield soft_clip(mono[:, None] * channel_gains(window.samples, found.signs, rate)[core] * silence)


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


@dataclass(frozen=True)
class _Decoded:
    """A window as the decoder gives it.

    Attributes:
        mel: Shape (n_frames, n_mels), what the voice says.
        source: Shape (n_frames * hop_samples,), the source at that moment, at the level the networks know.
        voiced: Shape (n_frames,), bool.
        sounding: Shape (n_frames,), bool: where the source is not silent.
        n_core: How many samples are this window's own.
    """

    mel: Array
    source: Array
    voiced: Array
    sounding: Array
    n_core: int


def _made(
    source: Source, found: Analysis, networks: Networks, shaping: Shaping, watch: Watch | None, left: Event
) -> Iterator[Array]:
    """The mono result at the source's rate."""
    if found.level_db <= SILENT_DB:
        return
    f = networks.config.features
    resampler = Resampler(f.mel_rate_hz, source.sample_rate_hz)
    vocoder, gain = networks.get_vocoder(shaping.vocoder), _gain(found, f)
    spare = Grid.of(networks.config).vocoded_frames * f.hop_samples
    with closing(prefetch(_decoded(source, found, networks, shaping, watch))) as windows_of_it:
        for decoded in windows_of_it:
            made = vocoder(decoded.mel, decoded.sounding, left.is_set)
            followed = made * loudness.follow_gain(made, decoded.source, f.mel_rate_hz)
            kept = shaping.protect * _unvoiced_share(decoded.voiced, f.hop_samples)
            mixed = (followed * (1 - kept) + decoded.source * kept) / gain
            if not np.isfinite(mixed).all():
                raise ModelError("the voice gives samples that are no numbers", "get it anew, or train it again")
            yield resampler.push(mixed[spare : spare + decoded.n_core])
    yield resampler.finish()


def _gain(found: Analysis, f: FeatureConfig) -> np.float32:
    """What brings the source to the level that the networks know."""
    return np.float32(10 ** ((f.speech_level_db - found.level_db) / 20))


def _decoded(
    source: Source, found: Analysis, networks: Networks, shaping: Shaping, watch: Watch | None
) -> Iterator[_Decoded]:
    """What the voice says, a window at a time; of each as much as the vocoder needs."""
    config, f = networks.config, networks.config.features
    grid, gain = Grid.of(config), _gain(found, f)
    hop, vector = f.hop_samples, 2 * f.content_hop_samples
    beyond = (grid.margin_frames, 2 * grid.core_frames + grid.margin_frames)
    melody = transpose_f0(interpolate_f0(found.f0_hz, f.frames_per_s), shaping.pitch_semitones, f)
    melody = np.pad(melody, beyond, mode="edge")
    voiced = np.pad(found.f0_hz > 0, beyond)
    heard = cut_windows(
        mix_and_resample(source.open(), found.signs, source.sample_rate_hz, f.content_rate_hz),
        grid.core_vectors * vector,
        grid.before_vectors * vector,
        grid.after_vectors * vector,
    )
    margin = grid.margin_frames * hop
    seen = cut_windows(
        mix_and_resample(source.open(), found.signs, source.sample_rate_hz, f.mel_rate_hz),
        grid.core_frames * hop,
        margin,
        margin,
    )
    n_frames = grid.core_frames + 2 * grid.margin_frames
    previous: Array | None = None
    for i, (listened, looked) in enumerate(zip(heard, seen, strict=False)):
        filled = fill_window(listened, grid, f, is_first=i == 0)
        content = crossfade_content(previous, networks.encoder.window(features.encoder_mel(filled * gain, f)), grid)
        previous = content
        at_frames = features.content_at_frames(content, -grid.margin_frames, n_frames, f, -grid.before_vectors)
        first = i * grid.core_frames
        samples = looked.samples * gain
        frames = slice(first, first + n_frames)
        source_mel = features.decoder_mel(samples, f)
        around = features.conditions(source_mel, melody[frames], voiced[frames], f)
        mel = shift_formants(networks.decode(at_frames, around), shaping.formant_semitones, f)
        mel = keep_breaths(mel, source_mel, samples, voiced[frames], f)
        if watch is not None:
            n_vectors, n_own = -(-listened.n_core // vector), -(-looked.n_core // hop)
            own = content[grid.before_vectors : grid.before_vectors + n_vectors]
            watch(own, mel[grid.margin_frames : grid.margin_frames + n_own])
        # Only so much goes through the vocoder, the slowest part, as this window's core needs.
        inner, spare = grid.decoded_frames, grid.vocoded_frames
        vocoded = slice(inner, inner + -(-looked.n_core // hop) + 2 * spare)
        sound = slice(vocoded.start * hop, vocoded.stop * hop)
        sounding = _sounding(looked.samples[sound], hop)
        yield _Decoded(mel[vocoded], samples[sound], voiced[frames][vocoded], sounding, looked.n_core)


def _sounding(samples: Array, hop_samples: int) -> Array:
    """Which frames of (n_frames * hop_samples,) are not digitally silent, nor near one that is not: (n_frames,)."""
    loudest = np.abs(samples).reshape(-1, hop_samples).max(axis=1)
    return np.asarray(maximum_filter1d(loudest > loudness.DIGITAL_SILENCE, 2 * FOLLOW_FRAMES + 1))


def _unvoiced_share(voiced: Array, hop_samples: int) -> Array:
    """At each sample how unvoiced its surroundings are, 0 to 1, from frames (n_frames,): (n_frames * hop_samples,)."""
    centres = (np.arange(len(voiced)) + 0.5) * hop_samples
    share = np.interp(np.arange(len(voiced) * hop_samples), centres, np.where(voiced, 0.0, 1.0))
    return np.asarray(share, dtype=np.float32)
