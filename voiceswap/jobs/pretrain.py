"""Making a base: encoder, decoder and vocoder, each kept in a folder of its own so that a later call goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voiceswap.errors import UsageError
from voiceswap.events import OnEvent, ignore_events
from voiceswap.model import base
from voiceswap.model.networks import plain_settings
from voiceswap.storage import atomic
from voiceswap.training.base import parts as base_parts
from voiceswap.training.base.context import Context, Start
from voiceswap.training.base.parts import assemble_base, find_standing_parts, make_part
from voiceswap.training.base.speakers import find_speakers
from voiceswap.training.options import check_minutes

PARTS = tuple(part.name for part in base_parts.PARTS)


@dataclass(frozen=True)
class Pretrained:
    """What a pretraining has come to.

    Attributes:
        path: The base's folder, or None while a part is missing.
        parts: The parts that stand.
        card: The base's card.
    """

    path: Path | None
    parts: tuple[str, ...]
    card: dict[str, Any]


def pretrain(
    *folders: str | Path,
    out: str | Path,
    start: str | Path | None = None,
    parts: Sequence[str] = PARTS,
    minutes: float | None = None,
    steps: int | None = None,
    content_dim: int | None = None,
    leave_out: Sequence[str] = (),
    credits: str | Path | None = None,
    seed: int = 0,
    on_event: OnEvent = ignore_events,
    stopped: Callable[[], bool] = lambda: False,
) -> Pretrained:
    """Make a base from recordings of many people.

    Args:
        *folders: Each holds one folder a person.
        out: The working folder; the base comes to lie in its folder "base". The same call again goes on.
        start: Weights to start from: a start made by tools/porting/ports.py, or a base; the shipped base if not given.
            The decoder goes on from a base's of the same size with as many speakers, whatever its components were.
        parts: Which of "encoder", "units", "decoder", "vocoder", "slim_vocoder", "quick_vocoder" to make now.
            A base without the last one is whole all the same.
        minutes: Time for the decoder's steps, and as much for those of the slim and the quick vocoder; 0 to 10,000.
        steps: Number of the decoder's steps at most.
        content_dim: How many components of the content the decoder hears; as many as in the start if not given.
        leave_out: People to leave out, by folder name; each must be there.
        credits: A text file that is kept beside the weights.
        seed: Of everything random.
        on_event: Called with each event.
        stopped: Asked after each step, where True ends with a checkpoint, and before each recording that is read.

    Returns:
        What stands now.

    Raises:
        UsageError: An unknown part, no such folder, nobody in it, two people of one name, nobody of a name to leave
            out, too little said for a part, more components than the encoder is wide, minutes out of their range, or
            credits that cannot be read.
        AudioError: Someone's first recording cannot be read.
        ModelError: The start cannot be used, or a part before the one asked for is missing.
        BusyError: Another process makes a base in `out`.
        WriteError: Something cannot be written.
        StoppedError: `stopped` returned True while recordings were read.
    """
    if unknown := set(parts) - set(PARTS):
        raise UsageError(f"unknown part: {', '.join(sorted(unknown))}", f"wanted some of {', '.join(PARTS)}")
    check_minutes(minutes)
    texts = {"CREDITS.md": _read_credits(Path(credits))} if credits is not None else {}
    work = Path(out)
    atomic.make_folder(work)
    with atomic.locked(work / ".lock", f"the base in {work}"):
        for folder in (work, *(work / part.run for part in base_parts.PARTS if part.run is not None)):
            atomic.sweep(folder)
        speakers = find_speakers(folders, leave_out)
        weights = Start(Path(start) if start is not None else base.SHIPPED, content_dim)
        context = Context(weights, speakers, work, minutes, steps, seed, on_event, stopped)
        for part in base_parts.PARTS:
            with plain_settings():
                is_made = part.name not in parts or make_part(part, context)
            if not is_made:
                return Pretrained(None, find_standing_parts(work, on_event), {})
        standing = find_standing_parts(work, on_event)
        if any(part.is_needed and part.name not in standing for part in base_parts.PARTS):
            return Pretrained(None, standing, {})
        return Pretrained(work / "base", standing, assemble_base(context, standing, texts))


def _read_credits(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the credits {path}: {error}", "give a text file in UTF-8") from error
