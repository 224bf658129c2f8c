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
from typing import Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from voiceswap.errors import StoppedError, VoiceswapError, WriteError
from voiceswap.text import left_out, minutes_text, visible

PLAIN_EVERY_S = 15.0
MOST_LEFT_OUT = 5
# A bar and the space around it.
BAR_WIDTH = 42
# On a narrower terminal there is no room for a bar beside the figures; on one narrower still, for all their words.
ROOM_FOR_BAR, ROOM_FOR_WORDS = 100, 80
FULL = (errno.ENOSPC, errno.EFBIG)
INTERRUPTED = 130
TERMINATED = 143


class Shell:
    """One command's view of the world.

    Args:
        as_json: Print one JSON document instead of lines.
    """

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self._errors = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)
        self._bar: Progress | None = None
        self._task: Any = None
        self._stage: tuple[str, str] | None = None
        # What is over soon needs no word of how far it is.
        self._plain_s = time.monotonic()

    def say(self, text: str) -> None:
        """A result line for a person; nothing with --json."""
        if not self.as_json:
            print(visible(text))

    def fact(self, name: str, value: object) -> None:
        """One line "name: value" for a person, whatever is in them."""
        self.say(f"{name}: {value}")

    def result(self, value: Any) -> None:
        """The one JSON document; nothing without --json."""
        if self.as_json:
            print(json.dumps(plain(value), ensure_ascii=True, allow_nan=False, indent=1))

    def ask(self, question: str) -> str:
        """The answer of a person at a terminal, "" for none; where nobody can answer, nobody is asked."""
        if self.as_json or sys.stdin is None or not sys.stdin.isatty():
            return ""
        # On stderr, as input() would write to stdout.
        sys.stderr.write(visible(question))
        sys.stderr.flush()
        return sys.stdin.readline().strip()

    def report(self, event: Any) -> None:
        """Show what a job tells: events."""
        kind = type(event).__name__
        if kind == "Progress":
            self._progress(event)
        elif kind == "Found":
            learnt = minutes_text(event.speech_s - event.held_out_s)
            apart = minutes_text(event.held_out_s)
            self._line(f"{event.voice}: learns from {learnt} of speech, judged by {apart} kept apart")
            for path, reason in event.skipped[:MOST_LEFT_OUT]:
                self._line(f"  {left_out(path, reason, path.name)}")
            if (more := len(event.skipped) - MOST_LEFT_OUT) > 0:
                self._line(f"  and {more} more left out; voiceswap check names them all")
        elif kind == "Plan":
            ends = "less if it stops getting better before"
            self._line(f"{event.voice}: {event.n_steps} steps, about {minutes_text(event.duration_s)}, {ends}")
        else:
            self._line(f"warning: {event.text}" if event.warning else event.text)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Shows progress while a job runs: a bar on a terminal, a line now and then elsewhere."""
        # A dumb terminal cannot write a line anew.
        if not self._errors.is_terminal or self._errors.is_dumb_terminal or self.as_json:
            yield
            return
        bar = [BarColumn()] if self._errors.width >= ROOM_FOR_BAR else []
        columns = (TextColumn("{task.description}", markup=False), *bar, TextColumn("{task.fields[told]}"))
        with Progress(*columns, console=self._errors, transient=True) as self._bar:
            yield
        self._bar = self._task = None

    def _progress(self, event: Any) -> None:
        brief = self._bar is not None and self._errors.width < ROOM_FOR_WORDS
        share = event.step / max(1, event.n_steps)
        # Where there are no figures there is room for more words, and where there is no bar either, need of a share.
        figures = "  ".join(_told(event, brief=brief))
        told = figures or ("" if self._errors.width >= ROOM_FOR_BAR else f"{share:.0%}")
        if self._bar is not None:
            if self._stage != (event.voice, event.stage):
                if self._task is not None:
                    self._bar.remove_task(self._task)
                self._task = self._bar.add_task("", told="")
                self._stage = (event.voice, event.stage)
            label = visible(event.voice if brief and figures else f"{event.voice} {event.stage}")
            # A long name may not push the figures out.
            barred = BAR_WIDTH if self._errors.width >= ROOM_FOR_BAR else 0
            room = max(8, self._errors.width - len(told) - 1 - barred)
            label = label if len(label) <= room else f"{label[: room - 3]}..."
            self._bar.update(self._task, total=event.n_steps, completed=event.step, told=told, description=label)
        elif not self.as_json and time.monotonic() - self._plain_s > PLAIN_EVERY_S:
            self._plain_s = time.monotonic()
            self._line(f"{event.voice} {event.stage} {share:.0%}  {figures}".rstrip())

    def _line(self, text: str) -> None:
        try:
            self._errors.print(visible(text))
        except BrokenPipeError:
            raise
        except OSError:
            _silence(sys.stderr)


def _told(event: Any, *, brief: bool) -> Iterator[str]:
    # What is cut off on a narrow terminal is what comes last.
    if not math.isnan(event.left_s):
        yield f"{minutes_text(event.left_s)} left"
    if not math.isnan(event.loss):
        yield f"loss {event.loss:.3f}"
    if not math.isnan(event.held_out):
        yield f"held-out {event.held_out:.3f}"
    if not math.isnan(event.times_real_time):
        yield f"{event.times_real_time:.1f}x" + ("" if brief else " real time")


def plain(value: Any) -> Any:
    """Dataclasses, paths and tuples as plain JSON values; what is not finite as null."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
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
        return TERMINATED if self.signal == signal.SIGTERM else INTERRUPTED

    @contextmanager
    def listening(self) -> Iterator[StopFlag]:
        """Catch both signals meanwhile."""

        def caught(number: int, _frame: Any) -> None:
            if self.signal is not None:
                os._exit(self.exit_code)
            self.signal = number
            sys.stderr.write("\nstopping after this step; again to end at once\n")

        former = {s: signal.signal(s, caught) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield self
        except StoppedError as error:
            error.exit_code = self.exit_code
            raise
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)


def guarded(action: Callable[[], None]) -> int:
    """Run a command; turn its failure into two lines on stderr and an exit code."""
    try:
        action()
        sys.stdout.flush()
    except VoiceswapError as error:
        return _failed(error)
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read has gone: nothing is left to say.
        _silence(sys.stdout)
        return 1
    except OSError as error:
        if error.errno not in FULL:
            raise
        _silence(sys.stdout)
        return _failed(WriteError(f"cannot write the result: {os.strerror(error.errno).lower()}", "free some space"))
    return 0


def _failed(error: VoiceswapError) -> int:
    hint = f"\nhint: {visible(error.hint)}\n" if error.hint else ""
    try:
        sys.stderr.write(f"error: {visible(error.message)}\n{hint}")
        sys.stderr.flush()
    except OSError:
        _silence(sys.stderr)
    return error.exit_code


def _silence(stream: TextIO) -> None:
    """Drop what can no longer be written, such as a log on a full disk: neither the job nor Python's end may fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
