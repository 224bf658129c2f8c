"""The time that a training tells against the time it takes, on a clock of its own; benchmarks/speed/estimate.py has a real one."""

import itertools
import types

import numpy as np
import pytest

from conftest import TINY
from voiceswap.events import Plan, Progress
from voiceswap.training import loop
from voiceswap.training.loop import run_training


class Slow:
    """A learner that learns nothing and takes its time: the first steps and the first check build something first."""

    def __init__(self, clock, step_s, check_s, **train):
        self.config = TINY.model_copy(update={"train": TINY.train.model_copy(update=train)})
        self.clock, self.step_s, self.check_s = clock, step_s, check_s
        self.scores = itertools.count(100, -1)
        self.n_scores = 0

    def step(self, batch, step, n_steps):
        self.clock.now += self.step_s + (20.0 if step < 2 else 0.0)
        return 1.0

    def score(self, held_out):
        self.clock.now += self.check_s + (10.0 if self.n_scores == 0 else 0.0)
        self.n_scores += 1
        return float(next(self.scores))

    def weights(self):
        return {"w": np.zeros(2, np.float32)}

    state = weights


@pytest.fixture
def clock(monkeypatch):
    clock = types.SimpleNamespace(now=1000.0)
    monkeypatch.setattr(loop, "time", types.SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def told_and_true(clock, tmp_path, monkeypatch, *, save_s=0.0, watch_s=0.0, minutes=None, **options):
    write = loop.folder.write_folder

    def slow_write(*arguments, **given):
        clock.now += save_s
        return write(*arguments, **given)

    def watch(found, best):
        clock.now += watch_s + (10.0 if found.state.step == 0 else 0.0)

    def rehearse():
        clock.now += watch_s

    monkeypatch.setattr(loop.folder, "write_folder", slow_write)
    learner = Slow(clock, **options)
    batches = types.SimpleNamespace(batch=lambda step: None)
    n_steps = learner.config.train.steps
    run = loop.Run("a", learner, batches, None, tmp_path, {}, n_steps, minutes, watch, rehearse)
    events = []
    outcome = run_training(run, lambda event: events.append((clock.now, event)))
    (plan,) = ((now, event) for now, event in events if isinstance(event, Plan))
    assert outcome.finished and outcome.state.step == outcome.state.n_steps
    left = [(event.left_s, clock.now - now) for now, event in events if isinstance(event, Progress)]
    return plan[1].duration_s, clock.now - plan[0], left


@pytest.mark.parametrize("minutes", [None, 4.0])
def test_the_estimate_holds_more_than_the_steps(clock, tmp_path, monkeypatch, minutes):
    usual = {"steps": 450, "evaluate_every": 50, "checkpoint_every_s": 30.0}
    told_s, true_s, left = told_and_true(
        clock, tmp_path, monkeypatch, step_s=0.5, check_s=6.0, watch_s=3.0, minutes=minutes, **usual
    )
    if minutes is None:
        assert true_s > 1.3 * 441 * 0.5
    assert told_s == pytest.approx(true_s, rel=0.03)
    for told_left_s, true_left_s in left[10:]:
        assert told_left_s == pytest.approx(true_left_s, rel=0.05, abs=10)


def test_checkpoints_count_once_one_was_written(clock, tmp_path, monkeypatch):
    _, _, left = told_and_true(
        clock, tmp_path, monkeypatch, step_s=0.5, check_s=1.0, save_s=6.0, steps=450, evaluate_every=50, checkpoint_every_s=30.0
    )  # fmt: skip
    for told_left_s, true_left_s in left[80:]:
        assert told_left_s == pytest.approx(true_left_s, rel=0.05, abs=10)


def test_a_limit_in_minutes_is_kept(clock, tmp_path, monkeypatch):
    began = clock.now
    usual = {"steps": 4500, "evaluate_every": 50, "checkpoint_every_s": 30.0}
    told_and_true(clock, tmp_path, monkeypatch, step_s=0.5, check_s=9.0, minutes=5.0, **usual)
    # What comes before the first step, 29 s here, is not counted.
    assert clock.now - began - 29 == pytest.approx(5 * 60, abs=15)
