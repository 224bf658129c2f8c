"""What a running job tells its caller. Jobs never print: they call an `OnEvent`, such as `progress`."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import local
from typing import Any

from voiceswap.errors import StoppedError, UsageError
from voiceswap.text import left_out, minutes_text, visible

MOST_LEFT_OUT = 5


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
        stopped: Called before each event.
        on_event: Called with the events until then.
        whose: Recordings they are, for the message.

    Returns:
        An `on_event` that raises StoppedError once `stopped` returns True.
    """

    def pass_on(event: Event) -> None:
        if stopped():
            raise StoppedError(f"stopped while the recordings of {whose} were read", "the same command begins again")
        on_event(event)

    return pass_on


class ProgressBars(local):
    """An `on_event` that draws progress bars, with tqdm, in a terminal or below a notebook's cell.

    Events come in the caller's own thread, so each thread has a bar of its own.

        voiceswap.train("anna", on_event=voiceswap.events.progress)

    Raises:
        UsageError: tqdm is not installed.
    """

    def __init__(self) -> None:
        self._bar: Any = None
        self._stage: tuple[str, str] | None = None

    def __call__(self, event: Event) -> None:
        """Draw an event.

        Args:
            event: What a job tells: progress moves the bar of its stage, everything else is a line above it.

        Raises:
            UsageError: tqdm is not installed.
        """
        if isinstance(event, Progress):
            self._move(event)
        else:
            tqdm = _load_tqdm()
            for line in describe(event):
                # A notebook shows stderr as if something had gone wrong.
                in_notebook = type(sys.stdout).__module__.startswith("ipykernel")
                tqdm.write(visible(line), file=sys.stdout if in_notebook else sys.stderr)

    def close(self) -> None:
        """End the bar that is open, if one is: a job that was stopped leaves it where it was."""
        if self._bar is not None:
            self._bar.close()
        self._bar = self._stage = None

    def _move(self, event: Progress) -> None:
        stage = (event.voice, event.stage)
        if self._bar is None or self._stage != stage or event.step < self._bar.n:
            self.close()
            options = {"total": event.n_steps, "initial": event.step, "desc": visible(" ".join(stage)), "leave": False}
            self._bar = _load_tqdm()(**options)
            self._stage = stage
        self._bar.total = event.n_steps
        self._bar.set_postfix_str(", ".join(describe(event)), refresh=False)
        self._bar.update(event.step - self._bar.n)
        if event.step >= event.n_steps:
            self.close()


progress = ProgressBars()


def describe(event: Event) -> Iterator[str]:
    """What an event says, for a person.

    Args:
        event: What a job tells.

    Yields:
        The figures of Progress as far as there are any, and the lines of everything else.
    """
    match event:
        case Progress():
            if not math.isnan(event.held_out):
                yield f"held-out {event.held_out:.3f}"
            if not math.isnan(event.left_s):
                yield f"{minutes_text(event.left_s)} left"
            if not math.isnan(event.times_real_time):
                yield f"{event.times_real_time:.1f}x real time"
        case Found():
            learnt = minutes_text(event.speech_s - event.held_out_s)
            yield f"{event.voice}: {learnt} of speech to learn from, {minutes_text(event.held_out_s)} held out"
            for path, reason in event.skipped[:MOST_LEFT_OUT]:
                yield f"  {left_out(path, reason, path.name)}"
            if (more := len(event.skipped) - MOST_LEFT_OUT) > 0:
                yield f"  and {more} more left out"
        case Plan():
            yield f"{event.voice}: {event.n_steps} steps, about {minutes_text(event.duration_s)}"
        case Note():
            yield f"warning: {event.text}" if event.warning else event.text


def _load_tqdm() -> Any:
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        raise UsageError("progress bars need tqdm", 'pip install "voiceswap[notebook]"') from error
    return tqdm
