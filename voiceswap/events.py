"""What a running job tells the one who called it. Jobs never print: they call an `OnEvent`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from voiceswap.errors import StoppedError


@dataclass(frozen=True)
class Found:
    """How much of a voice's recordings can be used, of which `held_out_s` is kept apart to judge by."""

    voice: str
    n_files: int
    speech_s: float
    total_s: float
    held_out_s: float
    skipped: tuple[tuple[Path, str], ...] = ()


@dataclass(frozen=True)
class Plan:
    """What a training will do, and about how long it will take, measured on its first steps."""

    voice: str
    n_steps: int
    duration_s: float


@dataclass(frozen=True)
class Progress:
    """How far a job is. `stage` names it; scores are nan before there is one."""

    voice: str
    stage: str
    step: int
    n_steps: int
    loss: float = float("nan")
    held_out: float = float("nan")
    times_real_time: float = float("nan")
    left_s: float = float("nan")


@dataclass(frozen=True)
class Note:
    """One line worth reading; a warning is one that asks for care."""

    text: str
    warning: bool = False


Event = Found | Plan | Progress | Note
OnEvent = Callable[[Event], None]


def ignore_events(event: Event) -> None:
    """What a caller who wants no events gives as `on_event`."""


def until_stopped(stopped: Callable[[], bool], on_event: OnEvent, whose: str) -> OnEvent:
    """An `on_event` for the reading of recordings, which takes a while, and of which nothing is lost by ending it.

    Args:
        stopped: Asked before each event.
        on_event: Told of the events until then.
        whose: Recordings they are, for the message.

    Returns:
        An `on_event` that raises StoppedError once `stopped` says so.
    """

    def pass_on(event: Event) -> None:
        if stopped():
            raise StoppedError(f"stopped while the recordings of {whose} were read", "the same command begins again")
        on_event(event)

    return pass_on
