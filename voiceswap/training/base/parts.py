"""The parts of a base, one row each: how it is made, from what, what is stored of it; and the base put together.

    encoder ──┬─ units
              └─ decoder
    vocoder ──── slim_vocoder
    quick_vocoder

Each part lies in a folder of its own, so that a later pretraining goes on from those that are made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voiceswap.config import Config, TrainConfig
from voiceswap.events import Note, OnEvent
from voiceswap.model.base import QUICK, UNITS, expected_part, expected_units, write_base
from voiceswap.model.vocoders.low_rank import SLIM, check_ranks, expected_low_rank
from voiceswap.storage.folder import Expected, write_folder
from voiceswap.training import loop
from voiceswap.training.base import decoder, vocoder
from voiceswap.training.base.context import PART_KIND, WEIGHTS, Context, PartWeights, open_part
from voiceswap.training.base.decoder import make_decoder
from voiceswap.training.base.encoder import make_encoder, make_units
from voiceswap.training.base.quick_vocoder import QUICK_RUN, make_quick_vocoder
from voiceswap.training.base.vocoder import make_low_rank_vocoder, make_vocoder


@dataclass(frozen=True)
class Part:
    """One part of a base.

    Attributes:
        name: Its name on the command line, and that of its folder and of its file in the base.
        make: Makes it; None if someone stopped it while it learnt, so that the same call goes on.
        expected: Names, shapes and types of its weights, by the base's settings and its own card.
        made_from: The part that must stand before it, and that it fits alone.
        run: The folder of its checkpoints, in the working folder; None if it does not learn.
        log: What the log of its training is called in the base.
        is_needed: Whether there is no base without it.
    """

    name: str
    make: Callable[[Context], PartWeights | None]
    expected: Callable[[Config, Any], Expected]
    made_from: str | None = None
    run: str | None = None
    log: str | None = None
    is_needed: bool = True


# In the order in which they are made.
PARTS = (
    Part("encoder", make_encoder, lambda config, card: expected_part("encoder", config)),
    Part(UNITS, make_units, lambda config, card: expected_units(config), made_from="encoder"),
    Part(
        "decoder",
        make_decoder,
        lambda config, card: expected_part("decoder", config),
        made_from="encoder",
        run=decoder.RUN,
        log="training.jsonl",
    ),
    Part("vocoder", make_vocoder, lambda config, card: expected_part("vocoder", config)),
    Part(
        SLIM,
        make_low_rank_vocoder,
        lambda config, card: expected_low_rank(config, check_ranks(card, config)),
        made_from="vocoder",
        run=vocoder.LOW_RANK_RUN,
        log="slim_training.jsonl",
    ),
    Part(
        QUICK,
        make_quick_vocoder,
        lambda config, card: expected_part(QUICK, config),
        run=QUICK_RUN,
        log="quick_training.jsonl",
        is_needed=False,
    ),
)


def make_part(part: Part, context: Context) -> bool:
    """Make a part and write it into its folder.

    Args:
        part: Which.
        context: What it is made with.

    Returns:
        Whether it is made; False if someone stopped it while it learnt.

    Raises:
        VoiceswapError: What `part.make` raises, and WriteError if the part cannot be written.
    """
    weights = part.make(context)
    if weights is None:
        return False
    card = weights.card
    if part.made_from is not None:
        card = card | {"made_from": open_part(context.work, part.made_from).sum_of(WEIGHTS)}
    documents = {"config": weights.config.to_json(), "card": card}
    write_folder(context.work / part.name, kind=PART_KIND, documents=documents, arrays={"weights": weights.arrays})
    return True


def find_standing_parts(work: Path, on_event: OnEvent) -> tuple[str, ...]:
    """The names of the parts that are there and were made from those that are there.

    Args:
        work: The working folder.
        on_event: Told of those that were made from others.

    Returns:
        Names, in the order in which parts are made.

    Raises:
        ModelError: A part is damaged.
    """
    present = [part for part in PARTS if (work / part.name / "manifest.json").is_file()]
    names = [part.name for part in present]
    return tuple(part.name for part in present if part.made_from not in names or _fits(part, work, on_event))


def _fits(part: Part, work: Path, on_event: OnEvent) -> bool:
    """Whether a part was made from the one that is there, as far as it is known."""
    assert part.made_from is not None
    made_from_sha256 = open_part(work, part.name).document("card").get("made_from")
    if made_from_sha256 is None:
        unknown = f"not known which {part.made_from} it was made from, as it is of an earlier version"
        on_event(Note(f"{part.name}: {unknown}", warning=True))
    elif made_from_sha256 != open_part(work, part.made_from).sum_of(WEIGHTS):
        first = f"delete {work / part.run}, then " if part.run is not None else ""
        again = f"{first}make it again with `parts` {part.name}"
        on_event(Note(f"{part.name}: made from another {part.made_from}; {again}", warning=True))
        return False
    return True


def assemble_base(context: Context, standing: Sequence[str], texts: dict[str, str]) -> dict[str, Any]:
    """Write the base, out of the parts that stand, into the folder "base" of the working folder.

    Args:
        context: Where the parts are, and what they were started from.
        standing: The names of the parts, all that are needed among them.
        texts: Further text files by name.

    Returns:
        The base's card.

    Raises:
        ModelError: A part is missing or damaged.
        WriteError: The base cannot be written.
    """
    parts = [part for part in PARTS if part.name in standing]
    folders = {part.name: open_part(context.work, part.name) for part in parts}
    cards = {name: folder.document("card") for name, folder in folders.items()}
    # The decoder's, as it alone knows the number of speakers.
    config = Config.from_json(folders["decoder"].document("config"))
    config = config.model_copy(update={"train": TrainConfig()})
    arrays = {
        part.name: folders[part.name].arrays("weights", part.expected(config, cards[part.name])) for part in parts
    }
    card = cards | {"start_sha256": context.start.sha256}
    write_base(context.work / "base", config, card, arrays, _read_logs(context.work) | texts)
    return card


def _read_logs(work: Path) -> dict[str, str]:
    """The logs of the trainings, by their names in the base; a run may be removed once its part is made."""
    paths = {
        part.log: work / part.run / loop.METRICS for part in PARTS if part.run is not None and part.log is not None
    }
    return {name: path.read_text(encoding="utf-8") for name, path in paths.items() if path.is_file()}
