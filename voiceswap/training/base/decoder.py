"""A base's decoder: it learns to say what all speakers said, each as themselves."""

from __future__ import annotations

import hashlib
import json

import numpy as np

from voiceswap.arrays import Arrays
from voiceswap.config import Config, TrainConfig
from voiceswap.errors import UsageError
from voiceswap.events import Note, Progress, ignore_events
from voiceswap.model.decoder import expected_decoder
from voiceswap.model.encoder import COMPONENTS, ContentEncoder
from voiceswap.model.runtime import open_network
from voiceswap.storage import paths
from voiceswap.training.base.context import Context, PartWeights, Start, run_card
from voiceswap.training.batches import CropSampler, make_held_out_batch
from voiceswap.training.dataset import Speech, prepare_speech
from voiceswap.training.learner import DecoderLearner

RUN = "run"
# The recipe of the base decoder: docs/design.md.
BASE_TRAIN = TrainConfig(
    crop_frames=172,
    batch=24,
    steps=8000,
    learning_rate=1.2e-3,
    warmup_steps=100,
    adversary=0.0,
    perturbed_copies=1,
    perturbed_share=0.5,
    perturbed_rooms=True,
    evaluate_every=200,
    patience=100,
)
# Speakers with fewer clips than this have none to keep apart.
FEW_CLIPS = 10
# A decoder that goes on from an earlier base's learns at this share of the rate.
FURTHER_RATE = 0.5
FIRST_LAYER = ("content_in/kernel", "content_in/bias")


def make_decoder(context: Context) -> PartWeights | None:
    """Train the decoder on all speakers.

    Args:
        context: Whose recordings, and the weights to start from; the encoder must be made.

    Returns:
        The decoder with the best score on clips that are kept apart; None if someone stopped it in between.

    Raises:
        UsageError: Nobody has clips to keep apart.
        ModelError: The encoder is missing, or checkpoints belong to another run.
        WriteError: A checkpoint cannot be written.
        StoppedError: Someone stopped it while recordings were read.
    """
    train = BASE_TRAIN if context.steps is None else BASE_TRAIN.model_copy(update={"steps": context.steps})
    config = context.config.model_copy(update={"train": train})
    encoder_arrays, encoder_sha256 = context.load("encoder")
    encoder_id = encoder_sha256[:12]
    network = open_network("encoder", config, read=lambda expected: encoder_arrays)
    speech = _prepare_speakers(ContentEncoder(network, config), encoder_id, config, context)
    # Who has few clips is learnt from whole: the score is taken on the others.
    training = [s.training if len(s.clips) >= FEW_CLIPS else s.clips for s in speech.values()]
    held_out = make_held_out_batch([s.held_out if len(s.clips) >= FEW_CLIPS else () for s in speech.values()], config)
    if held_out is None:
        raise UsageError(f"nobody has {FEW_CLIPS} clips of speech", "the held-out score needs at least one such person")
    config = config.model_copy(update={"decoder": config.decoder.model_copy(update={"n_speakers": len(speech)})})
    start_arrays = fit_start(context.start, encoder_arrays, config)
    if start_arrays is not None:
        context.on_event(Note("decoder: goes on from that of the base it starts from"))
        slower = {"learning_rate": FURTHER_RATE * config.train.learning_rate}
        config = config.model_copy(update={"train": config.train.model_copy(update=slower)})
    total_minutes = sum(s.speech_s for s in speech.values()) / 60
    context.on_event(Note(f"decoder: {total_minutes:.0f} minutes of speech of {len(speech)} people"))
    identity: dict[str, object] = {
        "config": config.to_json(),
        "encoder": encoder_id,
        "start": context.start.sha256 if start_arrays is not None else None,
        "data": {name: s.data_sha256 for name, s in speech.items()},
        "seed": context.seed,
    }
    learner = DecoderLearner(config, start_arrays, context.seed)
    batches = CropSampler(training, config, context.seed)
    outcome = context.train("decoder", learner, batches, held_out, identity, RUN)
    if not outcome.finished:
        return None
    half = {name: array.astype(np.float16) for name, array in outcome.best.items()}
    card = {
        "speakers": len(speech),
        "minutes_of_speech": round(total_minutes, 1),
        "data_sha256": hashlib.sha256(json.dumps(identity["data"], sort_keys=True).encode()).hexdigest(),
    }
    return PartWeights(config, half, card | run_card(outcome.state, round(outcome.state.best_score, 4), config.train))


def _prepare_speakers(encoder: ContentEncoder, encoder_id: str, config: Config, context: Context) -> dict[str, Speech]:
    """The clips of each speaker who has any."""
    on_event = context.until_stopped()
    # A note on each of hundreds of speakers would help nobody.
    quietly = context.until_stopped(ignore_events)
    speech: dict[str, Speech] = {}
    for i, (name, recordings) in enumerate(context.speakers.items()):
        on_event(Progress("decoder", "preparing", i, len(context.speakers)))
        of_speaker = prepare_speech(name, recordings, encoder, encoder_id, config, paths.cache_folder(), quietly)
        if of_speaker.clips:
            speech[name] = of_speaker
    return speech


def fit_start(start: Start, encoder_arrays: Arrays, config: Config) -> Arrays | None:
    """The start's decoder, if one of these settings can begin with it.

    Args:
        start: Weights to start from.
        encoder_arrays: The encoder's weights that the decoder is to be trained with.
        config: The decoder's settings.

    Returns:
        Its weights, for this encoder's components; None if it has other sizes, or other numbers of speakers.
    """
    if start.decoder is None:
        return None
    arrays = start.decoder
    if any(not np.array_equal(start.encoder[name], encoder_arrays[name]) for name in COMPONENTS):
        arrays = arrays | map_first_layer(arrays, start.encoder, encoder_arrays)
    expected = expected_decoder(config)
    fits = arrays.keys() == expected.keys() and all(arrays[k].shape == tuple(expected[k][0]) for k in arrays)
    return arrays if fits else None


def map_first_layer(decoder_arrays: Arrays, earlier_encoder: Arrays, encoder: Arrays) -> Arrays:
    """A decoder's first layer for an encoder with other components, as near as they allow to what it was.

    Exact where the new components tell all that the earlier ones told, as more components of the same people do.

    Args:
        decoder_arrays: The decoder's weights.
        earlier_encoder: Weights of the encoder that it was trained with.
        encoder: Weights of the encoder that it is to be trained with.

    Returns:
        Kernel (new content_dim, width) and bias (width,) of its first layer, float16, by name.
    """
    (kernel, bias), (earlier_kernel, earlier_bias), (first_kernel, first_bias) = (
        [arrays[name].astype(np.float64) for name in names]
        for arrays, names in ((encoder, COMPONENTS), (earlier_encoder, COMPONENTS), (decoder_arrays, FIRST_LAYER))
    )
    # Earlier content = new content @ across + a constant, in the sense of least squares.
    across = np.linalg.lstsq(kernel, earlier_kernel, rcond=None)[0]
    mapped = (across @ first_kernel, first_bias + (earlier_bias - bias @ across) @ first_kernel)
    return {name: array.astype(np.float16) for name, array in zip(FIRST_LAYER, mapped, strict=True)}
