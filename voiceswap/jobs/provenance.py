"""Was it made with voiceswap? Recordings looked through for the mark."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from voiceswap.errors import StoppedError
from voiceswap.jobs.events import Note, Progress, Report, silent
from voiceswap.signal import audio
from voiceswap.signal.detect import Detection
from voiceswap.signal.detect import detect as look


@dataclass(frozen=True)
class Finding:
    """What was found in one recording."""

    path: Path
    detection: Detection


def detect(*inputs: str | Path, report: Report = silent, stopped: Callable[[], bool] = lambda: False) -> list[Finding]:
    """Look for the mark that conversions bear.

    Args:
        *inputs: Recordings of any format that `convert` reads, of any length.
        report: Told of the progress.
        stopped: Asked after each block; True ends it.

    Returns:
        One finding a recording, in their order.

    Raises:
        UsageError: A recording is missing.
        AudioError: A recording cannot be read.
        StoppedError: `stopped` said so.

    Example:
        >>> import voiceswap
        >>> voiceswap.detect("song.speakerB.wav")[0].detection.decision  # doctest: +SKIP
        'yes'
    """
    findings = []
    for i, path in enumerate(map(Path, inputs)):
        report(Progress(path.name, "detecting", i, len(inputs)))
        kind = audio.probe(path)
        blocks = audio.blocks(path, damaged=lambda text: report(Note(text, warning=True)))
        findings.append(Finding(path, look(_interruptible(blocks, stopped), kind.sample_rate_hz)))
    return findings


def _interruptible(blocks: Iterator[audio.Array], stopped: Callable[[], bool]) -> Iterator[audio.Array]:
    for block in blocks:
        if stopped():
            raise StoppedError("stopped")
        yield block
