"""A page's section on how a voice was trained: the steps, the scores, and their curve."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from voiceswap.errors import ModelError
from voiceswap.storage.folder import strict_json
from voiceswap.training import loop
from voiceswap.web import page

MAX_METRICS_BYTES = 4 << 20


def format_training(card: Mapping[str, Any], run_folder: Path) -> str:
    """The section on a voice's training; nothing if neither its card nor its run says anything of it.

    Args:
        card: The voice's, which may come from a stranger.
        run_folder: Where its training keeps its files.

    Returns:
        HTML.
    """
    entries = []
    for key, label in (("steps", "Ended at step"), ("best_step", "Kept step")):
        if (value := read_number(card, key)) is not None:
            entries.append((label, f"{value:.0f}"))
    scores = card.get("scores")
    for key, label in (("first", "Held-out error before"), ("best", "Held-out error kept")):
        if isinstance(scores, dict) and (value := read_number(scores, key)) is not None:
            entries.append((label, f"{value:.3f}"))
    parts = [page.pairs("facts", entries)] if entries else []
    if plot := _plot_losses(card, run_folder):
        parts.append(plot)
    return page.section("Training", *parts) if parts else ""


def _plot_losses(card: Mapping[str, Any], run_folder: Path) -> str:
    last_step = read_number(card, "steps")
    metrics = [line for line in _read_metrics(run_folder) if last_step is None or line["step"] <= last_step]
    if len(metrics) < 2:
        return ""
    steps = np.array([line["step"] for line in metrics])
    curves = [
        page.Curve(name, steps, np.array([line[key] for line in metrics]))
        for key, name in (("held_out", "error on held-out recordings"), ("loss", "error while learning"))
    ]
    values = np.concatenate([curve.y for curve in curves])
    high = 1.08 * float(values.max())
    label = f"Errors from step {steps[0]:.0f} to {steps[-1]:.0f}"
    ends = (float(steps[0]), float(steps[-1]))
    names = (f"step {steps[0]:.0f}", f"step {steps[-1]:.0f}")
    best_step = read_number(card, "best_step")
    mark = (best_step, "kept") if best_step is not None and ends[0] <= best_step <= ends[1] else None
    return page.plot(label, curves, page.Scale(0, high, _choose_ticks(high)), ends, names, mark)


def _choose_ticks(high: float) -> list[float]:
    """Round numbers from 0 to below `high`: at most five steps."""
    tenth = 10 ** math.floor(math.log10(max(high, 1e-9)) - 1)
    step = next(step for step in (1, 2, 5, 10, 20) if high / (step * tenth) <= 5) * tenth
    return [round(i * step, 10) for i in range(6) if i * step < high]


def _read_metrics(run_folder: Path) -> list[dict[str, float]]:
    """What a training logged, an entry for each step; of a step that was done twice, the later one."""
    by_step: dict[float, dict[str, float]] = {}
    path = run_folder / loop.METRICS
    with suppress(OSError):
        if path.stat().st_size > MAX_METRICS_BYTES:
            return []
        for line in path.read_bytes().splitlines():
            with suppress(ModelError):
                value = strict_json(line, str(path))
                keys = ("step", "loss", "held_out") if isinstance(value, dict) else ()
                entry = {key: number for key in keys if (number := read_number(value, key)) is not None}
                if len(entry) == 3:
                    by_step[entry["step"]] = entry
    return [by_step[step] for step in sorted(by_step)]


def read_number(values: Mapping[str, Any], key: str) -> float | None:
    """A number on a card, which may come from a stranger; None if it is no number, or an absurd one."""
    value = values.get(key)
    is_sane = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12
    return float(value) if value is not None and is_sane else None
