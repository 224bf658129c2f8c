"""The watermark: a keyed pattern of small level changes, largest where the sound is weakest against its peak.

The pattern is defined in seconds and hertz, so it is the same at every sample rate. It repeats every 3.84 s:

              slot 0    slot 1    slot 2   ...  slot 95      a slot lasts 40 ms
    band 0      +         -         -             +          a band is 130 Hz wide, or 5 % of its frequency
    band 1      -         -         +             +
    ...                                                      + makes the cell a little louder, - a little softer

Two patterns are summed. The synchronising one is the same in every file and decides whether there is a mark. The other
carries 20 bits (version and tag) as two symbols, each one of 1024 codes over half of the cells.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
from scipy.fft import irfft, rfft
from scipy.ndimage import uniform_filter1d

from voiceswap.arrays import Array, db_to_power, power_to_db
from voiceswap.audio.resample import resample
from voiceswap.errors import UsageError

VERSION = 1
KEY = b"voiceswap mark 1"
# The payload is two symbols: the tag, and in the bits that it leaves the version.
TAG_BITS = 16
SYMBOL_BITS = 10
SLOT_S = 0.04
N_SLOTS = 96
PERIOD_S = SLOT_S * N_SLOTS
LOW_HZ = 200.0
HIGH_HZ = 7000.0
BAND_HZ = 130.0
BAND_SHARE = 0.05
HOP_S = 0.02
# Level changes in dB: everywhere, and in bands that lie RANGE_DB below the frame's peak (less SLOPE_DB a band away).
LOUD_DB = 0.4
WEAK_DB = 2.8
CODE_DB = 2.1
# A frame is changed no more than this, against its power; what overlapping frames sum to is about 1.5 dB less.
MOST_CHANGE_DB = -24.0
RANGE_DB = 30.0
SLOPE_DB = 0.7
CEILING = 0.999
# The pattern begins where it agrees best with what the sound does anyway: that much is heard before the first output.
CHOICE_S = 8.0
PIECE_SAMPLES = 65_536
# Less sound than this above this level is not worth the name of a mark.
MIN_WATERMARKED_S = 1.5
AUDIBLE_DB = -70.0
# Detection looks at frames of 40 ms, 10 ms apart, at this rate.
ANALYSIS_HZ = 16_000
ANALYSIS_SIZE = 640
ANALYSIS_HOP = 160
STEP_S = ANALYSIS_HOP / ANALYSIS_HZ
LEVEL_FLOOR = 0.01
# Spans, in frames and bands, over which levels are compared with their surroundings and their scatter is measured.
TREND_FRAMES = 21
SCATTER_FRAMES = 35
NEAR_BANDS = 5
WEIGHT_FLOOR = 0.5


@lru_cache(maxsize=1)
def band_edges_hz() -> Array:
    """Edges of the bands, (n_bands + 1,), in Hz."""
    edges = [LOW_HZ]
    while edges[-1] < HIGH_HZ:
        edges.append(edges[-1] + max(BAND_HZ, BAND_SHARE * edges[-1]))
    return np.array(edges[:-1])


@lru_cache(maxsize=4)
def sync_signs(key: bytes = KEY) -> Array:
    """The synchronising pattern, (N_SLOTS, n_bands) float32 of -1 and 1."""
    return _draw_signs(key)


@lru_cache(maxsize=1)
def code_signs() -> Array:
    """All codes, (1024, N_SLOTS, n_bands) int8 of -1 and 1."""
    return np.stack([code(symbol) for symbol in range(2**SYMBOL_BITS)]).astype(np.int8)


def code(symbol: int) -> Array:
    """The pattern of a symbol of 0 to 1023, (N_SLOTS, n_bands) float32 of -1 and 1."""
    return _draw_signs(KEY + b" code %d" % symbol)


@lru_cache(maxsize=1)
def first_half() -> Array:
    """Which cells bear the first symbol: a chequerboard, (N_SLOTS, n_bands) bool; the others bear the second."""
    n_bands = len(band_edges_hz()) - 1
    return np.asarray((np.arange(N_SLOTS)[:, None] + np.arange(n_bands)) % 2 == 0)


def _draw_signs(key: bytes) -> Array:
    shape = N_SLOTS, len(band_edges_hz()) - 1
    n_cells = shape[0] * shape[1]
    digest = np.frombuffer(hashlib.shake_256(key).digest(-(-n_cells // 8)), np.uint8)
    return (2.0 * np.unpackbits(digest)[:n_cells] - 1).reshape(shape).astype(np.float32)


def band_bins(bin_hz: float, n_bins: int, scale: float = 1.0) -> Array:
    """First bin of each band that lies wholly below the last bin, and where the last band ends: (n_usable + 1,)."""
    bins = np.round(band_edges_hz() * scale / bin_hz).astype(int)
    return np.asarray(bins[bins < n_bins])


def below_peak_db(levels_db: Array) -> Array:
    """How far bands (n_frames, n_bands) lie below the frame's strongest, which counts less the farther it is off."""
    slope = SLOPE_DB * np.arange(levels_db.shape[1], dtype=np.float32)
    from_below = np.maximum.accumulate(levels_db + slope, axis=1) - slope
    from_above = np.maximum.accumulate((levels_db - slope)[:, ::-1], axis=1)[:, ::-1] + slope
    return np.asarray(np.maximum(from_below, from_above) - levels_db)


def amplitudes(samples: Array) -> Array:
    """Square roots of the magnitudes of overlapping frames.

    Args:
        samples: Shape (n, n_channels), float32, at ANALYSIS_HZ.

    Returns:
        Shape ((n - ANALYSIS_SIZE) // ANALYSIS_HOP + 1, ANALYSIS_SIZE // 2 + 1), float32, of the channels' mean power.
    """
    window = np.hanning(ANALYSIS_SIZE + 1)[:-1].astype(np.float32)
    power = np.zeros((1, 1), np.float32)
    for channel in samples.T:
        frames = np.lib.stride_tricks.sliding_window_view(channel, ANALYSIS_SIZE)[::ANALYSIS_HOP]
        spectra = rfft(frames * window, axis=-1)
        power = power + (spectra.real**2 + spectra.imag**2) / samples.shape[1]
    return np.asarray(np.sqrt(np.sqrt(power)))


def evidence(roots: Array, scale: float, highest_hz: float, step_s: float = STEP_S) -> Array:
    """Each band's deviation from its surroundings in time and frequency, weighted by how much it can tell.

    Args:
        roots: Shape (n_frames, n_bins), from `amplitudes`.
        scale: Frequencies of the mark against those it was made with.
        highest_hz: Bands above this are left out.
        step_s: Distance between the frames.

    Returns:
        Shape (n_frames, n_usable), float32; 0 in digital silence.
    """
    bin_hz = ANALYSIS_HZ / ANALYSIS_SIZE
    bins = band_bins(bin_hz, min(roots.shape[1], int(highest_hz / bin_hz) + 1), scale)
    sums = np.add.reduceat(roots, bins, axis=1)[:, :-1]
    levels = 40 * np.log10(sums / np.diff(bins).astype(np.float32) + np.float32(LEVEL_FLOOR))
    stretch = STEP_S / step_s
    detail = levels - uniform_filter1d(levels, round(TREND_FRAMES * stretch), axis=0)
    detail -= uniform_filter1d(detail, NEAR_BANDS, axis=1)
    scatter = uniform_filter1d(detail**2, round(SCATTER_FRAMES * stretch), axis=0)
    scatter = np.maximum(uniform_filter1d(scatter, NEAR_BANDS, axis=1), 0)
    weight = WEIGHT_FLOOR + np.minimum(below_peak_db(levels) / RANGE_DB, 1)
    return np.asarray(detail * weight / (1 + scatter))


def correlation(folded: Array, signs: Array) -> Array:
    """How well evidence agrees with a pattern, for every start of the period.

    Args:
        folded: Shape (n_steps, n_usable): evidence summed over periods; n_steps is a multiple of N_SLOTS.
        signs: Shape (N_SLOTS, n_bands).

    Returns:
        Shape (n_steps,), in standard deviations: were the signs drawn anew, mean 0 and variance 1 whatever the sound.
    """
    n_steps, n_usable = folded.shape
    per_slot = n_steps // N_SLOTS
    # The signs of a band do not quite sum to 0: its own mean would move the answer for every start alike.
    has_sound = np.any(folded, axis=1, keepdims=True)
    folded = np.where(has_sound, folded - folded.sum(axis=0) / max(int(has_sound.sum()), 1), 0)
    sums = np.cumsum(np.concatenate([folded, folded[:per_slot]]).astype(np.float64), axis=0)
    cells = np.concatenate([sums[per_slot - 1 : per_slot], sums[per_slot:-1] - sums[: n_steps - 1]])
    comb = np.zeros((n_steps, n_usable))
    comb[::per_slot] = signs[:, :n_usable]
    products = (rfft(cells.T) * np.conj(rfft(comb.T))).sum(axis=0)
    spread = np.tile((cells**2).sum(axis=1).reshape(N_SLOTS, per_slot).sum(axis=0), N_SLOTS)
    return np.asarray(irfft(products, n_steps) / np.sqrt(np.maximum(spread, 1e-12)))


def fold(values: Array, start_s: float, step_s: float, tempo: float, n_steps: int) -> Array:
    """Sum evidence over periods, at the phases of the period.

    Args:
        values: Shape (n_frames, n_usable).
        start_s: Time of the first frame.
        step_s: Distance between frames.
        tempo: How much faster than made the mark goes by.
        n_steps: Phases a period.

    Returns:
        Shape (n_steps, n_usable), float64.
    """
    n_frames, n_usable = values.shape
    phase_s = PERIOD_S / n_steps
    sums = np.concatenate([np.zeros((1, n_usable)), np.cumsum(values, axis=0, dtype=np.float64)])
    first = int(start_s * tempo / phase_s + 1e-6)
    last = int((start_s + n_frames * step_s) * tempo / phase_s + 1 - 1e-6)
    # Edges of the phases, counted in frames; what a frame tells is spread evenly over its step.
    at = np.clip((np.arange(first, last + 1) * phase_s / tempo - start_s) / step_s, 0, n_frames)
    whole = np.minimum(at.astype(int), n_frames - 1)
    part = (at - whole)[:, None]
    steps = np.diff(sums[whole] * (1 - part) + sums[whole + 1] * part, axis=0)
    lead = first % n_steps
    padded = np.zeros((-(-(lead + len(steps)) // n_steps) * n_steps, n_usable))
    padded[lead : lead + len(steps)] = steps
    return np.asarray(padded.reshape(-1, n_steps, n_usable).sum(axis=0))


class Watermarker:
    """Marks a stream; the same samples whatever the blocks, in all as many as it was given.

    Changes are made in frames of 40 ms that overlap by half, windowed by a sine before and after, so that the squares
    of neighbouring windows sum to one:

        frame 0   /----\\             first half silence, before the first sample
        frame 1      /----\\
        frame 2         /----\\

    Args:
        sample_rate_hz: Rate of the stream, 4000 Hz or more; below 8000 Hz little of the mark remains.
        n_channels: Its channels; all get the same changes.
        tag: What the mark says, 0 to 65535.

    Raises:
        UsageError: The tag is out of range.

    Example:
        >>> marker = Watermarker(16000, 1, tag=7)
        >>> block = np.zeros((100, 1), np.float32)
        >>> len(marker.push(block)) + len(marker.finish())
        100
    """

    def __init__(self, sample_rate_hz: int, n_channels: int, tag: int) -> None:
        if not 0 <= tag < 2**TAG_BITS:
            raise UsageError(f"the tag is {tag}, wanted 0 to {2**TAG_BITS - 1}", "give a 16-bit number")
        self._rate_hz = sample_rate_hz
        self._hop = max(1, round(HOP_S * sample_rate_hz))
        size = 2 * self._hop
        self._window = np.sin(np.pi * (np.arange(size) + 0.5) / size).astype(np.float32)[:, None]
        self._bins = band_bins(sample_rate_hz / size, size // 2 + 1)
        payload = VERSION << TAG_BITS | tag
        half = first_half()
        codes = np.where(half, code(payload >> SYMBOL_BITS), code(payload % 2**SYMBOL_BITS))
        self._patterns = sync_signs(), codes
        self._start_s: float | None = None
        nothing = np.zeros((0, n_channels), np.float32)
        self._waiting, self._n_waiting = [(nothing, np.zeros(0, bool))], 0
        # The first frame is centred on the first sample: half of it is silence.
        self._rest = np.zeros((self._hop, n_channels), np.float32)
        self._rest_where = np.zeros(self._hop, bool)
        self._tail = np.zeros((self._hop, n_channels), np.float32)
        self._frame, self._skip, self._n_in, self._n_out = 0, self._hop, 0, 0
        self._audible_frames = 0

    @property
    def marked_s(self) -> float:
        """Seconds of sound, not of silence, that came out marked so far."""
        return self._audible_frames * self._hop / self._rate_hz

    @property
    def bears_mark(self) -> bool:
        """Whether there was enough sound to bear a mark; to be asked after `finish`."""
        return self.marked_s >= MIN_WATERMARKED_S and len(self._bins) > 1

    def push(self, block: Array, where: Array | None = None) -> Array:
        """Take the next samples.

        Args:
            block: Shape (n, n_channels), float32.
            where: Shape (n,), bool: the mark lies where it is True, and up to 40 ms around; everywhere if not given.

        Returns:
            What comes out, shape (m, n_channels), float32.
        """
        where = np.ones(len(block), bool) if where is None else where
        self._n_in += len(block)
        if self._start_s is None:
            self._waiting.append((block, where))
            self._n_waiting += len(block)
            if self._n_waiting < CHOICE_S * self._rate_hz:
                return self._waiting[0][0]
            block, where = self._choose_start()
        return self._advance(block, where)

    def finish(self) -> Array:
        """What is left inside, (m, n_channels) float32."""
        block, where = self._choose_start() if self._start_s is None else self._waiting[0]
        missing = np.zeros((2 * self._hop, block.shape[1]), np.float32)
        out = np.concatenate([self._advance(block, where), self._advance(missing, np.zeros(len(missing), bool))])
        surplus = self._n_out - self._n_in
        self._n_out = self._n_in
        return out[: len(out) - surplus]

    def _choose_start(self) -> tuple[Array, Array]:
        """What was waiting; and now it is known where the pattern begins."""
        block, where = (np.concatenate(parts) for parts in zip(*self._waiting, strict=True))
        self._waiting = self._waiting[:1]
        beginning = block[: round(CHOICE_S * self._rate_hz)]
        agreement = correlation(_fold_start(beginning, self._rate_hz), sync_signs())
        self._start_s = float(np.argmax(agreement)) * STEP_S
        return block, where

    def _advance(self, block: Array, where: Array) -> Array:
        parts = [slice(i, i + PIECE_SAMPLES) for i in range(0, len(block), PIECE_SAMPLES)]
        return np.concatenate([self._waiting[0][0], *(self._mark_piece(block[part], where[part]) for part in parts)])

    def _mark_piece(self, block: Array, where: Array) -> Array:
        samples_in, where_in = np.concatenate([self._rest, block]), np.concatenate([self._rest_where, where])
        n_frames = len(samples_in) // self._hop - 1
        if n_frames < 1:
            self._rest, self._rest_where = samples_in, where_in
            return samples_in[:0]
        hop = self._hop
        self._rest, self._rest_where = samples_in[n_frames * hop :], where_in[n_frames * hop :]
        frames = np.lib.stride_tricks.sliding_window_view(samples_in, 2 * hop, axis=0)[: n_frames * hop : hop]
        hops = np.asarray(where_in[: (n_frames + 1) * hop].reshape(-1, hop).any(axis=1))
        change = self._make_changes(frames.transpose(0, 2, 1), hops[:-1] | hops[1:])
        sums = np.concatenate([self._tail[None], change[:, hop:]])
        sums[:-1] += change[:, :hop]
        self._tail = sums[-1]
        samples = samples_in[: n_frames * hop]
        # A sample that is exactly 0 stays so: silence is not to be filled from the sound beside it.
        delta = sums[:-1].reshape(samples.shape) * (samples != 0)
        limit = np.maximum(np.abs(samples), np.float32(CEILING))
        out = np.clip(samples + delta, -limit, limit)[self._skip :]
        self._skip = 0
        self._n_out += len(out)
        return np.asarray(out)

    def _make_changes(self, frames: Array, marked: Array) -> Array:
        """What is to be added to frames (n_frames, 2 * hop, n_channels), windowed twice; (n_frames,) says to which."""
        n_frames, size, _ = frames.shape
        spectra = rfft(frames * self._window, axis=1)
        power = (spectra.real**2 + spectra.imag**2).mean(axis=2)
        audible = power.sum(axis=1) > db_to_power(AUDIBLE_DB) * self._hop**2 / 2
        self._audible_frames += int((audible & marked).sum())
        bins = self._bins
        if len(bins) < 2:
            return np.zeros(frames.shape, np.float32)
        widths = np.diff(bins)
        sums = np.add.reduceat(power, bins, axis=1)[:, :-1]
        levels = power_to_db(sums / widths.astype(np.float32) + 1e-12)
        weak = np.minimum(below_peak_db(levels) / RANGE_DB, 1)
        at_s = (self._frame + np.arange(n_frames)) * self._hop / self._rate_hz - (self._start_s or 0.0)
        slots = np.floor(at_s / SLOT_S + 1e-6).astype(int) % N_SLOTS
        sync, codes = (signs[slots, : len(widths)] for signs in self._patterns)
        gain = np.expm1(np.log(10) / 20 * ((LOUD_DB + WEAK_DB * weak) * sync + CODE_DB * weak * codes))
        share = (sums * np.square(gain)).sum(axis=1) / np.maximum(power.sum(axis=1), 1e-12)
        gain *= np.sqrt(np.minimum(1, db_to_power(MOST_CHANGE_DB) / np.maximum(share, 1e-12)))[:, None]
        gain *= marked[:, None]
        self._frame += n_frames
        gains = np.zeros(power.shape, np.float32)
        gains[:, bins[0] : bins[-1]] = np.repeat(gain.astype(np.float32), widths, axis=1)
        return np.asarray(irfft(spectra * gains[:, :, None], size, axis=1) * self._window)


def _fold_start(samples: Array, sample_rate_hz: int) -> Array:
    """Evidence of the beginning of a stream, as the detector will see it."""
    mono = resample(samples.mean(axis=1), sample_rate_hz, ANALYSIS_HZ)
    margin = np.zeros(ANALYSIS_SIZE // 2, np.float32)
    roots = amplitudes(np.concatenate([margin, mono, margin])[:, None])
    values = evidence(roots, 1.0, sample_rate_hz / 2)
    return fold(values, 0.0, STEP_S, 1.0, round(PERIOD_S / STEP_S))
