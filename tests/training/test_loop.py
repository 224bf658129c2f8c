"""The training loop: what a kill may cost with the default settings (R1), by a clock that is made up; what is kept;
batches that are drawn ahead, in a thread that is gone at the end."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from conftest import TINY
from voiceswap.config import Config
from voiceswap.errors import VoiceswapError
from voiceswap.events import Progress, ignore_events
from voiceswap.training import loop
from voiceswap.training.loop import run_training


class Clock:
    """Time that passes when it is told to; knows the most that a kill at any moment would have cost."""

    def __init__(self, run_folder):
        self._folder, self.now, self.most_lost_s = run_folder, 0.0, 0.0
        self._saved, self._saved_at = [], 0.0

    def monotonic(self):
        saved = sorted(self._folder.glob("step-*"))
        if saved != self._saved:
            self._saved, self._saved_at = saved, self.now
        return self.now

    def spend(self, duration_s):
        self.monotonic()
        self.now += duration_s
        self.most_lost_s = max(self.most_lost_s, self.now - self._saved_at)


class Learner:
    """Stands for one that learns, slowly."""

    def __init__(self, clock, first_s, step_s, check_s):
        self.config, self._clock, self._n, self._times_s = Config(), clock, 0, (first_s, step_s, check_s)

    def step(self, batch, number, n_steps):
        first_s, step_s, _ = self._times_s
        self._clock.spend(step_s if self._n else first_s)
        self._n += 1
        return 1.0

    def score(self, held_out):
        self._clock.spend(self._times_s[2])
        return 1 / (1 + self._n)

    def weights(self):
        return {"w": np.zeros(1, np.float32)}

    def state(self):
        return {"n": np.array(self._n)}


@pytest.mark.parametrize("check_s", [0.0, 5.0, 20.0])
@pytest.mark.parametrize("step_s", [0.2, 1.0, 7.0, 14.0, 16.0, 29.0])
def test_r1_a_kill_costs_at_most_a_minute_with_the_default_settings(step_s, check_s, tmp_path, monkeypatch):
    clock = Clock(tmp_path / "run")
    monkeypatch.setattr(loop, "time", clock)
    batches = SimpleNamespace(batch=lambda step: None)
    learner = Learner(clock, 25.0, step_s, check_s)
    run = loop.Run("zoe", learner, batches, None, tmp_path / "run", {}, 120)
    assert run_training(run, ignore_events).finished
    assert clock.now > 24
    print(f"{clock.most_lost_s:.0f} s")
    assert clock.most_lost_s <= 60


class Worsening:
    """Stands for one that learns for four steps and is worse after each further one."""

    def __init__(self):
        self.config, self._n = TINY, 0

    def step(self, batch, number, n_steps):
        self._n += 1
        return 1.0

    def score(self, held_out):
        return abs(self._n - 4) + 1.0

    def weights(self):
        return {"w": np.full(1, self._n, np.float32)}

    state = weights


def test_what_is_kept_is_the_best_and_not_the_last(tmp_path):
    batches = SimpleNamespace(batch=lambda step: None)
    run = loop.Run("zoe", Worsening(), batches, None, tmp_path / "run", {}, 12)
    outcome = run_training(run, ignore_events)
    assert (outcome.state.step, outcome.state.best_step) == (12, 4)
    assert outcome.best["w"] == 4


# Batches are drawn ahead


class Summing:
    """Stands for one that learns: what it knows hangs on the batch of each step, and on their order."""

    def __init__(self, *, breaks_at=None):
        self.config, self._w, self._breaks_at = TINY, np.zeros(1, np.float32), breaks_at

    def step(self, batch, number, n_steps):
        self._w = self._w * np.float32(0.5) + batch
        return float("nan") if number == self._breaks_at else float(self._w[0])

    def score(self, held_out):
        return 1.0

    def weights(self):
        return {"w": self._w}

    state = weights

    def restore(self, state):
        self._w = state["w"]

    def expected_state(self):
        return {"w": ((1,), "F32")}


class Drawn:
    """Batches that are a function of their step; knows which were drawn, and by whom."""

    def __init__(self, *, breaks_at=None):
        self.steps, self.threads, self._breaks_at = [], set(), breaks_at

    def batch(self, step):
        if step == self._breaks_at:
            raise ValueError("no batch")
        self.steps.append(step)
        self.threads.add(threading.current_thread())
        return np.random.default_rng([3, step]).normal(size=1).astype(np.float32)

    def sources(self, step):
        return []


@pytest.fixture
def threads():
    """No thread is left behind."""
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def run_summing(folder, batches, stopped=lambda: False, on_event=ignore_events, **options):
    learner = Summing(**options)
    run = loop.Run("zoe", learner, batches, None, folder, {}, 12)
    return run_training(run, on_event, stopped), learner.weights()["w"].tobytes()


def at_once():
    """What comes out if each batch is drawn when it is needed."""
    learner, batches = Summing(), Drawn()
    for step in range(12):
        learner.step(batches.batch(step), step, 12)
    return learner.weights()["w"].tobytes()


def test_r27_batches_that_are_drawn_ahead_give_the_same_bits(tmp_path, threads):
    batches = Drawn()
    outcome, weights = run_summing(tmp_path, batches)
    assert outcome.finished and weights == at_once()
    # Each once, in their order, and at most the one that would have come next.
    assert batches.steps in (list(range(12)), list(range(13)))
    assert threading.main_thread() not in batches.threads


@pytest.mark.parametrize("n_steps", range(1, 12))
def test_r1_a_stopped_run_goes_on_with_the_batch_that_comes_next(n_steps, tmp_path, threads):
    seen = []
    outcome, _ = run_summing(
        tmp_path,
        Drawn(),
        lambda: len(seen) >= n_steps,
        lambda event: seen.append(event) if isinstance(event, Progress) else None,
    )
    assert not outcome.finished and outcome.state.step == n_steps
    batches = Drawn()
    outcome, weights = run_summing(tmp_path, batches)
    assert outcome.finished and weights == at_once() and batches.steps[0] == n_steps


def test_a_batch_is_drawn_while_the_step_before_it_runs(tmp_path, threads):
    batches, learner = Drawn(), Summing()
    step = learner.step

    def waiting(batch, number, n_steps):
        ends = time.monotonic() + 30
        while number + 1 not in batches.steps and number + 1 < n_steps:
            assert time.monotonic() < ends, "the next batch does not come before the step has ended"
            time.sleep(0.001)
        return step(batch, number, n_steps)

    learner.step = waiting
    assert run_training(loop.Run("zoe", learner, batches, None, tmp_path, {}, 12), ignore_events).finished


def test_a_thread_is_gone_after_a_step_that_fails(tmp_path, threads):
    with pytest.raises(VoiceswapError, match="broke down at step 5"):
        run_summing(tmp_path, Drawn(), breaks_at=5)


def test_a_batch_that_cannot_be_drawn_fails_at_its_step(tmp_path, threads):
    seen = []
    with pytest.raises(ValueError, match="no batch"):
        run_summing(tmp_path, Drawn(breaks_at=5), on_event=seen.append)
    assert [event.step for event in seen if isinstance(event, Progress)] == [1, 2, 3, 4, 5]


def test_a_run_that_has_ended_draws_no_batch(tmp_path, threads):
    run_summing(tmp_path, Drawn())
    batches = Drawn()
    outcome, _ = run_summing(tmp_path, batches)
    assert outcome.finished and batches.steps == []
