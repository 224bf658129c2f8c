"""In what condition recordings of speech are: noise, clipping, bandwidth, coding, echo, tones in the pauses.

All of it is measured on the samples alone, at the rate of the recording; the figures behind the limits are in
docs/lab/check.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import median_filter, uniform_filter1d

from voiceswap.arrays import Array, power_to_db
from voiceswap.signal import loudness
from voiceswap.signal.features import stft_magnitudes
from voiceswap.signal.loudness import remove_dc

# Frames of about 64 ms for spectra, half over each other; what lies so far below the loud frames is no speech.
SPECTRUM_S = 0.064
SPOKEN_DB = 25.0
LOUD_PERCENT = 95
# Of so many frames a part at most the spectra are kept, evenly picked.
MAX_FRAMES = 400
# Of all parts at one rate so many numbers are kept at most, about half an hour at 48 kHz.
MAX_NUMBERS = 8_000_000
# The floor is what so many percent of the frames lie below.
FLOOR_PERCENT = 5
# Peaks: on clipped recordings the last 1.5 % before the highest sample hold several times what lies below, per width.
TOP = 0.985
BELOW_TOP = 0.90
CLIPPED_RATIO = 3.0
FEW_PEAKS = 3
# Bands for the bandwidth: it ends where even the loudest frames of a band lie so far below the loudest band.
BAND_HZ = 100.0
BAND_PERCENT = 95
ENDS_DB = 55.0
# A recording's own end is steep, too, at the end of what its rate can hold.
EDGE_BANDS = 3
EDGE_DB = 25.0
EDGE_FROM_HZ = 4200.0
EDGE_BELOW_HZ = 9600.0
EDGE_SHARE = 0.93
# Tones: in the quietest frames, against the median of so many bins around.
QUIET_PERCENT = 12
TONE_BINS = 31
TONE_HZ = (150.0, 4000.0)
# Echo: how the level falls from near the speech's down to so far below it, over so many frames of 20 ms at least.
FALL_DB = 15.0
FALL_FRAMES = 4
FALL_FROM_DB = 12.0
FALL_SMOOTHED_FRAMES = 5
ECHO_PERCENT = 75


@dataclass(frozen=True)
class Quality:
    """What was measured; nan where there was too little to measure it on.

    Attributes:
        speech_s: Seconds of speech, pauses left out.
        total_s: Seconds in all.
        level_db: Level of the sounding parts, dBFS.
        clipped_share: Share of the parts whose peaks are cut off, 0 to 1.
        snr_db: How far the quietest twentieth of the frames lies below the speech.
        bandwidth_hz: Up to where there is sound.
        edge_hz: Where the sound ends steeply, though the rate could hold more: a lossy coder, or another rate before.
        tonality: Flatness of the quietest frames' spectra, 0 to 1: noise has .56, music less than .43.
        echo_s: About how long it takes to fall by 60 dB after a sound's end.
    """

    speech_s: float
    total_s: float
    level_db: float
    clipped_share: float
    snr_db: float
    bandwidth_hz: float
    edge_hz: float
    tonality: float
    echo_s: float


class QualityMeter:
    """Listens to one person's recordings, part by part; keeps a few numbers of each."""

    def __init__(self) -> None:
        self._speech_s = self._total_s = 0.0
        self._levels_db: list[float] = []
        self._clipped: list[bool] = []
        self._relative_db: list[Array] = []
        self._falls_s: list[float] = []
        self._flatness: list[Array] = []
        self._bands_db: dict[int, _Reservoir] = {}

    def hear(self, samples: Array, sample_rate_hz: int) -> list[tuple[int, int]]:
        """Take a part of a recording in.

        Args:
            samples: Shape (n_samples,), float32, finite.
            sample_rate_hz: Their rate.

        Returns:
            Where there is speech, `loudness.speech_segments`; of a part without any, nothing but its length counts.
        """
        # Only clipping is looked for in what was recorded: without its offset, flat peaks are flat no more.
        recorded = samples
        (samples,) = remove_dc([samples], sample_rate_hz)
        spans = loudness.speech_segments(samples, sample_rate_hz)
        self._total_s += len(samples) / sample_rate_hz
        self._speech_s += sum(stop - start for start, stop in spans) / sample_rate_hz
        if not spans:
            return spans
        levels_db = loudness.frame_levels_db(samples, sample_rate_hz)
        level_db = loudness.active_level_db(levels_db)
        self._levels_db.append(level_db)
        self._relative_db.append((levels_db - level_db).astype(np.float32))
        self._falls_s += _measure_falls_s(levels_db - level_db)
        self._clipped.append(is_clipped(recorded))
        self._add_spectra(samples, sample_rate_hz)
        return spans

    def found(self) -> Quality:
        """What all parts say together."""
        has_speech = bool(self._levels_db)
        relative_db = np.concatenate(self._relative_db) if has_speech else np.zeros(0)
        bandwidth_hz, edge_hz = self._measure_band()
        return Quality(
            speech_s=self._speech_s,
            total_s=self._total_s,
            level_db=float(np.median(self._levels_db)) if has_speech else loudness.FLOOR_DB,
            clipped_share=float(np.mean(self._clipped)) if has_speech else 0.0,
            snr_db=float(-np.percentile(relative_db, FLOOR_PERCENT)) if has_speech else np.nan,
            bandwidth_hz=bandwidth_hz,
            edge_hz=edge_hz,
            tonality=float(np.mean(np.concatenate(self._flatness))) if has_speech else np.nan,
            echo_s=float(np.percentile(self._falls_s, ECHO_PERCENT)) if self._falls_s else np.nan,
        )

    def _add_spectra(self, samples: Array, sample_rate_hz: int) -> None:
        hop = max(1, round(SPECTRUM_S * sample_rate_hz / 2))
        if len(samples) < 4 * hop:
            return
        power = np.square(stft_magnitudes(samples, 2 * hop, hop)) + 1e-20
        levels_db = power_to_db(power.sum(axis=1))
        levels_db -= np.percentile(levels_db, LOUD_PERCENT)
        hz = np.arange(power.shape[1]) * sample_rate_hz / (2 * hop)
        quiet = power[_pick_frames(levels_db <= np.percentile(levels_db, QUIET_PERCENT))]
        self._flatness.append(flatness(quiet[:, (hz > TONE_HZ[0]) & (hz < TONE_HZ[1])]))
        spoken = power[_pick_frames(levels_db > -SPOKEN_DB)]
        n_bands = int(sample_rate_hz / 2 / BAND_HZ)
        edges = np.searchsorted(hz, BAND_HZ * np.arange(n_bands))
        bands = power_to_db(np.add.reduceat(spoken, edges, axis=1))
        self._bands_db.setdefault(sample_rate_hz, _Reservoir()).add((bands - bands.max()).astype(np.float32))

    def _measure_band(self) -> tuple[float, float]:
        """Where the sound ends, and where it does so steeply; of the rate that most is recorded at."""
        if not self._bands_db:
            return np.nan, np.nan
        rate = max(self._bands_db, key=lambda r: self._bands_db[r].n_rows)
        loud = np.percentile(self._bands_db[rate].draw(), BAND_PERCENT, axis=0)
        bandwidth_hz = float(BAND_HZ * (1 + np.flatnonzero(loud > loud.max() - ENDS_DB)[-1]))
        highest_hz = min(EDGE_SHARE * rate / 2, EDGE_BELOW_HZ)
        n = EDGE_BANDS
        drops = {
            i: float(loud[i - n : i].mean() - loud[i + n : i + 2 * n].mean())
            for i in range(int(EDGE_FROM_HZ / BAND_HZ), min(int(highest_hz / BAND_HZ), len(loud) - 2 * n) + 1)
        }
        steepest = max(drops, key=drops.__getitem__, default=None)
        steep = steepest is not None and drops[steepest] > EDGE_DB
        return bandwidth_hz, BAND_HZ * (steepest + n / 2) if steep and steepest is not None else np.nan


class _Reservoir:
    """Rows of `MAX_NUMBERS` numbers at most, drawn out of however many come; always the same ones of the same parts."""

    def __init__(self) -> None:
        self.n_rows = 0
        self._rows: list[Array] = []
        self._lots: list[Array] = []
        self._random = np.random.default_rng(0)

    def add(self, rows: Array) -> None:
        self.n_rows += len(rows)
        self._rows.append(rows)
        self._lots.append(self._random.random(len(rows)))
        if sum(map(np.size, self._rows)) > 2 * MAX_NUMBERS:
            self.draw()

    def draw(self) -> Array:
        rows, lots = np.concatenate(self._rows), np.concatenate(self._lots)
        lowest = np.sort(np.argsort(lots)[: MAX_NUMBERS // rows.shape[1]])
        self._rows, self._lots = [rows[lowest]], [lots[lowest]]
        return self._rows[0]


def _pick_frames(chosen: Array) -> Array:
    """Indices of at most `MAX_FRAMES` of the frames `(n_frames,)` that are chosen."""
    indices = np.flatnonzero(chosen)
    return indices[:: -(-len(indices) // MAX_FRAMES) or 1]


def is_clipped(samples: Array) -> bool:
    """Whether the peaks of a recording `(n_samples,)` are cut off: its highest samples pile up, above or below."""
    at_top = below = 0.0
    for side in (samples, -samples):
        peak = float(side.max())
        if peak > 0:
            high = side[side > BELOW_TOP * peak]
            n_top = int((high > TOP * peak).sum())
            at_top += n_top
            below += (len(high) - n_top) * (1 - TOP) / (TOP - BELOW_TOP)
    return at_top > CLIPPED_RATIO * (below + FEW_PEAKS)


def flatness(power: Array) -> Array:
    """How flat spectra `(n_frames, n_bins)` are around the median of their neighbourhoods: `(n_frames,)`, 0 to 1.

    Noise of any colour has exp(-0.577) = .56; tones have less.
    """
    white = power / (median_filter(power, size=(1, TONE_BINS), mode="nearest") + 1e-20)
    return np.asarray(np.exp(np.mean(np.log(white + 1e-20), axis=1)) / np.mean(white, axis=1))


def _measure_falls_s(relative_db: Array) -> list[float]:
    """Of each steady fall of the level, in dB against the speech's, how long one by 60 dB would take, in seconds."""
    durations_s = []
    start = 0
    relative_db = uniform_filter1d(relative_db, FALL_SMOOTHED_FRAMES)
    falling = np.diff(relative_db) < 0
    for i in [*np.flatnonzero(~falling), len(falling)]:
        fall_db = relative_db[start] - relative_db[i]
        if i - start >= FALL_FRAMES and fall_db >= FALL_DB and relative_db[start] > -FALL_FROM_DB:
            durations_s.append(float(60 / fall_db * (i - start) * loudness.LEVEL_FRAME_S))
        start = i + 1
    return durations_s
