"""Scores as lines for a person."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from voiceswap.text import ROWS, left_out

if TYPE_CHECKING:
    from voiceswap.jobs.batch import Conversion
    from voiceswap.jobs.evaluate import Evaluation

CLIP_KEYS = ("to_target", "to_source", "f0_correlation", "f0_rmse_cents", "dnsmos_ovrl")
CLIP_HEADS = ("target", "source", "melody", "cents", "DNSMOS")
LABEL_WIDTH = 34


def score_lines(values: Mapping[str, float]) -> Iterator[str]:
    """One line a score; those that are nan are left out."""
    for key, label, unit, decimals in ROWS:
        value = values[key] * (100 if unit == "%" else 1)
        if not math.isnan(value):
            yield f"{label:<{LABEL_WIDTH}}{value:>8.{decimals}f} {unit}".rstrip()


def word_error_lines(errors: int, words: int) -> Iterator[str]:
    """The word errors; nothing without a recogniser."""
    if words:
        yield f"{'word errors':<{LABEL_WIDTH}}{100 * errors / words:>8.1f} % ({errors} of {words})"


def conversion_lines(made: Conversion) -> Iterator[str]:
    """The scores of one conversion, and whom it sounds like; nothing if nobody asked for them."""
    if made.scores is None:
        return
    yield from score_lines(vars(made.scores))
    yield made.scores.verdict(made.voice)
    yield from made.missing


def evaluation_lines(found: Evaluation) -> Iterator[str]:
    """An evaluation: the recordings, the means, whom it sounds like, what is not measured."""
    yield "  ".join(f"{head:>6}" for head in CLIP_HEADS) + "  recording"
    for clip in found.clips:
        shown = (f"{value:6.{2 if value < 10 else 0}f}" for value in (getattr(clip, key) for key in CLIP_KEYS))
        yield "  ".join("     -" if "nan" in cell else cell for cell in shown) + f"  {clip.source.name}"
    yield ""
    yield f"means of {len(found.clips)}"
    yield from score_lines(found.means)
    yield from word_error_lines(sum(c.word_errors for c in found.clips), sum(c.words for c in found.clips))
    if not math.isnan(found.target_own):
        yield f"{'real recordings among each other':<{LABEL_WIDTH}}{found.target_own:>8.2f} ({found.target})"
    yield ""
    yield found.verdict
    for path in found.nearer_to_source:
        yield f"  nearer to the source: {path}"
    for path, reason in found.failed:
        yield f"  {left_out(path, reason)}"
    yield from found.missing
