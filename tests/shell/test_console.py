"""What is shown of events, results and failures, and how a command is stopped."""

import errno
import io
import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from voiceswap.errors import AudioError, StoppedError, UsageError
from voiceswap.events import Found, Note, Plan, Progress
from voiceswap.shell import console


def at_terminal(width):
    """A shell at a terminal of so many columns, and what is written there."""
    shell, out = console.Shell(as_json=False), io.StringIO()
    shell._errors = Console(file=out, force_terminal=True, width=width, soft_wrap=True, color_system=None)
    return shell, out


def test_control_characters_never_reach_the_terminal(capsys):
    def fail():
        raise AudioError("a\x1b[31mb\u202e.wav is empty", "x\x07")

    assert console.run_guarded(fail) == 3
    assert capsys.readouterr().err == "error: a\\x1b[31mb\\x202e.wav is empty\n\nhint: x\\x07\n"


def test_names_are_told_as_they_are_whatever_rich_makes_of_them(capfd):
    name = "take:cat:1 [red]x[/b] \\[b].wav"
    console.Shell(False).show(Note(name))
    assert capfd.readouterr().err == f"{name}\n"
    shell, out = at_terminal(80)
    with shell.working():
        shell.show(Progress(name, "listening", 0, 1))
        shell._bar.refresh()
    assert f"{name} listening" in out.getvalue()


def test_json_is_valid_whatever_the_values(capsys):
    shell = console.Shell(as_json=True)
    shell.say("not this")
    shell.result({"a": float("nan"), "b": (1, 2)})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [1, 2]}


@pytest.mark.parametrize("width", [60, 80, 120])
def test_progress_fits_a_narrow_terminal(width):
    """All four figures at 60 columns, and never more than one line."""
    shell, out = at_terminal(width)
    with shell.working():
        shell.show(Progress("en_kathleen", "training", 58, 450, 0.332, 0.723, 28.26, 205.0))
        shell._bar.refresh()
        line = out.getvalue().split("\x1b[2K")[-1]
    for figure in ("en_kathleen", "loss 0.332", "held-out 0.723", "28.3x", "3.4 min left"):
        assert figure in line
    assert len(line.rstrip()) <= width and "\n" not in line and ("\u2501" in line) == (width == 120)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_progress_without_figures_says_what_is_done_and_how_far_it_is(width):
    shell, out = at_terminal(width)
    with shell.working():
        shell.show(Progress("en_kathleen", "listening", 26, 104))
        shell._bar.refresh()
        line = out.getvalue().split("\x1b[2K")[-1]
    assert "en_kathleen listening" in line and ("25%" in line) == (width < 120) == ("\u2501" not in line)


def test_a_long_name_does_not_break_the_line_of_progress():
    shell, out = at_terminal(60)
    with shell.working():
        shell.show(Progress("C:\\Users\\me\\" + "long name " * 9 + ".wav", "converting", 5, 10, left_s=40.0))
        shell._bar.refresh()
        line = out.getvalue().split("\x1b[2K")[-1]
    assert len(line.rstrip()) <= 60 and "\n" not in line and "40 s left" in line


@pytest.mark.parametrize("terminal", [False, "dumb"])
def test_progress_without_a_terminal_is_plain_lines(terminal, monkeypatch, capfd):
    shell = console.Shell(False)
    if terminal:
        monkeypatch.setenv("TERM", "dumb")
        monkeypatch.setattr(shell, "_errors", Console(stderr=True, force_terminal=True, soft_wrap=True, no_color=True))
    monkeypatch.setattr(console, "PLAIN_EVERY_S", 0.0)
    with shell.working():
        for step in (45, 90):
            shell.show(Progress("speakerA", "training", step, 450, 0.332, 0.723, 28.26, 205.0))
    assert capfd.readouterr() == (
        "",
        "speakerA training 10%  3.4 min left  loss 0.332  held-out 0.723  28.3x real time\n"
        "speakerA training 20%  3.4 min left  loss 0.332  held-out 0.723  28.3x real time\n",
    )


def test_what_a_training_will_do_is_told(capfd):
    shell = console.Shell(False)
    skipped = [(Path("anna/a [b].wav"), "anna/a [b].wav is empty (0 bytes)"), (Path("anna/x.wav"), "no speech found")]
    shell.show(Found("anna", 9, 274.0, 300.0, 28.0, (*skipped, *skipped[1:] * 5)))
    shell.show(Plan("anna", 450, 276.0))
    said = capfd.readouterr().err.splitlines()
    assert said == [
        "anna: 4.1 min of speech to learn from, 28 s held out",
        "  left out a [b].wav: is empty (0 bytes)",
        *["  left out x.wav: no speech found"] * 4,
        "  and 2 more left out; voiceswap check names them all",
        "anna: 450 steps, about 4.6 min, less if it stops getting better before",
    ]
    shell.show(Plan("anna", 60, 31.6))
    assert "60 steps, about 32 s, less" in capfd.readouterr().err


def test_what_is_over_soon_says_nothing_of_how_far_it_is(capfd):
    shell = console.Shell(False)
    shell.show(Progress("song.wav", "detecting", 0, 1))
    assert capfd.readouterr() == ("", "")


def test_a_note_is_its_text_and_a_warning_says_that_it_is_one(capfd):
    shell = console.Shell(as_json=True)
    shell.show(Note("no consent is recorded"))
    shell.show(Note("it is loud", warning=True))
    assert capfd.readouterr() == ("", "no consent is recorded\nwarning: it is loud\n")


def test_each_stage_has_a_bar_of_its_own_and_only_one_is_there():
    shell, _ = at_terminal(120)
    for _again in range(2):
        with shell.working():
            for step in (1, 2):
                shell.show(Progress("a", "listening", step, 2))
            shell.show(Progress("a", "converting", 1, 4))
            (task,) = shell._bar.tasks
            assert (task.description, task.completed, task.total) == ("a converting", 1, 4)


class Closed(io.StringIO):
    """A stream that cannot be written to."""

    def __init__(self, number):
        super().__init__()
        self.error = OSError(number, os.strerror(number))

    def write(self, text):
        raise self.error

    def flush(self):
        raise self.error


@pytest.fixture
def silenced(monkeypatch):
    """The streams that are given up."""
    streams = []
    monkeypatch.setattr(console, "_silence", streams.append)
    return streams


def test_a_log_that_cannot_be_written_stops_no_job(silenced):
    shell = console.Shell(as_json=False)
    shell._errors = Console(file=Closed(errno.ENOSPC))
    shell.show(Note("a"))
    assert silenced == [sys.stderr]


def test_a_job_is_told_whom_to_tell_and_whom_to_ask(capfd):
    def job(*folders, minutes, on_event, stopped):
        on_event(Note(f"{folders} {minutes}"))
        return stopped()

    shell = console.Shell(as_json=False)
    assert shell.run(job, "a", "b", minutes=2) is False
    assert not shell.stopped()
    assert capfd.readouterr() == ("", "('a', 'b') 2\n")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_the_job_and_is_known_afterwards(number, code, capfd):
    def job(*, on_event, stopped):
        before = stopped()
        os.kill(os.getpid(), number)
        return before, stopped()

    shell, handler = console.Shell(as_json=False), signal.getsignal(number)
    assert shell.run(job) == (False, True)
    assert shell.stopped() and shell.stopped.exit_code == code
    assert signal.getsignal(number) is handler
    assert capfd.readouterr().err == "\nstopping after this step; again to end at once\n"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_job_that_gives_up_when_stopped_ends_with_the_exit_code_of_the_signal(number, code, capfd):
    def job(*, on_event, stopped):
        os.kill(os.getpid(), number)
        raise StoppedError("stopped")

    assert console.run_guarded(lambda: console.Shell(as_json=False).run(job)) == code
    assert capfd.readouterr().err.endswith("error: stopped\n")


def test_a_second_signal_ends_at_once(monkeypatch, capfd):
    ended = []
    monkeypatch.setattr(os, "_exit", ended.append)
    with console.StopFlag().listening():
        os.kill(os.getpid(), signal.SIGTERM)
        assert ended == []
        os.kill(os.getpid(), signal.SIGTERM)
    assert ended == [143]


@dataclass
class Inner:
    share: float


@dataclass
class Outer:
    path: Path
    inner: tuple[Inner, ...]


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (None, None),
        ("a", "a"),
        (True, True),
        (0.5, 0.5),
        (float("inf"), None),
        ({1: Path("a/b")}, {"1": "a/b"}),
        (((1, 2), [float("nan")]), [[1, 2], [None]]),
        (Path("caf\udce9.wav"), "caf\\udce9.wav"),
        (
            Outer(Path("x"), (Inner(0.5), Inner(float("nan")))),
            {"path": "x", "inner": [{"share": 0.5}, {"share": None}]},
        ),
    ],
)
def test_values_become_what_json_knows(value, wanted):
    assert console.to_plain(value) == wanted


def test_a_command_that_works_exits_with_zero(capfd):
    assert console.run_guarded(lambda: print("a")) == 0
    assert capfd.readouterr() == ("a\n", "")


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (UsageError("what", "why"), 2, "error: what\n\nhint: why\n"),
        (StoppedError("stopped"), 130, "error: stopped\n"),
        (KeyboardInterrupt(), 130, "stopped\n"),
    ],
)
def test_a_failure_is_said_and_has_its_exit_code(error, code, says, capfd):
    def fail():
        raise error

    assert console.run_guarded(fail) == code
    assert capfd.readouterr() == ("", says)


@pytest.mark.parametrize(
    ("number", "code", "says"),
    [
        (errno.EPIPE, 1, ""),
        (errno.ENOSPC, 6, "error: cannot write the result: no space left on device\n\nhint: free some space\n"),
        (errno.EFBIG, 6, "error: cannot write the result: file too large\n\nhint: free some space\n"),
    ],
)
def test_a_result_that_cannot_be_written_is_told_unless_nobody_reads_it(
    number, code, says, silenced, monkeypatch, capfd
):
    stream = Closed(number)
    monkeypatch.setattr(sys, "stdout", stream)
    assert console.run_guarded(lambda: None) == code
    assert silenced == [stream] and capfd.readouterr().err == says


def test_a_fault_of_another_kind_is_not_hidden():
    def fail():
        raise PermissionError(errno.EACCES, "no")

    with pytest.raises(PermissionError):
        console.run_guarded(fail)


def test_a_failure_that_cannot_be_said_keeps_its_exit_code(silenced, monkeypatch):
    def fail():
        raise AudioError("a")

    monkeypatch.setattr(sys, "stderr", Closed(errno.ENOSPC))
    assert console.run_guarded(fail) == 3
    assert silenced == [sys.stderr]
