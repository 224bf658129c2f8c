"""The training loop: what a kill may cost with the default settings (R1), by a clock that is made up; what is kept."""

from types import SimpleNamespace

import numpy as np
import pytest

from conftest import TINY
from voiceswap.config import Config
from voiceswap.events import ignore_events
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
    crops = SimpleNamespace(batch=lambda step: None)
    learner = Learner(clock, 25.0, step_s, check_s)
    job = loop.Run("zoe", learner, crops, None, tmp_path / "run", {}, 120)
    assert run_training(job, ignore_events).finished
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
    crops = SimpleNamespace(batch=lambda step: None)
    job = loop.Run("zoe", Worsening(), crops, None, tmp_path / "run", {}, 12)
    outcome = run_training(job, ignore_events)
    assert (outcome.state.step, outcome.state.best_step) == (12, 4)
    assert outcome.best["w"] == 4
