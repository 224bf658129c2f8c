"""What all parts of a base are made with: weights to start from, speakers, the working folder with the parts in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voiceswap.arrays import Arrays
from voiceswap.config import Config, DecoderConfig, TrainConfig
from voiceswap.errors import ModelError, UsageError
from voiceswap.events import OnEvent, until_stopped
from voiceswap.model.base import QUICK, expected_part, load_base
from voiceswap.model.encoder import COMPONENTS
from voiceswap.storage.folder import Folder, open_folder
from voiceswap.training import loop
from voiceswap.training.loop import Batches, Learns, run_training

START_KIND = "start"
PART_KIND = "part"
PART_MAX_BYTES = 200_000_000
WEIGHTS = "weights.safetensors"
# What messages call the speakers' recordings.
WHOSE = "the people"


class Start:
    """Weights to start from: those that tools/porting/ports.py wrote, or an earlier base's.

    Args:
        path: Their folder.
        content_dim: How many components of the content there shall be; as many as in the start for None.

    Attributes:
        config: Settings of the base to be made, but for what its training adds.
        encoder: The encoder's weights.
        vocoder: The vocoder's weights.
        decoder: The decoder's weights; None if it is no base.
        quick_vocoder: The quick vocoder's weights; None if there are none.
        sha256: Names the weights.
    """

    def __init__(self, path: Path, content_dim: int | None) -> None:
        try:
            folder = open_folder(path, kind=START_KIND, max_bytes=PART_MAX_BYTES)
        except ModelError:
            earlier_base = load_base(path)
            config = earlier_base.config
            self.encoder = earlier_base.arrays("encoder")
            self.vocoder = earlier_base.arrays("vocoder")
            self.decoder: Arrays | None = earlier_base.arrays("decoder")
            self.quick_vocoder = earlier_base.arrays(QUICK) if earlier_base.has(QUICK) else None
            self.sha256 = earlier_base.id
        else:
            config = Config.from_json(folder.document("config"), str(path))
            expected = dict(expected_part("encoder", config))
            self.encoder = folder.arrays("encoder", {k: v for k, v in expected.items() if k not in COMPONENTS})
            self.vocoder = folder.arrays("vocoder", expected_part("vocoder", config))
            self.decoder = None
            self.quick_vocoder = None
            self.sha256 = hashlib.sha256(json.dumps(folder.manifest["files"], sort_keys=True).encode()).hexdigest()
        size = config.encoder
        if content_dim is not None:
            if not 1 <= content_dim <= size.width:
                raise UsageError(f"content_dim is {content_dim}", f"wanted 1 to {size.width}, the encoder's width")
            size = size.model_copy(update={"content_dim": content_dim})
        self.config = config.model_copy(update={"encoder": size, "decoder": DecoderConfig(), "train": TrainConfig()})


@dataclass(frozen=True)
class Context:
    """What each part is made with.

    Attributes:
        start: Weights to start from.
        speakers: The recordings of each speaker, by name.
        work: The working folder, which holds the parts.
        minutes: Time for the steps of each part that learns; None for as long as it gets better.
        steps: The number of the decoder's steps at most; None for its recipe's.
        seed: Of everything random.
        on_event: Called with each event.
        stopped: Asked after each step and before each recording; True ends the pretraining.
    """

    start: Start
    speakers: Mapping[str, list[Path]]
    work: Path
    minutes: float | None
    steps: int | None
    seed: int
    on_event: OnEvent
    stopped: Callable[[], bool]

    @property
    def config(self) -> Config:
        """Settings of the base to be made, but for what its training adds."""
        return self.start.config

    def until_stopped(self, on_event: OnEvent | None = None) -> OnEvent:
        """`on_event`, or the one given, for the reading of recordings: raises StoppedError once someone stops it."""
        return until_stopped(self.stopped, on_event or self.on_event, WHOSE)

    def load(self, part: str) -> tuple[Arrays, str]:
        """The weights of a part that is made, and their sha256."""
        folder = open_part(self.work, part)
        return folder.arrays("weights", expected_part(part, self.config)), folder.sum_of(WEIGHTS)

    def train(
        self, part: str, learner: Learns, batches: Batches, held_out: Any, identity: dict[str, object], run_name: str
    ) -> loop.Outcome:
        """Train what a part is to become, with checkpoints in the folder `run_name`: see `loop.Run`."""
        run = loop.Run(
            part,
            learner,
            batches,
            held_out,
            self.work / run_name,
            identity,
            learner.config.train.steps,
            self.minutes,
            begin_anew=f"remove {self.work / run_name} to start over",
        )
        return run_training(run, self.on_event, self.stopped)


@dataclass(frozen=True)
class PartWeights:
    """A part that is made.

    Attributes:
        config: The settings it was made with.
        arrays: Its weights, as they are stored.
        card: What it was made of, and how well it does; plain JSON values.
    """

    config: Config
    arrays: Arrays
    card: dict[str, Any]


def open_part(work: Path, part: str) -> Folder:
    """The folder of a part that is made; raises ModelError if there is none, or a damaged one."""
    return open_folder(work / part, kind=PART_KIND, max_bytes=PART_MAX_BYTES)


def run_card(state: loop.RunState, held_out: Any, train: TrainConfig) -> dict[str, Any]:
    """What the card of a part that has learnt says of its run."""
    return {
        "steps": state.step,
        "best_step": state.best_step,
        "held_out": held_out,
        "trained_minutes": round(state.trained_s / 60, 1),
        "settings": train.model_dump(mode="json"),
    }
