"""A base's vocoder: HiFi-GAN's generator as it is, and its low-rank form, which learns to sound like it."""

from __future__ import annotations

import hashlib
from itertools import cycle
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from voiceswap.arrays import Array, Arrays
from voiceswap.audio.read import read_mono
from voiceswap.config import Config, TrainConfig
from voiceswap.errors import UsageError
from voiceswap.events import Progress
from voiceswap.model.networks import hifigan as hifigan_network
from voiceswap.model.runtime import open_network
from voiceswap.model.vocoders.hifigan import HifiGan, Ranks
from voiceswap.model.vocoders.low_rank import SLIM, choose_ranks, decompose, pack_low_rank, unpack_low_rank
from voiceswap.model.weights import load_arrays
from voiceswap.signal import features
from voiceswap.training.base.context import Context, PartWeights, run_card
from voiceswap.training.base.distill import DistillBatch, DistillSampler, LowRankLearner
from voiceswap.training.base.low_rank import measure_sides
from voiceswap.training.base.speakers import pick_speakers
from voiceswap.training.dataset import normalise_level

LOW_RANK_RUN = "slim_run"
# Either vocoder is judged by so much of about so many speakers.
COPIED_SPEAKERS = 20
COPIED_S = 4.0
# What the low-rank vocoder learns from: this much of about so many speakers, from there on, some of them played slower
# or faster, as singing goes lower and higher.
EXAMPLE_SPEAKERS = 144
EXAMPLE_FRAMES = 160
EXAMPLE_FROM_S = 1.0
SPEEDS = (1.0, 1.0, 0.75, 1.0, 1.5, 2.0)
# One in so many examples is kept apart; the ranks are found on one in so many.
HELD_OUT_EVERY = 12
RANKED_EVERY = 2
# Its inner convolutions take this share of the time of the whole one's (docs/lab/vocoder.md).
LOW_RANK_SHARE = 0.4
LOW_RANK_TRAIN = TrainConfig(
    crop_frames=76, batch=6, steps=1000, learning_rate=3e-5, adversary=0.0, evaluate_every=25, patience=100
)


def make_vocoder(context: Context) -> PartWeights:
    """HiFi-GAN's generator as it is, judged by the mel of its own copy.

    Args:
        context: Whose recordings, and the weights to start from.

    Returns:
        The vocoder, and how far its copies are off.

    Raises:
        UsageError: No first recording is long enough.
        AudioError: A first recording cannot be read.
        StoppedError: Someone stopped it.
    """
    arrays = context.start.vocoder
    card = _judge_copies(_open_vocoder(context.config, arrays), "vocoder", context)
    return PartWeights(context.config, arrays, card)


def _open_vocoder(config: Config, arrays: Arrays, ranks: Ranks | None = None) -> HifiGan:
    network = open_network("hifigan", config, ranks, read=lambda expected: arrays, context_only=True)
    return HifiGan(network, config)


def make_low_rank_vocoder(context: Context) -> PartWeights | None:
    """The same generator with its inner convolutions through fewer channels, for processors that it is slow on.

    Args:
        context: Whose recordings; the vocoder must be made.

    Returns:
        Its inner convolutions, packed; None if someone stopped it in between.

    Raises:
        UsageError: No first recording is long enough.
        AudioError: A first recording cannot be read.
        ModelError: The vocoder is missing, or checkpoints belong to another run.
        WriteError: A checkpoint cannot be written.
        StoppedError: Someone stopped it while recordings were read.
    """
    config = context.config.model_copy(update={"train": LOW_RANK_TRAIN})
    arrays, vocoder_sha256 = context.load("vocoder")
    model = hifigan_network.build(config)
    load_arrays(model, arrays)
    examples, sources = _make_examples(model, config, context)
    sides = measure_sides(model, examples.mel[::RANKED_EVERY], config, context.seed, context.until_stopped())
    ranks = choose_ranks(sides, config, LOW_RANK_SHARE)
    learner = LowRankLearner(config, ranks, arrays | decompose(arrays, sides, ranks))
    is_held_out = np.arange(len(sources)) % HELD_OUT_EVERY == 0
    # One speaker alone is learnt from and judged by.
    training = np.flatnonzero(~is_held_out) if len(sources) > 1 else np.array([0])
    identity: dict[str, object] = {
        "config": config.to_json(),
        "vocoder": vocoder_sha256,
        "ranks": {name: list(pair) for name, pair in ranks.items()},
        "data": hashlib.sha256(examples.mel.tobytes()).hexdigest(),
        "seed": context.seed,
    }
    batches = DistillSampler(examples.pick(training), [sources[i] for i in training], config, context.seed)
    held_out = examples.pick(is_held_out).cut(config.train.crop_frames)
    outcome = context.train(SLIM, learner, batches, held_out, identity, LOW_RANK_RUN)
    if not outcome.finished:
        return None
    packed = pack_low_rank(outcome.best)
    scores = {"first": round(outcome.state.first_score, 4), "best": round(outcome.state.best_score, 4)}
    vocoder = _open_vocoder(config, arrays | unpack_low_rank(packed), ranks)
    card = _judge_copies(vocoder, SLIM, context) | {
        "ranks": ranks,
        "share": LOW_RANK_SHARE,
        "fitted_speakers": len(sources),
    }
    return PartWeights(config, packed, card | run_card(outcome.state, scores, config.train))


def _judge_copies(vocoder: HifiGan, part: str, context: Context) -> dict[str, Any]:
    """How far the mel of copies is from the mel that they are made from."""
    f = vocoder.config.features
    on_event = context.until_stopped()
    errors = []
    for i, recordings in enumerate(pick_speakers(context.speakers, COPIED_SPEAKERS)):
        on_event(Progress(part, "listening", i, COPIED_SPEAKERS))
        samples = read_mono(recordings[0], f.mel_rate_hz, max_s=COPIED_S)
        mel = features.decoder_mel(normalise_level(samples, f), f)
        if len(mel):
            errors.append(float(np.abs(features.decoder_mel(vocoder(mel), f) - mel).mean()))
    if not errors:
        raise UsageError("nobody's first recording is long enough for the vocoder", "wanted some seconds")
    return {"copy_l1": round(float(np.mean(errors)), 4), "copied_speakers": len(errors)}


def _make_examples(model: Any, config: Config, context: Context) -> tuple[DistillBatch, list[Path]]:
    """Mels of all who speak for long enough, what the whole vocoder says to them, and their recordings."""
    on_event = context.until_stopped()
    mels, samples, sources = [], [], []
    # In the order of their speeds, so that those kept apart, and those ranked on, have them all, whoever is too short.
    by_speed = sorted(
        zip(pick_speakers(context.speakers, EXAMPLE_SPEAKERS), cycle(SPEEDS), strict=False), key=itemgetter(1)
    )
    for i, (recordings, speed) in enumerate(by_speed):
        on_event(Progress(SLIM, "listening", i, len(by_speed)))
        mel = _read_mel_at_speed(recordings[0], speed, config)
        if len(mel) == EXAMPLE_FRAMES:
            mels.append(mel)
            samples.append(model.predict_on_batch(mel[None])[0])
            sources.append(recordings[0])
    if not mels:
        raise UsageError("nobody's first recording is long enough for the slim vocoder", "wanted 5 seconds and more")
    return DistillBatch(np.stack(mels), np.stack(samples)), sources


def _read_mel_at_speed(path: Path, speed: float, config: Config) -> Array:
    """The mel of some of a recording that is played so fast: at most EXAMPLE_FRAMES of it."""
    f = config.features
    needed_s = EXAMPLE_FROM_S + EXAMPLE_FRAMES / f.frames_per_s * speed
    samples = read_mono(path, round(f.mel_rate_hz / speed), max_s=needed_s + 0.1)
    return features.decoder_mel(normalise_level(samples, f), f)[-EXAMPLE_FRAMES:].astype(np.float32)
