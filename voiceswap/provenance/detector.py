"""Finding the watermark: is it there, where, and what does it say; one pass over a recording of any length."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import ndtr

from voiceswap.arrays import Array
from voiceswap.audio.resample import Resampler
from voiceswap.provenance import watermark

YES_P = 5e-5
UNCERTAIN_P = 1e-3
# No other way needs trying when one leaves less doubt than this.
BEYOND_DOUBT = 1e-20
# Evidence is gathered in pieces; four of them make a window, which begins every second piece.
PIECE_S = 2.0
MARGIN_S = 0.24
WINDOW_PIECES = 4
WINDOW_STEP_PIECES = 2
# A piece belongs to the mark if it alone agrees with what was found around it.
PIECE_SIGMAS = 3.3
SCALES = tuple(1 + percent / 100 for percent in range(-6, 7) if percent)
FINE_STEPS = round(watermark.PERIOD_S / watermark.STEP_S)
COARSE_STEPS = FINE_STEPS // 2
# Of sound without any detail, agreement does not change from step to step: that is no evidence.
MIN_CHANGE = 0.1
# The tag is told when the odds against all other codes are at least this.
TAG_DOUBT = 1e-3
HIGHEST_SHARE = 0.485


@dataclass(frozen=True)
class Detection:
    """What was found in a recording.

    Attributes:
        decision: "yes" for p below 5e-5, "uncertain" below 1e-3, otherwise "no".
        p_value: How often sound that bears no mark would look at least as marked as this, everything that was tried
            taken into account.
        spans_s: Where the mark is, as (from, to) in s, about 2 s exact; empty unless the decision is "yes".
        tag: What the mark says, 0 to 65535; None if it cannot be read with confidence.
        version: Version of the mark; None as `tag`.
        speed: How much faster than made it plays, 1.0 if as made.
        pitch: How much higher than made it sounds, 1.0 if as made.
        duration_s: How much was listened to.
    """

    decision: Literal["yes", "no", "uncertain"]
    p_value: float
    spans_s: tuple[tuple[float, float], ...]
    tag: int | None
    version: int | None
    speed: float
    pitch: float
    duration_s: float


class _Way(NamedTuple):
    """One way a recording may have been changed."""

    pitch: float
    tempo: float


WAYS = (
    _Way(1.0, 1.0),
    *(_Way(scale, scale) for scale in SCALES),
    *(_Way(scale, 1.0) for scale in SCALES),
    *(_Way(1.0, scale) for scale in SCALES),
)
# Neighbouring ways see much the same: so many independent ones err as often (docs/provenance.md, "False alarms").
INDEPENDENT_WAYS = 20


class _Match(NamedTuple):
    """The best agreement within some evidence: how rare it is by itself, where, and how it was changed."""

    expected: float
    step: int
    way: _Way
    folded: Array


def detect_watermark(blocks: Iterator[Array], sample_rate_hz: int, key: bytes = watermark.KEY) -> Detection:
    """Look for the mark.

    Args:
        blocks: A recording, blocks (n, n_channels) float32.
        sample_rate_hz: Its rate.
        key: Whose pattern to look for; another key than the default finds nothing, which is how the p-value is tested.

    Returns:
        What was found.

    Example:
        >>> detect_watermark(iter([np.zeros((16000, 1), np.float32)]), 16000).decision
        'no'
    """
    search = _Search(sample_rate_hz, watermark.sync_signs(key))
    for start_s, seconds, roots in _cut_pieces(blocks, sample_rate_hz):
        search.add(start_s, seconds, roots)
    return search.result()


def chance(expected: float) -> float:
    """Probability of at least one event of which `expected` are expected."""
    return -math.expm1(-expected)


def expected_peaks(sigmas: Array) -> Array:
    """How often noise would reach these agreements within as many steps around a circle.

    Rice's formula: a smooth Gaussian process of unit variance whose derivative has variance v crosses a level z
    upwards sqrt(v) / 2 pi * exp(-z^2 / 2) times a step; and no level is reached more often than in every step anew.
    """
    change = max(MIN_CHANGE, float(np.sqrt(np.mean(np.square(np.diff(sigmas, append=sigmas[:1]))))))
    rising = change / (2 * np.pi) * np.exp(-0.5 * np.square(np.maximum(sigmas, 0)))
    return np.asarray(len(sigmas) * np.minimum(rising, ndtr(-sigmas)))


class _Piece:
    """Some seconds of a recording; how they look under each way is worked out when it is asked for."""

    def __init__(self, start_s: float, stop_s: float, roots: Array, highest_hz: float) -> None:
        self.start_s, self.stop_s = start_s, stop_s
        self._roots, self._highest_hz = roots, highest_hz
        self._evidence: dict[float, Array] = {}
        self._folds: dict[_Way, Array] = {}

    def folded(self, way: _Way) -> Array:
        """Evidence of the mark changed in this way, folded to FINE_STEPS or COARSE_STEPS phases."""
        plain = way == WAYS[0]
        if way not in self._folds:
            step_s, n_steps = (watermark.STEP_S, FINE_STEPS) if plain else (2 * watermark.STEP_S, COARSE_STEPS)
            scale = 0.0 if plain else way.pitch
            if scale not in self._evidence:
                margin = round(MARGIN_S / step_s)
                roots = self._roots if plain else self._roots[::2]
                seen = watermark.evidence(roots, way.pitch, self._highest_hz, step_s)
                self._evidence[scale] = seen[margin:-margin]
            self._folds[way] = watermark.fold(self._evidence[scale], self.start_s, step_s, way.tempo, n_steps)
        return self._folds[way]


class _Search:
    """Looks for the mark in pieces, and in windows of four that overlap by two.

    pieces    |-0-|-1-|-2-|-3-|-4-|-5-|
    window 0  |---------------|
    window 1          |---------------|
    """

    def __init__(self, sample_rate_hz: int, signs: Array) -> None:
        self._highest_hz, self._signs = HIGHEST_SHARE * sample_rate_hz, signs
        self._whole: Array | None = None
        self._pieces: list[_Piece] = []
        self._n_pieces = self._n_windows = 0
        self._best: _Match | None = None
        self._spans: list[tuple[float, float]] = []
        self._fresh = False
        self._duration_s = 0.0

    def add(self, start_s: float, seconds: float, roots: Array) -> None:
        """Take the next piece: frames from `start_s` on, with a margin on both sides."""
        piece = _Piece(start_s, start_s + seconds, roots, self._highest_hz)
        plain = piece.folded(WAYS[0])
        self._whole = plain.copy() if self._whole is None else self._whole + plain
        self._pieces = [*self._pieces[1 - WINDOW_PIECES :], piece]
        self._n_pieces += 1
        self._duration_s = piece.stop_s
        self._fresh = True
        if self._n_pieces >= WINDOW_PIECES and (self._n_pieces - WINDOW_PIECES) % WINDOW_STEP_PIECES == 0:
            self._search()

    def result(self) -> Detection:
        """The decision on all that was added."""
        if self._fresh:
            self._search()
        if self._whole is None or self._best is None:
            return Detection("no", 1.0, (), None, None, 1.0, 1.0, self._duration_s)
        whole = self._find_strongest(self._whole, WAYS[0])
        p_window = chance(self._best.expected * self._n_windows)
        p_whole = chance(whole.expected)
        # Two looks at the same recording, each of which may err: the smaller of two p-values.
        p_value = -math.expm1(2 * math.log1p(-min(p_window, p_whole, 1 - 1e-12)))
        if p_value >= YES_P:
            decision: Literal["no", "uncertain"] = "no" if p_value >= UNCERTAIN_P else "uncertain"
            return Detection(decision, p_value, (), None, None, 1.0, 1.0, self._duration_s)
        match = whole if p_whole <= p_window or self._best.way == WAYS[0] else self._best
        # With two marks one after the other, the sum over all may say less than the best window.
        payload = _read_payload(match, self._signs)
        payload = _read_payload(self._best, self._signs) if payload is None else payload
        tag = None if payload is None else payload % 2**watermark.TAG_BITS
        version = None if payload is None else payload >> watermark.TAG_BITS
        spans = _join_spans(self._spans) or ((0.0, self._duration_s),)
        return Detection("yes", p_value, spans, tag, version, match.way.tempo, match.way.pitch, self._duration_s)

    def _search(self) -> None:
        """Search the last pieces for the mark in every way."""
        self._fresh = False
        self._n_windows += 1
        match: _Match | None = None
        for way in WAYS:
            candidate = self._find_strongest(np.sum([piece.folded(way) for piece in self._pieces], axis=0), way)
            if match is None or candidate.expected < match.expected:
                match = candidate
            if match.expected < BEYOND_DOUBT:
                break
        assert match is not None
        match = match._replace(expected=match.expected * INDEPENDENT_WAYS)
        if self._best is None or match.expected < self._best.expected:
            self._best = match
        if chance(match.expected) < UNCERTAIN_P:
            for piece in self._pieces:
                if watermark.correlation(piece.folded(match.way), self._signs)[match.step] > PIECE_SIGMAS:
                    self._spans.append((piece.start_s, piece.stop_s))

    def _find_strongest(self, folded: Array, way: _Way) -> _Match:
        sigmas = watermark.correlation(folded, self._signs)
        step = int(np.argmax(sigmas))
        return _Match(float(expected_peaks(sigmas)[step]), step, way, folded)


def _read_payload(match: _Match, signs: Array) -> int | None:
    """The 20 bits of a mark, or None if they are in doubt."""
    n_steps, n_usable = match.folded.shape
    per_slot = n_steps // watermark.N_SLOTS
    cells = np.roll(match.folded, -match.step, axis=0).reshape(watermark.N_SLOTS, per_slot, n_usable).sum(axis=1)
    signs = signs[:, :n_usable]
    # What the synchronising pattern did is known, and only noise to the codes.
    cells = cells - signs * np.mean(cells * signs)
    payload = 0
    for half in (watermark.first_half()[:, :n_usable], ~watermark.first_half()[:, :n_usable]):
        values = cells[half]
        codes = watermark.code_signs()[:, :, :n_usable][:, half]
        sigmas = codes @ values / math.sqrt(max(float(values @ values), 1e-12))
        best = int(np.argmax(sigmas))
        others = np.delete(sigmas, best)
        if np.exp(np.minimum(sigmas[best] * (others - sigmas[best]), 0)).sum() > TAG_DOUBT:
            return None
        payload = payload << watermark.SYMBOL_BITS | best
    return payload


def _join_spans(spans: list[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    joined: list[tuple[float, float]] = []
    for start_s, stop_s in sorted(set(spans)):
        if joined and start_s <= joined[-1][1] + 1e-6:
            joined[-1] = joined[-1][0], max(stop_s, joined[-1][1])
        else:
            joined.append((start_s, stop_s))
    return tuple(joined)


def _cut_pieces(blocks: Iterator[Array], sample_rate_hz: int) -> Iterator[tuple[float, float, Array]]:
    """Start and length in s, and `watermark.amplitudes` with a margin on both sides, of pieces of a recording."""
    size, margin = round(PIECE_S * watermark.ANALYSIS_HZ), round(MARGIN_S * watermark.ANALYSIS_HZ)
    around = margin + watermark.ANALYSIS_SIZE // 2
    last_hop = watermark.ANALYSIS_HOP
    rest: Array | None = None
    n_done = 0
    for block in _resample_blocks(blocks, sample_rate_hz):
        rest = np.concatenate([np.zeros((around, block.shape[1]), np.float32) if rest is None else rest, block])
        while len(rest) >= size + 2 * around:
            yield n_done / watermark.ANALYSIS_HZ, PIECE_S, watermark.amplitudes(rest[: size + 2 * around - last_hop])
            rest = rest[size:]
            n_done += size
    while rest is not None and len(rest) - around >= 2 * watermark.ANALYSIS_HOP:
        # Whole pairs of frames: the coarse search sees every second one.
        n_left = min(size, (len(rest) - around) // (2 * watermark.ANALYSIS_HOP) * 2 * watermark.ANALYSIS_HOP)
        padded = np.concatenate([rest, np.zeros((2 * around, rest.shape[1]), np.float32)])
        roots = watermark.amplitudes(padded[: n_left + 2 * around - last_hop])
        yield n_done / watermark.ANALYSIS_HZ, n_left / watermark.ANALYSIS_HZ, roots
        rest = rest[n_left:]
        n_done += n_left


def _resample_blocks(blocks: Iterator[Array], sample_rate_hz: int) -> Iterator[Array]:
    resamplers: list[Resampler] = []
    for block in blocks:
        resamplers = resamplers or [Resampler(sample_rate_hz, watermark.ANALYSIS_HZ) for _ in block.T]
        parts = [
            resampler.push(channel.astype(np.float32)) for resampler, channel in zip(resamplers, block.T, strict=True)
        ]
        yield np.stack(parts, axis=1)
    if resamplers:
        yield np.stack([resampler.finish() for resampler in resamplers], axis=1)
