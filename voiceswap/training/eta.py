"""How long a training is yet to take, from what its parts took so far."""

from __future__ import annotations

import math

# The first steps build the graph and warm up; the next ones tell how long a step takes.
WARM_STEPS = 3
TIMED_STEPS = 6


class Eta:
    """Learns what steps, checks and checkpoints take.

    Args:
        check_every: Steps from one check on the held-out recordings to the next.
        save_every_s: Seconds from one checkpoint to the next.
    """

    def __init__(self, check_every: int, save_every_s: float) -> None:
        self._check_every, self._save_every_s = check_every, save_every_s
        self._n_steps = self._n_checks = self._n_saves = 0
        self._steps_s = self._checks_s = self._saves_s = 0.0

    @property
    def step_s(self) -> float:
        """Seconds a step; nan as long as the first ones warm up."""
        return self._steps_s / n if (n := self._n_steps - WARM_STEPS) > 0 else math.nan

    @property
    def in_all_s(self) -> float:
        """Seconds a step, its share of checks and checkpoints included; nan as long as that cannot be told."""
        each_s = self.step_s + _mean(self._checks_s, self._n_checks) / self._check_every
        return each_s + self._estimate_saving_s(each_s)

    @property
    def is_known(self) -> bool:
        """Whether just now enough steps were timed for a first estimate."""
        return self._n_steps == WARM_STEPS + TIMED_STEPS

    def left_s(self, n_steps: int, n_checks: int) -> float:
        """Seconds that so many steps and checks will take, with the checkpoints between them."""
        busy_s = n_steps * self.step_s + n_checks * _mean(self._checks_s, self._n_checks)
        return busy_s + self._estimate_saving_s(busy_s)

    def add_step(self, seconds: float) -> None:
        """Take in what a step took."""
        self._n_steps += 1
        if self._n_steps > WARM_STEPS:
            self._steps_s += seconds

    def add_check(self, seconds: float) -> None:
        """Take in what a check took, with all that came with it."""
        self._n_checks += 1
        self._checks_s += seconds

    def add_save(self, seconds: float) -> None:
        """Take in what a checkpoint took."""
        self._n_saves += 1
        self._saves_s += seconds

    def _estimate_saving_s(self, busy_s: float) -> float:
        # There is at most one checkpoint a step, whatever the setting.
        every_s = max(self._save_every_s, self.step_s)
        return busy_s * _mean(self._saves_s, self._n_saves) / every_s if every_s > 0 else 0.0


def _mean(total: float, n: int) -> float:
    return total / n if n else 0.0
