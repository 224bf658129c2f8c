"""Scores as lines for a person."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from voiceswap.text import ROWS, left_out

COLUMNS = ("to_target", "to_source", "f0_correlation", "f0_rmse_cents", "dnsmos_ovrl")
HEADS = ("target", "source", "melody", "cents", "DNSMOS")
LABEL_WIDTH = 34


def score_lines(values: Mapping[str, float]) -> Iterator[str]:
    """One line a score; those that are nan are left out."""
    for key, label, unit, decimals in ROWS:
        value = values[key] * (100 if unit == "%" else 1)
        if not math.isnan(value):
            yield f"{label:<{LABEL_WIDTH}}{value:>8.{decimals}f} {unit}".rstrip()


def word_line(errors: int, words: int) -> Iterator[str]:
    """The word errors; nothing without a recogniser."""
    if words:
        yield f"{'word errors':<{LABEL_WIDTH}}{100 * errors / words:>8.1f} % ({errors} of {words})"


def report_lines(made: Any) -> Iterator[str]:
    """The scores of one jobs.batch.Conversion, and whom it sounds like."""
    yield from score_lines(vars(made.scores))
    yield made.scores.verdict(made.voice)
    yield from made.missing


def evaluation_lines(found: Any) -> Iterator[str]:
    """A jobs.evaluate.Evaluation: the recordings, the means, whom it sounds like, what is not measured."""
    yield "  ".join(f"{head:>6}" for head in HEADS) + "  recording"
    for clip in found.clips:
        shown = (f"{value:6.{2 if value < 10 else 0}f}" for value in (getattr(clip, key) for key in COLUMNS))
        yield "  ".join("     -" if "nan" in cell else cell for cell in shown) + f"  {clip.source.name}"
    yield ""
    yield f"means of {len(found.clips)}"
    yield from score_lines(found.means)
    yield from word_line(sum(c.word_errors for c in found.clips), sum(c.words for c in found.clips))
    if not math.isnan(found.target_own):
        yield f"{'real recordings among each other':<{LABEL_WIDTH}}{found.target_own:>8.2f} ({found.target})"
    yield ""
    yield found.verdict
    for path in found.nearer_to_source:
        yield f"  nearer to the source: {path}"
    for path, reason in found.failed:
        yield f"  {left_out(path, reason)}"
    yield from found.missing
