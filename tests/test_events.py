"""Events, how reading is stopped without loss, and the ready-made progress bars."""

import subprocess
import sys
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pytest

from voiceswap.errors import StoppedError, UsageError
from voiceswap.events import Found, Note, Plan, Progress, ProgressBars, ignore_events, progress, until_stopped


def test_events_pass_until_the_reading_is_stopped():
    heard, stopped = [], [False]
    on_event = until_stopped(lambda: stopped[0], heard.append, "anna")
    on_event(Note("a"))
    stopped[0] = True
    with pytest.raises(StoppedError, match="stopped while the recordings of anna were read"):
        on_event(Note("b"))
    assert heard == [Note("a")]


def test_who_wants_no_events_hears_none():
    assert ignore_events(Note("a")) is None


class Bar:
    """What of tqdm is used."""

    opened, written = [], []

    def __init__(self, **options):
        self.options, self.n, self.total = options, options["initial"], options["total"]
        self.told, self.closed = [], False
        self.opened.append(self)

    def set_postfix_str(self, text, refresh):
        self.told.append(text)

    def update(self, n):
        self.n += n

    def close(self):
        self.closed = True

    @classmethod
    def write(cls, text, file):
        cls.written.append(text)


@pytest.fixture
def bars(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", SimpleNamespace(tqdm=Bar))
    monkeypatch.setattr(Bar, "opened", [])
    monkeypatch.setattr(Bar, "written", [])
    return Bar


def test_each_stage_has_a_bar_that_moves_with_it_and_closes_at_its_end(bars):
    show = ProgressBars()
    for step in (0, 5, 10):
        show(Progress("anna", "training", step, 10, held_out=0.5, left_s=120.0))
    show(Progress("anna", "converting", 1, 4, times_real_time=3.0))
    show(Progress("boris", "converting", 2, 4))
    first, second, third = bars.opened
    assert first.options["desc"] == "anna training"
    assert (first.n, first.total, first.closed) == (10, 10, True)
    assert first.told[0] == "held-out 0.500, 2.0 min left"
    assert (second.n, second.closed, second.told) == (1, True, ["3.0x real time"])
    assert (third.n, third.closed) == (2, False)
    show.close()
    assert third.closed


def test_a_stage_that_begins_again_gets_a_new_bar(bars):
    show = ProgressBars()
    show(Progress("anna", "converting", 3, 4))
    show(Progress("anna", "converting", 1, 4))
    assert [bar.n for bar in bars.opened] == [3, 1]


def test_what_is_no_progress_is_a_line(bars):
    show = ProgressBars()
    skipped = tuple((Path(f"take{i}.wav"), "is silent") for i in range(7))
    for event in (Found("anna", 9, 200.0, 220.0, 20.0, skipped), Plan("anna", 450, 300.0), Note("a\nb", warning=True)):
        show(event)
    assert bars.opened == []
    assert bars.written[0] == "anna: 3.0 min of speech to learn from, 20 s held out"
    assert bars.written[1] == "  left out take0.wav: is silent"
    assert bars.written[-3:] == ["  and 2 more left out", "anna: 450 steps, about 5.0 min", "warning: a\\x0ab"]


def test_each_thread_has_a_bar_of_its_own(bars):
    show = ProgressBars()
    show(Progress("anna", "training", 1, 10))
    other = Thread(target=show, args=(Progress("anna", "training", 5, 10),))
    other.start()
    other.join()
    show(Progress("anna", "training", 2, 10))
    assert [bar.n for bar in bars.opened] == [2, 5]


def test_without_tqdm_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(UsageError, match="progress bars need tqdm") as caught:
        ProgressBars()(Note("a"))
    assert caught.value.hint == 'pip install "voiceswap[notebook]"'


def test_the_ready_made_one_is_there_without_another_import():
    code = "import voiceswap; assert callable(voiceswap.events.progress)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_ready_made_one_draws_with_tqdm(capsys):
    pytest.importorskip("tqdm", reason='tqdm is not installed: pip install "voiceswap[notebook]"')
    progress(Note("a line"))
    progress(Progress("anna", "training", 3, 10, held_out=0.5))
    progress.close()
    told = capsys.readouterr().err
    assert "a line" in told and "anna training" in told and "3/10" in told
