"""How ranges, names and scores read, wherever people see them: terminal, page, message."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

NOTES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
# Name, what it is called, its unit, and how many decimals tell something.
ROWS = (
    ("to_target", "similarity to the target", "", 2),
    ("to_source", "similarity to the source", "", 2),
    ("f0_correlation", "melody: correlation of log F0", "", 3),
    ("f0_rmse_cents", "melody: off by", "cents", 0),
    ("voicing_error", "frames voiced in one only", "%", 1),
    ("loudness_rmse_db", "loudness: off by", "dB", 1),
    ("level_change_db", "loudness: changed by", "dB", 1),
    ("pause_db", "level in pauses", "dBFS", 0),
    ("source_pause_db", "the source's there", "dBFS", 0),
    ("clipped_share", "samples clipped", "%", 3),
    ("dnsmos_ovrl", "DNSMOS overall, 1 to 5", "", 2),
    ("dnsmos_p808", "DNSMOS P.808, 1 to 5", "", 2),
)


def visible(text: object) -> str:
    """Text on one line, without control characters or lone surrogates.

    File names are data, never commands to the terminal, and what a stranger wrote cannot pass for a line of ours.
    """
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in str(text))


def minutes_text(seconds: float) -> str:
    """A time for a person: "4.6 min", or "40 s" below one and a half minutes."""
    return f"{seconds / 60:.1f} min" if seconds >= 90 else f"{seconds:.0f} s"


def left_out(path: Path, reason: str, shown: object = None) -> str:
    """That a recording is left out and why; reasons often begin with its path, which is said only once.

    Args:
        path: The recording.
        reason: Why.
        shown: What it is called; its path if not given.

    Returns:
        One line.
    """
    return f"left out {shown or path}: {reason.removeprefix(f'{path} ')}"


def count(n: int, thing: str) -> str:
    """A number of things: "1 file", "2 files"."""
    return f"{n} {thing}{'' if n == 1 else 's'}"


def range_text(f0_range: Any) -> str:
    """A signal.f0.F0Range for a person, in Hz and as notes; "unvoiced" for None."""
    if f0_range is None:
        return "unvoiced"
    low, high = f0_range.low_hz, f0_range.high_hz
    return f"{low:.0f}-{high:.0f} Hz, {note_name(low)}-{note_name(high)}"


def note_name(hz: float) -> str:
    """The nearest note in scientific pitch notation: 440.0 is A4."""
    semitone = round(69 + 12 * math.log2(hz / 440))
    return f"{NOTES[semitone % 12]}{semitone // 12 - 1}"
