"""What is found out about a source before any of it is converted: its length, F0, level and channels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from voiceswap.arrays import Array
from voiceswap.audio.channels import find_channel_signs
from voiceswap.audio.prefetch import prefetch
from voiceswap.audio.source import Source
from voiceswap.config import Config
from voiceswap.conversion.windows import cut_windows, mix_and_resample
from voiceswap.errors import AudioError
from voiceswap.provenance.watermark import AUDIBLE_DB
from voiceswap.signal import loudness
from voiceswap.signal.f0 import F0_METHODS, F0Range, estimate_f0, measure_f0_range
from voiceswap.signal.melody import melody_levels_db, pick_melody

MIN_DURATION_S = 0.05
# It is heard in windows of this length, with so much around each.
WINDOW_S = 20.0
MARGIN_S = 1.0
SILENT_DB = -90.0
# A middle of speech or song beyond these is rather something else's.
LOWEST_VOICE_HZ = 65.0
HIGHEST_VOICE_HZ = 700.0
# More of the melody than this left out, or less left than this, and the transposition may be wrong.
MOST_FOREIGN_SHARE = 0.4
LEAST_MELODY_S = 1.0


@dataclass(frozen=True)
class Analysis:
    """What is known of a source before any of it is converted.

    Attributes:
        n_samples: Samples a channel at the source's rate, counted.
        f0_hz: Shape (n_frames,), 0.0 = unvoiced.
        melody_hz: The same where it counts as melody: as loud as speech, and no hum or drone.
        f0_range: The range of that; None if hardly anything is voiced.
        level_db: Level of the sounding parts, dBFS; `SILENT_DB` or less means silence.
        signs: Shape (n_channels,): with which signs its channels are mixed.
        sounding_s: How much of it is loud enough to bear a watermark.
    """

    n_samples: int
    f0_hz: Array
    melody_hz: Array
    f0_range: F0Range | None
    level_db: float
    signs: Array
    sounding_s: float


def analyse(source: Source, config: Config, f0_method: str = F0_METHODS[0]) -> Analysis:
    """Read a source, once, or twice if it has several channels.

    Args:
        source: Of any length.
        config: Framing.
        f0_method: How F0 is found: f0.F0_METHODS.

    Returns:
        Its length, F0 and level.

    Raises:
        AudioError: It is shorter than 50 ms, or unreadable.
    """
    f = config.features
    hop = f.hop_samples
    core, margin = (round(s * f.frames_per_s) * hop for s in (WINDOW_S, MARGIN_S))
    signs = find_channel_signs(source.open(), source.n_channels)
    counted = _Counted(source)
    f0_parts, level_parts, melody_level_parts = [], [], []
    mono = mix_and_resample(counted.blocks(), signs, source.sample_rate_hz, f.mel_rate_hz)
    with closing(prefetch(cut_windows(mono, core, margin, margin))) as windows:
        for window in windows:
            first, last = margin // hop, -(-(margin + window.n_core) // hop)
            f0_parts.append(estimate_f0(window.samples, f, f0_method)[first:last])
            core_samples = window.samples[margin : margin + window.n_core]
            melody_level_parts.append(melody_levels_db(core_samples, f.mel_rate_hz))
            level_parts.append(loudness.frame_levels_db(core_samples, f.mel_rate_hz))
    if counted.n_samples < MIN_DURATION_S * source.sample_rate_hz:
        raise AudioError(
            f"{source.label} is {1000 * counted.n_samples / source.sample_rate_hz:.0f} ms long, wanted at least "
            f"{1000 * MIN_DURATION_S:.0f} ms",
            "give a longer recording",
        )
    f0_hz = np.concatenate(f0_parts)
    levels_db = np.concatenate(level_parts)
    level_db = loudness.active_level_db(levels_db)
    sounding_s = float(np.sum(levels_db > AUDIBLE_DB)) * loudness.LEVEL_FRAME_S
    melody_hz = pick_melody(f0_hz, np.concatenate(melody_level_parts), f.frames_per_s)
    f0_range = measure_f0_range(melody_hz)
    return Analysis(counted.n_samples, f0_hz, melody_hz, f0_range, level_db, signs, sounding_s)


def find_melody_doubts(analysis: Analysis, semitones: float, frames_per_s: float) -> Iterator[str]:
    """What speaks against a transposition that was found in the melody of a source.

    Args:
        analysis: The source's.
        semitones: What was found.
        frames_per_s: Of its frames.

    Yields:
        A sentence each, without whose it is.
    """
    if analysis.f0_range is None:
        return
    n_voiced, n_counted = (int(np.sum(f0_hz > 0)) for f0_hz in (analysis.f0_hz, analysis.melody_hz))
    middle_hz, found = analysis.f0_range.mid_hz, f"transposition {semitones:+.1f}"
    advice = "if the result is too high or too low, give `pitch_semitones`"
    if not LOWEST_VOICE_HZ <= middle_hz <= HIGHEST_VOICE_HZ:
        bounds = f"{LOWEST_VOICE_HZ:.0f} to {HIGHEST_VOICE_HZ:.0f} Hz"
        yield f"{found}: the melody found lies outside what voices have ({middle_hz:.0f} Hz, not {bounds}); {advice}"
    elif n_counted < (1 - MOST_FOREIGN_SHARE) * n_voiced:
        share = f"{1 - n_counted / n_voiced:.0%}"
        yield f"{found}: {share} of the melody found is too soft or too steady for this voice; {advice}"
    elif n_counted < LEAST_MELODY_S * frames_per_s:
        yield f"{found}: found in {n_counted / frames_per_s:.1f} s of voiced sound; {advice}"


class _Counted:
    def __init__(self, source: Source) -> None:
        self._source, self.n_samples = source, 0

    def blocks(self) -> Iterator[Array]:
        for block in self._source.open():
            self.n_samples += len(block)
            yield block
