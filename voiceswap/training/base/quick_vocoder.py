"""A base's quick vocoder: it learns from recordings, judged by their spectra and by discriminators."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path

from voiceswap.arrays import Arrays
from voiceswap.config import TrainConfig
from voiceswap.errors import UsageError
from voiceswap.events import Note, Progress
from voiceswap.model.base import QUICK
from voiceswap.model.weights import to_half
from voiceswap.storage import paths
from voiceswap.training.base.context import Context, PartWeights, run_card
from voiceswap.training.base.quick_examples import Example, QuickSampler, make_held_out, prepare_examples
from voiceswap.training.base.quick_learner import QuickLearner

QUICK_RUN = "quick_run"
# One in so many examples is kept apart; so many crops of those are judged on.
HELD_OUT_EVERY = 20
HELD_OUT_CROPS = 64
QUICK_TRAIN = TrainConfig(
    crop_frames=72,
    batch=8,
    steps=40_000,
    learning_rate=3e-4,
    warmup_steps=50,
    adversary_learning_rate=3e-4,
    adversary_from_step=40,
    evaluate_every=250,
    patience=200,
    checkpoint_every_s=60.0,
)


def make_quick_vocoder(context: Context) -> PartWeights | None:
    """Train the quick vocoder on all speakers' recordings.

    Args:
        context: Whose recordings, and the weights to start from.

    Returns:
        The running mean of its weights with the best score on stretches that are kept apart; None if someone stopped it
        in between.

    Raises:
        UsageError: No recording is long enough.
        ModelError: Checkpoints belong to another run.
        WriteError: A checkpoint, or the cache, cannot be written.
        StoppedError: Someone stopped it while recordings were read.
    """
    config = context.config.model_copy(update={"train": QUICK_TRAIN})
    examples, sources = _prepare_speakers(context, config.train.crop_frames)
    is_alone = len(examples) == 1
    held_out = [example for i, example in enumerate(examples) if i % HELD_OUT_EVERY == 0]
    # A single stretch is learnt from and judged by.
    training = [i for i in range(len(examples)) if i % HELD_OUT_EVERY or is_alone]
    start = context.start.quick_vocoder
    if start is not None:
        context.on_event(Note(f"{QUICK}: goes on from that of the base it starts from"))
    total_minutes = sum(len(example.mel) for example in examples) / config.features.frames_per_s / 60
    context.on_event(Note(f"{QUICK}: {total_minutes:.0f} minutes of {len(set(sources))} people"))
    digest = hashlib.sha256()
    for example in examples:
        digest.update(example.samples.tobytes())
    identity: dict[str, object] = {
        "config": config.to_json(),
        "start": _name_start(start),
        "data": digest.hexdigest(),
        "seed": context.seed,
    }
    learner = QuickLearner(config, start, context.seed)
    batches = QuickSampler([examples[i] for i in training], [sources[i] for i in training], config, context.seed)
    judged = make_held_out(held_out, config, HELD_OUT_CROPS)
    outcome = context.train(QUICK, learner, batches, judged, identity, QUICK_RUN)
    if not outcome.finished:
        return None
    scores = {"first": round(outcome.state.first_score, 4), "best": round(outcome.state.best_score, 4)}
    card = {"speakers": len(set(sources)), "minutes": round(total_minutes, 1), "data_sha256": digest.hexdigest()}
    return PartWeights(config, to_half(outcome.best), card | run_card(outcome.state, scores, config.train))


def _name_start(start: Arrays | None) -> str | None:
    """The sha256 of weights to start from."""
    if start is None:
        return None
    digest = hashlib.sha256()
    for name in sorted(start):
        digest.update(start[name].tobytes())
    return digest.hexdigest()


def _prepare_speakers(context: Context, min_frames: int) -> tuple[list[Example], list[Path]]:
    """Examples that are long enough, and the folder of recordings that each is of."""
    on_event = context.until_stopped()
    examples: list[Example] = []
    sources: list[Path] = []
    for i, recordings in enumerate(context.speakers.values()):
        tell = partial(on_event, Progress(QUICK, "preparing", i, len(context.speakers)))
        tell()
        of_speaker = prepare_examples(recordings, context.config, paths.cache_folder(), tell)
        long_enough = [example for example in of_speaker if len(example.mel) >= min_frames]
        examples += long_enough
        sources += [recordings[0].parent] * len(long_enough)
    if not examples:
        raise UsageError("no recording is long enough for the quick vocoder", "wanted some seconds")
    return examples, sources
