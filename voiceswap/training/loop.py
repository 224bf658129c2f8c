"""The one training loop: steps, scores, checkpoints, and an end that the held-out score decides."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from voiceswap.arrays import Arrays
from voiceswap.audio.prefetch import prefetch
from voiceswap.config import Config, TrainConfig
from voiceswap.errors import ModelError, VoiceswapError
from voiceswap.events import Note, OnEvent, Plan, Progress
from voiceswap.storage import atomic, folder
from voiceswap.storage.folder import find_latest
from voiceswap.training.eta import Eta
from voiceswap.version import __version__

METRICS = "metrics.jsonl"
CHECKPOINT_KIND = "checkpoint"
CHECKPOINT_MAX_BYTES = 2 << 30
# A score must fall by this share to count as better: less is noise.
BETTER = 0.0005


@dataclass(frozen=True)
class RunState:
    """Where a run stands; kept beside the weights of each checkpoint.

    One that goes on after its end counts its steps, its time and its patience from `more_from_step` and `more_from_s`.
    """

    step: int
    n_steps: int
    best_step: int
    best_score: float
    first_score: float
    last_score: float
    trained_s: float
    more_from_step: int = 0
    more_from_s: float = 0.0

    def ended(self, train: TrainConfig) -> bool:
        """Whether its steps are done, or it has not become better for long."""
        waited = self.step - max(self.best_step, self.more_from_step)
        return self.step >= self.n_steps or waited >= train.patience * train.evaluate_every


@dataclass(frozen=True)
class Outcome:
    """How a run ended: the weights with the best held-out score, and whether it came to its own end."""

    state: RunState
    best: Arrays
    finished: bool


@dataclass(frozen=True)
class Check:
    """What a check on the held-out recordings found: where the run stands, and whether it is the best so far.

    `loss` is the mean since the last check, and nan at the beginning; `times_real_time` how fast the training is.
    """

    state: RunState
    is_best: bool
    loss: float = math.nan
    times_real_time: float = math.nan


class Learns(Protocol):
    """What can be trained: see `learner.DecoderLearner`."""

    config: Config

    def step(self, batch: Any, step: int, n_steps: int) -> float:
        """Learn from a batch; the loss, or something that is not finite."""
        ...

    def score(self, batch: Any) -> float:
        """How far it is from what it should be, on what it has not seen."""
        ...

    def weights(self) -> Arrays:
        """What it has learnt."""
        ...

    def state(self) -> Arrays:
        """Everything that changes while learning."""
        ...

    def restore(self, state: Arrays) -> None:
        """Go on from what `state` gave."""
        ...

    def expected_state(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Names, shapes and types of `state`."""
        ...


class Batches(Protocol):
    """What gives the batch of each step: see `batches.CropSampler`."""

    def batch(self, step: int) -> Any:
        """The batch of one step."""
        ...

    def sources(self, step: int) -> list[Path]:
        """The recordings in it."""
        ...


Watch = Callable[[Check, Arrays], None]


def _ignore_check(check: Check, weights: Arrays) -> None:
    """The watch of a run that nobody watches."""


def _skip_rehearsal() -> None:
    """The rehearsal of a run that nobody watches."""


@dataclass(frozen=True)
class Run:
    """What is trained on what, and where its checkpoints lie.

    Attributes:
        name: For the events.
        learner: What learns.
        batches: Gives the batch of each step; asked in a thread of its own, while the step before it runs.
        held_out: What the score is taken on.
        folder: Holds the checkpoints; a run found there goes on if it has the same identity.
        identity: What makes two runs the same: settings, data, base.
        n_steps: How many steps at most.
        minutes: Time for the steps, or None; the number of steps is fitted to it on the speed measured.
        watch: Told of each check, and given the best weights so far; it must not change what is learnt.
        rehearse: Does what `watch` does at a check, and keeps nothing: for how long that takes.
        more: Whether a run found there came to its end, so that it goes on by as many steps and minutes again.
        begin_anew: What the user does to start over.
    """

    name: str
    learner: Learns
    batches: Batches
    held_out: Any
    folder: Path
    identity: dict[str, object]
    n_steps: int
    minutes: float | None = None
    watch: Watch = _ignore_check
    rehearse: Callable[[], None] = _skip_rehearsal
    more: bool = False
    begin_anew: str = "start over with `fresh`"


def run_training(run: Run, on_event: OnEvent, stopped: Callable[[], bool] = lambda: False) -> Outcome:
    """Train until the held-out score no longer falls, the steps are done, the time is over, or someone stops it.

    Args:
        run: What to train.
        on_event: Told of the plan and the progress.
        stopped: Asked after each step; True ends the run with a checkpoint.

    Returns:
        The best weights and where the run stands.

    Raises:
        ModelError: The checkpoints belong to another run.
        WriteError: A checkpoint cannot be written.
        VoiceswapError: The loss, its gradient or the weights are not finite any more; names the recordings of that
            step; the last good checkpoint is kept.
    """
    settings = run.learner.config.train
    atomic.make_folder(run.folder)
    state, best = _resume(run, on_event) or _begin(run, on_event)
    batch_s = settings.crop_frames * settings.batch / run.learner.config.features.frames_per_s
    eta = Eta(settings.evaluate_every, settings.checkpoint_every_s)
    losses: list[float] = []
    began_at = saved_at = last_at = time.monotonic()
    trained_before_s = state.trained_s
    # Each batch is drawn while the step before it runs; it hangs on its step alone, so that the bits stay the same.
    with closing(prefetch(map(run.batches.batch, count(state.step)))) as batches:
        while not state.ended(settings):
            step_began_at = time.monotonic()
            losses.append(run.learner.step(next(batches), state.step, state.n_steps))
            if not math.isfinite(losses[-1]):
                raise _breakdown_error(run, state.step, f"its loss or gradient is {losses[-1]}")
            now = time.monotonic()
            eta.add_step(now - step_began_at)
            state = replace(state, step=state.step + 1, trained_s=trained_before_s + now - began_at)
            if eta.is_known:
                # The check before the first step built what later ones use again: what one takes shows only now.
                run.learner.score(run.held_out)
                run.rehearse()
                eta.add_check(time.monotonic() - now)
                state = _fit_to_minutes(state, eta, run)
                on_event(Plan(run.name, state.n_steps, _estimate_left_s(state, eta, run)))
            if state.step % settings.evaluate_every == 0 or state.step == state.n_steps:
                check_began_at = time.monotonic()
                score = run.learner.score(run.held_out)
                state = replace(state, last_score=score, trained_s=trained_before_s + time.monotonic() - began_at)
                state = _fit_to_minutes(state, eta, run)
                if is_best := state.last_score < state.best_score * (1 - BETTER):
                    state = replace(state, best_score=state.last_score, best_step=state.step)
                    best = run.learner.weights()
                check = Check(state, is_best, sum(losses) / len(losses), batch_s / eta.in_all_s)
                _log_check(run.folder, check)
                run.watch(check, best)
                eta.add_check(time.monotonic() - check_began_at)
                losses = losses[-1:]
            left_s = _estimate_left_s(state, eta, run)
            speed = batch_s / eta.in_all_s
            on_event(
                Progress(run.name, "training", state.step, state.n_steps, losses[-1], state.last_score, speed, left_s)
            )
            if stopped():
                _save(run, state, best)
                return Outcome(state, best, finished=False)
            # Not from `now`: the check takes time, too. As long a step again shall not be too long.
            last_at, step_began_at = time.monotonic(), last_at
            if (last_at - saved_at) + (last_at - step_began_at) > settings.checkpoint_every_s:
                _save(run, state, best)
                saved_at = time.monotonic()
                eta.add_save(saved_at - last_at)
                last_at = saved_at
    _save(run, state, best)
    on_event(Note(_ending_text(run, state)))
    return Outcome(state, best, finished=True)


def _ending_text(run: Run, state: RunState) -> str:
    last_step = _find_last_step(run, state)
    if state.step < state.n_steps:
        why = f"no better for {state.step - state.best_step} steps"
    else:
        why = "all are done" if state.n_steps >= last_step else "its time is over"
    return (
        f"{run.name}: ended at step {state.step} of {max(state.n_steps, last_step)}, {why}; "
        f"kept step {state.best_step}, held-out error {state.best_score:.3f}"
    )


def _breakdown_error(run: Run, step: int, what: str) -> VoiceswapError:
    recordings = ", ".join(map(str, run.batches.sources(step)))
    return VoiceswapError(
        f"training of {run.name} broke down at step {step}, on {recordings}: {what}",
        f"the last good checkpoint is kept in {run.folder}; look for odd recordings among them, or {run.begin_anew}",
    )


def _begin(run: Run, on_event: OnEvent) -> tuple[RunState, Arrays]:
    if run.more:
        on_event(Note(f"{run.name}: its checkpoints are gone; it is trained again from the base", warning=True))
    score = run.learner.score(run.held_out)
    weights = run.learner.weights()
    state = RunState(0, run.n_steps, 0, score, score, score, 0.0)
    run.watch(Check(state, is_best=True), weights)
    return state, weights


def _fit_to_minutes(state: RunState, eta: Eta, run: Run) -> RunState:
    if run.minutes is None or math.isnan(eta.in_all_s):
        return state
    left_s = 60 * run.minutes - (state.trained_s - state.more_from_s)
    n_left = max(0, int(left_s / eta.in_all_s))
    return replace(state, n_steps=min(_find_last_step(run, state), state.step + n_left))


def _find_last_step(run: Run, state: RunState) -> int:
    """The step at which the run ends at the latest."""
    return state.more_from_step + run.n_steps


def _estimate_left_s(state: RunState, eta: Eta, run: Run) -> float:
    every = run.learner.config.train.evaluate_every
    # The last step is followed by a check, wherever it lies.
    n_checks = -(-state.n_steps // every) - state.step // every if state.step < state.n_steps else 0
    return eta.left_s(state.n_steps - state.step, n_checks)


def _resume(run: Run, on_event: OnEvent) -> tuple[RunState, Arrays] | None:
    damaged: list[ModelError] = []
    newest = find_latest(run.folder, kind=CHECKPOINT_KIND, max_bytes=CHECKPOINT_MAX_BYTES, skipped=damaged)
    for error in damaged:
        on_event(Note(f"{error.message}; using an earlier checkpoint", warning=True))
    if newest is None:
        return None
    step, checkpoint = newest
    run_json = checkpoint.document("run")
    theirs, ours = run_json["identity"], _to_plain_json(run.identity)
    if theirs != ours:
        raise ModelError(
            f"the training of {run.name} that was begun differs in {'; '.join(_find_differences(theirs, ours))}",
            f"give the recordings and options it was begun with, or {run.begin_anew}",
        )
    if (made_by := checkpoint.manifest["voiceswap_version"]) != __version__:
        on_event(Note(f"{run.name} was begun with voiceswap {made_by}", warning=True))
    run.learner.restore(checkpoint.arrays("state", run.learner.expected_state()))
    weights = run.learner.weights()
    best = checkpoint.arrays("best", {name: (a.shape, "F32") for name, a in weights.items()})
    on_event(Note(f"{run.name}: continuing from step {step}"))
    state = RunState(**run_json["state"])
    if run.more:
        return replace(
            state, n_steps=state.step + run.n_steps, more_from_step=state.step, more_from_s=state.trained_s
        ), best
    # More steps than at first may be wanted now.
    n_steps = max(state.n_steps, _find_last_step(run, state)) if run.minutes is None else state.n_steps
    return replace(state, n_steps=n_steps), best


def find_run_state(run_folder: Path, identity: dict[str, object]) -> RunState | None:
    """Where the run of this identity stands whose checkpoints lie there; None if there are none, or another's."""
    newest = find_latest(run_folder, kind=CHECKPOINT_KIND, max_bytes=CHECKPOINT_MAX_BYTES)
    run_json = newest[1].document("run") if newest is not None else {}
    return RunState(**run_json["state"]) if run_json.get("identity") == _to_plain_json(identity) else None


def _to_plain_json(identity: dict[str, object]) -> Any:
    return json.loads(json.dumps(identity))


def _find_differences(theirs: Any, ours: Any, key: str = "") -> list[str]:
    """What differs between two values of plain JSON, field by field."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        keys = sorted(theirs.keys() | ours.keys())
        return [
            text for k in keys for text in _find_differences(theirs.get(k), ours.get(k), f"{key}.{k}" if key else k)
        ]
    return [] if theirs == ours else [f"{key} (then {str(theirs)[:40]}, now {str(ours)[:40]})"]


def _save(run: Run, state: RunState, best: Arrays) -> None:
    path = folder.step_path(run.folder, state.step)
    if path.exists():
        return
    learner_state = run.learner.state()
    # The loss of a step is that before its update: the weights may have broken though it is finite.
    if not all(np.isfinite(array).all() for array in learner_state.values()):
        raise _breakdown_error(run, state.step - 1, "some weights are not finite")
    folder.write_folder(
        path,
        kind=CHECKPOINT_KIND,
        documents={"run": {"state": asdict(state), "identity": run.identity}},
        arrays={"state": learner_state, "best": best},
    )
    folder.prune(run.folder)


def _log_check(run_folder: Path, check: Check) -> None:
    state = check.state
    speed = check.times_real_time
    line: dict[str, float | None] = {
        "step": state.step,
        "loss": check.loss,
        "held_out": state.last_score,
        "best_step": state.best_step,
    }
    line |= {"trained_s": round(state.trained_s, 1), "times_real_time": None if math.isnan(speed) else round(speed, 2)}
    atomic.append_line(run_folder / METRICS, json.dumps(line))
