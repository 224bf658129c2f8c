"""One window in, samples out: the way through the networks. No file, no thread, nothing read twice.

    window at 16 kHz -- encoder --> content --.
    F0, voicing ------------------------------+-- decoder --> mel -- vocoder --> samples at 22.05 kHz
    window at 22.05 kHz -- loudness ----------'

What cuts windows and joins what comes of them is `stream`, for whole recordings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.ndimage import maximum_filter1d

from voiceswap.arrays import Array
from voiceswap.config import Config
from voiceswap.conversion.speaker import Speaker
from voiceswap.conversion.windows import FOLLOW_FRAMES, Grid, Window, crossfade_content, fill_window
from voiceswap.model.vocoders import Melody, Vocoder
from voiceswap.signal import features, loudness
from voiceswap.signal.breath import keep_breaths
from voiceswap.signal.formants import shift_formants


class Encoder(Protocol):
    """What hears windows: `model.encoder.ContentEncoder`."""

    def prepare(self) -> None:
        """Build what the first window needs."""
        ...

    def encode_window(self, mel: Array) -> Array:
        """Content (n_frames // 2, content_dim) of an encoder mel (n_frames, content_n_mels)."""
        ...


@dataclass(frozen=True)
class Settings:
    """How a source is carried over into a voice.

    Attributes:
        pitch_semitones: How far its F0 moves.
        formant_semitones: How far the voice's formants move.
        protect: 0 to 1: how much of the source's own breaths, plosives and sibilants stays; a breath that the voice
            does not draw stays in any case.
        vocoder: "fast", "best" or "quick".
    """

    pitch_semitones: float = 0.0
    formant_semitones: float = 0.0
    protect: float = 0.0
    vocoder: str = "fast"


@dataclass(frozen=True)
class Controls:
    """What goes with a window besides its samples.

    Attributes:
        melody: Of its frames, as it is to sound.
        gain: What brings the source to the level that the networks know.
    """

    melody: Melody
    gain: np.float32


@dataclass(frozen=True)
class Decoded:
    """A window as the decoder gives it, as much of it as the vocoder needs.

    Attributes:
        mel: Shape (n_frames, n_mels), what the voice says.
        samples: Shape (n_frames * hop_samples,), the source at that moment, at the level the networks know.
        melody: Of its frames.
        sounding: Shape (n_frames,), bool: where the source is not silent.
        n_core: How many samples are this window's own.
        own_mel: Shape (n_own_frames, n_mels), the mel of these alone.
    """

    mel: Array
    samples: Array
    melody: Melody
    sounding: Array
    n_core: int
    own_mel: Array


@dataclass(frozen=True)
class Engine:
    """What a window goes through.

    Attributes:
        encoder: Hears what is said.
        speaker: Says it.
        get_vocoder: Gives the vocoder "best", "fast" or "quick".
        config: The settings of all.
    """

    encoder: Encoder
    speaker: Speaker
    get_vocoder: Callable[[str], Vocoder]
    config: Config

    def prepare(self, vocoder: str) -> None:
        """Build what the first window needs, which takes seconds; nothing the second time."""
        self.encoder.prepare()
        self.get_vocoder(vocoder).prepare()

    def grid(self, vocoder: str) -> Grid:
        """Where windows lie, so that the vocoder of this name has what it needs around each core."""
        return Grid.of(self.config, self.get_vocoder(vocoder).context_frames)

    def encode(self, window: Window, gain: np.float32, previous: Array | None) -> Array:
        """Hear what is said.

        Args:
            window: The source at `content_rate_hz`.
            gain: As in Controls.
            previous: The content of the window before; None for the first.

        Returns:
            Shape (window_vectors, content_dim), float32, crossfaded from that of the window before.
        """
        f, grid = self.config.features, Grid.of(self.config)
        samples = fill_window(window, grid, f, is_first=previous is None)
        return crossfade_content(previous, self.encoder.encode_window(features.encoder_mel(samples * gain, f)), grid)

    def decode(self, content: Array, window: Window, controls: Controls, settings: Settings) -> Decoded:
        """Say it as the speaker.

        Args:
            content: What `encode` gave of the same moment.
            window: The source at `mel_rate_hz`, with `Grid.margin_frames` on either side of its core.
            controls: Of its frames.
            settings: How the source is carried over.

        Returns:
            The window's mel, and what the vocoder needs besides.
        """
        f, grid = self.config.features, self.grid(settings.vocoder)
        hop, margin = f.hop_samples, grid.margin_frames
        melody = controls.melody
        samples = window.samples * controls.gain
        source_mel = features.decoder_mel(samples, f)
        at_frames, conditions = features.decoder_inputs(
            content, source_mel, melody.f0_hz, melody.voiced, f, -margin, -grid.before_vectors
        )
        mel = shift_formants(self.speaker.decode(at_frames, conditions), settings.formant_semitones, f)
        mel = keep_breaths(mel, source_mel, samples, melody.voiced, f)
        # Only so much goes through the vocoder, the slowest part, as this window's core needs.
        n_own = -(-window.n_core // hop)
        frames = slice(grid.decoded_frames, grid.decoded_frames + n_own + 2 * grid.vocoded_frames)
        sound = slice(frames.start * hop, frames.stop * hop)
        sounding = find_sounding(window.samples[sound], hop)
        own_mel = mel[margin : margin + n_own]
        vocoded_melody = melody.cut(frames.start, frames.stop)
        return Decoded(mel[frames], samples[sound], vocoded_melody, sounding, window.n_core, own_mel)

    def vocode(
        self, decoded: Decoded, controls: Controls, settings: Settings, stopped: Callable[[], bool] | None = None
    ) -> Array:
        """Make the samples of a window's core, as loud as the source, moment by moment.

        Args:
            decoded: What `decode` gave.
            controls: Of the same window.
            settings: How the source is carried over.
            stopped: Asked before each block of a few seconds at most; True leaves zeros from there on.

        Returns:
            Shape (n_core,), float32, at `mel_rate_hz` and at the source's own level.
        """
        f = self.config.features
        samples = self.get_vocoder(settings.vocoder)(decoded.mel, decoded.melody, decoded.sounding, stopped)
        followed = samples * loudness.follow_gain(samples, decoded.samples, f.mel_rate_hz)
        kept_share = settings.protect * unvoiced_share(decoded.melody.voiced, f.hop_samples)
        mixed = (followed * (1 - kept_share) + decoded.samples * kept_share) / controls.gain
        first = self.grid(settings.vocoder).vocoded_frames * f.hop_samples
        return np.asarray(mixed[first : first + decoded.n_core])


def find_sounding(samples: Array, hop_samples: int) -> Array:
    """Which frames of (n_frames * hop_samples,) are not digitally silent, nor near one that is not: (n_frames,)."""
    loudest = np.abs(samples).reshape(-1, hop_samples).max(axis=1)
    return np.asarray(maximum_filter1d(loudest > loudness.DIGITAL_SILENCE, 2 * FOLLOW_FRAMES + 1))


def unvoiced_share(voiced: Array, hop_samples: int) -> Array:
    """At each sample how unvoiced its surroundings are, 0 to 1, from frames (n_frames,): (n_frames * hop_samples,)."""
    centres = (np.arange(len(voiced)) + 0.5) * hop_samples
    share = np.interp(np.arange(len(voiced) * hop_samples), centres, np.where(voiced, 0.0, 1.0))
    return np.asarray(share, dtype=np.float32)
