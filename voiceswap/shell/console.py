"""What a person or a program sees: results on stdout, all else on stderr; errors with their exit codes."""

from __future__ import annotations

import errno
import json
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, TypeVar

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as ProgressBar

from voiceswap.errors import StoppedError, VoiceswapError, WriteError
from voiceswap.events import MOST_LEFT_OUT, Found, Note, Plan, Progress, describe
from voiceswap.shell.options import word_options
from voiceswap.text import minutes_text, visible

if TYPE_CHECKING:
    from types import FrameType

    from rich.progress import TaskID

    from voiceswap.events import Event

Result = TypeVar("Result")

PLAIN_EVERY_S = 15.0
# A bar and the space around it.
BAR_WIDTH = 42
# On a narrower terminal there is no room for a bar beside the figures.
ROOM_FOR_BAR = 100
# On one narrower still, there is none for all their words.
ROOM_FOR_WORDS = 80
SHORTEST_LABEL = 8
DISK_FULL_ERRNOS = (errno.ENOSPC, errno.EFBIG)
INTERRUPTED_EXIT_CODE = 130
TERMINATED_EXIT_CODE = 143


class Shell:
    """One command's view of the world.

    Args:
        as_json: Print one JSON document instead of lines.
        results: Where lines for a person go; standard output if not given.

    Attributes:
        as_json: As given.
        stopped: Whether someone asked to stop what `run` runs, and what the command exits with then.
    """

    def __init__(self, as_json: bool, results: TextIO | None = None) -> None:
        self.as_json = as_json
        self._results = results
        self.stopped = StopFlag()
        self._errors = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)
        self._bar: ProgressBar | None = None
        self._task: TaskID | None = None
        self._stage: tuple[str, str] | None = None
        # What is over soon needs no word of how far it is.
        self._plain_s = time.monotonic()

    def say(self, text: str) -> None:
        """A result line for a person; nothing with --json."""
        if not self.as_json:
            print(visible(word_options(text)), file=self._results)

    def fact(self, name: str, value: object) -> None:
        """One line "name: value" for a person, whatever is in them."""
        self.say(f"{name}: {value}")

    def result(self, value: object) -> None:
        """The one JSON document; nothing without --json."""
        if self.as_json:
            print(json.dumps(to_plain(value), ensure_ascii=True, allow_nan=False, indent=1))

    def ask(self, question: str) -> str:
        """The answer of a person at a terminal, "" for none; where nobody can answer, nobody is asked."""
        if self.as_json or sys.stdin is None or not sys.stdin.isatty():
            return ""
        # On stderr, as input() would write to stdout.
        sys.stderr.write(visible(question))
        sys.stderr.flush()
        return sys.stdin.readline().strip()

    def run(self, job: Callable[..., Result], *arguments: object, **options: object) -> Result:
        """Call a job that tells of events and can be stopped, and show how far it is meanwhile.

        Args:
            job: What to call; it takes `on_event` and `stopped`.
            *arguments: Handed on.
            **options: Handed on.

        Returns:
            What the job returns, which may be less than all if it was stopped: ask `stopped`.
        """
        with self.working(), self.stopped.listening():
            return job(*arguments, **options, on_event=self.show, stopped=self.stopped)

    def show(self, event: Event) -> None:
        """Show what a job tells."""
        match event:
            case Progress():
                self._show_progress(event)
            case Found():
                self._show_found(event)
            case Plan():
                ends = "less if it stops getting better before"
                self._write_line(
                    f"{event.voice}: {event.n_steps} steps, about {minutes_text(event.duration_s)}, {ends}"
                )
            case Note():
                self._write_line(*describe(event))

    @contextmanager
    def working(self) -> Iterator[None]:
        """Shows progress while a job runs: a bar on a terminal, a line now and then elsewhere."""
        # A dumb terminal cannot write a line anew.
        if not self._errors.is_terminal or self._errors.is_dumb_terminal or self.as_json:
            yield
            return
        bar = [BarColumn()] if self._errors.width >= ROOM_FOR_BAR else []
        columns = (TextColumn("{task.description}", markup=False), *bar, TextColumn("{task.fields[told]}"))
        with ProgressBar(*columns, console=self._errors, transient=True) as self._bar:
            yield
        self._bar = self._task = None

    def _show_found(self, event: Found) -> None:
        lines = list(describe(event))
        if len(event.skipped) > MOST_LEFT_OUT:
            lines[-1] += "; voiceswap check names them all"
        for line in lines:
            self._write_line(line)

    def _show_progress(self, event: Progress) -> None:
        brief = self._bar is not None and self._errors.width < ROOM_FOR_WORDS
        share = event.step / max(1, event.n_steps)
        # Where there are no figures there is room for more words, and where there is no bar either, need of a share.
        figures = "  ".join(_describe_progress(event, brief=brief))
        if self._bar is not None:
            told = figures or ("" if self._errors.width >= ROOM_FOR_BAR else f"{share:.0%}")
            label = visible(event.voice if brief and figures else f"{event.voice} {event.stage}")
            # A long name may not push the figures out.
            barred = BAR_WIDTH if self._errors.width >= ROOM_FOR_BAR else 0
            room = max(SHORTEST_LABEL, self._errors.width - len(told) - 1 - barred)
            label = label if len(label) <= room else f"{label[: room - 3]}..."
            task = self._switch_task(self._bar, (event.voice, event.stage))
            self._bar.update(task, total=event.n_steps, completed=event.step, told=told, description=label)
        elif not self.as_json and time.monotonic() - self._plain_s > PLAIN_EVERY_S:
            self._plain_s = time.monotonic()
            self._write_line(f"{event.voice} {event.stage} {share:.0%}  {figures}".rstrip())

    def _switch_task(self, bar: ProgressBar, stage: tuple[str, str]) -> TaskID:
        """The bar's task for this voice and stage, in place of the one before."""
        if self._task is None or self._stage != stage:
            if self._task is not None:
                bar.remove_task(self._task)
            self._task = bar.add_task("", told="")
            self._stage = stage
        return self._task

    def _write_line(self, text: str) -> None:
        try:
            self._errors.print(visible(word_options(text)))
        except BrokenPipeError:
            raise
        except OSError:
            _silence(sys.stderr)


def _describe_progress(event: Progress, *, brief: bool) -> Iterator[str]:
    # What is cut off on a narrow terminal is what comes last.
    if not math.isnan(event.left_s):
        yield f"{minutes_text(event.left_s)} left"
    if not math.isnan(event.loss):
        yield f"loss {event.loss:.3f}"
    if not math.isnan(event.held_out):
        yield f"held-out {event.held_out:.3f}"
    if not math.isnan(event.times_real_time):
        yield f"{event.times_real_time:.1f}x" + ("" if brief else " real time")


def to_plain(value: object) -> object:
    """Dataclasses, paths and tuples as plain JSON values; what is not finite as null."""
    if is_dataclass(value) and not isinstance(value, type):
        return to_plain(asdict(value))
    if isinstance(value, dict):
        return {str(k): to_plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(v) for v in value]
    if isinstance(value, Path):
        return os.fspath(value).encode("utf-8", "backslashreplace").decode()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


class StopFlag:
    """Set by the first Ctrl-C or SIGTERM, so that a job can save; a second one ends at once."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def __call__(self) -> bool:
        """Whether someone asked to stop."""
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """What the command exits with if it was stopped."""
        return TERMINATED_EXIT_CODE if self.signal == signal.SIGTERM else INTERRUPTED_EXIT_CODE

    @contextmanager
    def listening(self) -> Iterator[StopFlag]:
        """Catch both signals meanwhile."""

        def remember(number: int, _frame: FrameType | None) -> None:
            if self.signal is not None:
                os._exit(self.exit_code)
            self.signal = number
            sys.stderr.write("\nstopping after this step; again to end at once\n")

        former = {s: signal.signal(s, remember) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield self
        except StoppedError as error:
            error.exit_code = self.exit_code
            raise
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)


def run_guarded(action: Callable[[], None]) -> int:
    """Run a command; turn its failure into two lines on stderr and an exit code."""
    try:
        action()
        sys.stdout.flush()
    except VoiceswapError as error:
        return _tell_failure(error)
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        return INTERRUPTED_EXIT_CODE
    except BrokenPipeError:
        # Whoever read has gone: nothing is left to say.
        _silence(sys.stdout)
        return 1
    except OSError as error:
        if error.errno not in DISK_FULL_ERRNOS:
            raise
        _silence(sys.stdout)
        return _tell_failure(
            WriteError(f"cannot write the result: {os.strerror(error.errno).lower()}", "free some space")
        )
    return 0


def _tell_failure(error: VoiceswapError) -> int:
    hint = f"\nhint: {visible(word_options(error.hint))}\n" if error.hint else ""
    try:
        sys.stderr.write(f"error: {visible(word_options(error.message))}\n{hint}")
        sys.stderr.flush()
    except OSError:
        _silence(sys.stderr)
    return error.exit_code


def _silence(stream: TextIO) -> None:
    """Drop what can no longer be written, such as a log on a full disk: neither the job nor Python's end may fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
