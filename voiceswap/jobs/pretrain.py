"""Making the base: encoder, then decoder, then vocoder, each part kept on its own so that a later run goes on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from operator import itemgetter
from pathlib import Path
from typing import Any

import keras
import numpy as np
from scipy.cluster.vq import kmeans2

from voiceswap.arrays import Array, Arrays
from voiceswap.audio.find import find_recordings
from voiceswap.audio.read import read_mono
from voiceswap.config import Config, DecoderConfig, TrainConfig
from voiceswap.errors import ModelError, UsageError
from voiceswap.events import Note, OnEvent, Progress, ignore_events, until_stopped
from voiceswap.model import base, encoder
from voiceswap.model.base import load_base, write_base
from voiceswap.model.networks import decoder as decoder_network
from voiceswap.model.networks import encoder as encoder_network
from voiceswap.model.networks import hifigan as hifigan_network
from voiceswap.model.runtime import Graph, expected_weights
from voiceswap.model.vocoders import hifigan as vocoder
from voiceswap.model.vocoders.low_rank import (
    SLIM,
    check_ranks,
    choose_ranks,
    decompose,
    expected_low_rank,
    pack_low_rank,
    unpack_low_rank,
)
from voiceswap.model.weights import expected_arrays, load_arrays, to_arrays
from voiceswap.signal import features
from voiceswap.storage import atomic, paths
from voiceswap.storage.folder import Folder, open_folder, write_folder
from voiceswap.storage.paths import list_folder
from voiceswap.training import loop
from voiceswap.training.base import low_rank as slimming
from voiceswap.training.base.distill import DistillBatch, DistillSampler, LowRankLearner
from voiceswap.training.batches import CropSampler, evaluation_batch
from voiceswap.training.dataset import normalise_level, prepare_speech
from voiceswap.training.learner import DecoderLearner
from voiceswap.training.loop import run_training

START_KIND = "start"
PART_KIND = "part"
PART_MAX_BYTES = 200_000_000
PARTS = ("encoder", "units", "decoder", "vocoder", SLIM)
WEIGHTS = "weights.safetensors"
WHOSE = "the people"
MADE_FROM = {"units": "encoder", "decoder": "encoder", SLIM: "vocoder"}
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
# Principal components are taken over so much of each speaker: many speakers matter more than much of one.
COMPONENTS_S_PER_SPEAKER = 12.0
FEW_CLIPS = 10
COPIED_SPEAKERS = 20
# What the slim vocoder learns from: this much of so many people, from there on, some of them played slower or faster,
# as singing goes lower and higher. One in so many is kept apart; its ranks are found on one in so many.
SAID_SPEAKERS, SAID_FRAMES, SAID_FROM_S = 144, 160, 1.0
SPEEDS = (1.0, 1.0, 0.75, 1.0, 1.5, 2.0)
SAID_HELD_OUT, SAID_RANKED = 12, 2
# Its inner convolutions take this share of the time of the whole one's (docs/measurements.md).
SLIM_SHARE, SLIM_RUN = 0.4, "slim_run"
SLIM_TRAIN = TrainConfig(
    crop_frames=76, batch=6, steps=1000, learning_rate=3e-5, adversary=0.0, evaluate_every=25, patience=100
)
# Units are the centres of so many vectors at most.
MOST_GROUPED = 40_000
COMPONENTS = ("content/kernel", "content/bias")
FIRST_LAYER = ("content_in/kernel", "content_in/bias")
# A decoder that goes on from an earlier base's learns at this share of the rate.
FURTHER_RATE = 0.5


@dataclass(frozen=True)
class Pretrained:
    """What a pretraining has come to.

    Attributes:
        path: The base's folder, or None while a part is missing.
        parts: The parts that stand.
        card: The base's card.
    """

    path: Path | None
    parts: tuple[str, ...]
    card: dict[str, Any]


def pretrain(
    *folders: str | Path,
    out: str | Path,
    start: str | Path | None = None,
    parts: Sequence[str] = PARTS,
    minutes: float | None = None,
    steps: int | None = None,
    content_dim: int | None = None,
    leave_out: Sequence[str] = (),
    credits: str | Path | None = None,
    seed: int = 0,
    on_event: OnEvent = ignore_events,
    stopped: Callable[[], bool] = lambda: False,
) -> Pretrained:
    """Make a base from recordings of many people.

    Args:
        *folders: Each holds one folder a person.
        out: The working folder; the base comes to lie in its folder "base". The same call again goes on.
        start: Weights to start from: a start made by benchmarks/ports.py, or a base; the shipped base if not given.
            The decoder goes on from a base's of the same size with as many speakers, whatever its components were.
        parts: Which of "encoder", "units", "decoder", "vocoder", "slim_vocoder" to make now.
        minutes: Time for the decoder's steps, and as much for those of the slim vocoder; 0 to 10,000.
        steps: Number of the decoder's steps at most.
        content_dim: How many components of the content the decoder hears; as many as in the start if not given.
        leave_out: People to leave out, by folder name; each must be there.
        credits: A text file that is kept beside the weights.
        seed: Of all that is drawn.
        on_event: Told of the progress.
        stopped: Asked after each step, where True ends with a checkpoint, and before each recording that is read.

    Returns:
        What stands now.

    Raises:
        UsageError: An unknown part, no such folder, nobody in it, two people of one name, nobody of a name to leave
            out, too little said for a part, more components than the encoder is wide, minutes out of their range, or
            credits that cannot be read.
        AudioError: Someone's first recording cannot be read.
        ModelError: The start cannot be used, or a part before the one asked for is missing.
        BusyError: Another process makes a base in `out`.
        WriteError: Something cannot be written.
        StoppedError: `stopped` said so while recordings were read.
    """
    if unknown := set(parts) - set(PARTS):
        raise UsageError(f"unknown part: {', '.join(sorted(unknown))}", f"wanted some of {', '.join(PARTS)}")
    loop.check_minutes(minutes)
    texts = {"CREDITS.md": _credits(Path(credits))} if credits is not None else {}
    work = Path(out)
    atomic.make_folder(work)
    with atomic.locked(work / ".lock", f"the base in {work}"):
        for swept in (work, work / "run", work / SLIM_RUN):
            atomic.sweep(swept)
        people = _people(folders, leave_out)
        begin = _Start(Path(start) if start is not None else base.SHIPPED, content_dim)
        told = until_stopped(stopped, on_event, WHOSE)
        if "encoder" in parts:
            _make_encoder(begin, people, work, told)
        if "units" in parts:
            _make_units(begin, people, work, seed, told)
        if "decoder" in parts:
            train = BASE_TRAIN if steps is None else BASE_TRAIN.model_copy(update={"steps": steps})
            if not _make_decoder(begin, train, people, work, minutes, seed, on_event, stopped):
                return Pretrained(None, _standing(work, on_event), {})
        if "vocoder" in parts:
            _make_vocoder(begin, people, work, told)
        if SLIM in parts:
            _make_slim_vocoder(begin, people, work, minutes, seed, on_event, stopped)
        return _assembled(begin, work, texts, on_event)


class _Start:
    """Weights to start from: those that benchmarks/ports.py wrote, or an earlier base's."""

    def __init__(self, path: Path, content_dim: int | None) -> None:
        try:
            folder = open_folder(path, kind=START_KIND, max_bytes=PART_MAX_BYTES)
        except ModelError:
            former = load_base(path)
            config, self.encoder, self.vocoder = former.config, former.arrays("encoder"), former.arrays("vocoder")
            self.decoder: Arrays | None = former.arrays("decoder")
            self.sha256 = former.id
        else:
            config, self.decoder = Config.from_json(folder.document("config"), str(path)), None
            expected = expected_arrays(encoder_network.build(config))
            self.encoder = folder.arrays("encoder", {k: v for k, v in expected.items() if k not in COMPONENTS})
            self.vocoder = folder.arrays("vocoder", expected_arrays(hifigan_network.build(config)))
            self.sha256 = hashlib.sha256(json.dumps(folder.manifest["files"], sort_keys=True).encode()).hexdigest()
        size = config.encoder
        if content_dim is not None:
            if not 1 <= content_dim <= size.width:
                raise UsageError(f"content_dim is {content_dim}", f"wanted 1 to {size.width}, the encoder's width")
            size = size.model_copy(update={"content_dim": content_dim})
        self.config = config.model_copy(update={"encoder": size, "decoder": DecoderConfig(), "train": TrainConfig()})


def _people(folders: Sequence[str | Path], leave_out: Sequence[str]) -> dict[str, list[Path]]:
    places, left_out = dict[str, Path](), set[str]()
    for folder in map(Path, folders):
        found = list_folder(folder)
        if not os.path.isdir(folder):
            raise UsageError(f"no such folder: {folder}", "give a folder that holds one folder of recordings a person")
        for person in (p for p in found if os.path.isdir(p) and not p.name.startswith(".")):
            if person.name in leave_out:
                left_out.add(person.name)
            elif other := places.get(person.name):
                raise UsageError(f"two people have one name: {other} and {person}", "rename one of the folders")
            else:
                places[person.name] = person
    where = ", ".join(map(str, folders))
    if unknown := set(leave_out) - left_out:
        raise UsageError(f"nobody to leave out: {', '.join(sorted(unknown))}", f"give names of folders in {where}")
    if not places:
        raise UsageError(f"nobody found in {where}", "wanted one folder of recordings a person")
    return {name: find_recordings(person) for name, person in places.items()}


def _make_encoder(begin: _Start, people: dict[str, list[Path]], work: Path, on_event: OnEvent) -> None:
    """Whisper's encoder as it is, and a map to the principal components of what it says of these people."""
    config = begin.config
    model = encoder_network.build(config)
    weights = {k: v for k, v in begin.encoder.items() if k not in COMPONENTS}
    load_arrays(model, to_arrays(model) | weights)
    uncut = keras.Model(model.input, model.get_layer("norm").output)
    vectors = _heard("encoder", uncut, people, config, on_event).astype(np.float64)
    kernel, bias, kept = principal_components(vectors, config.encoder.content_dim)
    on_event(Note(f"encoder: {config.encoder.content_dim} components keep {kept:.1%} of the variance"))
    components = dict(zip(COMPONENTS, (kernel, bias), strict=True))
    arrays = weights | {k: v.astype(np.float16) for k, v in components.items()}
    _write_part(work, "encoder", config, arrays, {"kept_variance": kept, "vectors": len(vectors)})


def _heard(part: str, network: keras.Model, people: dict[str, list[Path]], config: Config, on_event: OnEvent) -> Array:
    """What an encoder hears in the beginning of each person's first recording: at least as many vectors as units."""
    vectors = encoder.ContentEncoder(Graph(network), config).encode_pieces(_said(part, people, config, on_event))
    if (n_vectors := sum(map(len, vectors))) < base.N_UNITS:
        heard_s, wanted_s = (n / config.features.content_per_s for n in (n_vectors, base.N_UNITS))
        raise UsageError(
            f"the people's first recordings have {heard_s:.1f} s in all, wanted at least {wanted_s:.0f} s",
            "give longer ones: those of a second or less do not count",
        )
    return np.concatenate(vectors)


def _said(part: str, people: dict[str, list[Path]], config: Config, on_event: OnEvent) -> Iterator[Array]:
    """The encoder's mels of the beginning of each person's first recording."""
    for i, files in enumerate(people.values()):
        on_event(Progress(part, "listening", i, len(people)))
        samples = read_mono(files[0], config.features.content_rate_hz, max_s=COMPONENTS_S_PER_SPEAKER)
        if len(samples) > config.features.content_rate_hz:
            level = float(np.sqrt(np.mean(samples**2))) + 1e-9
            gain = 10 ** (config.features.speech_level_db / 20) / level
            yield features.encoder_mel(samples * np.float32(gain), config.features)


def _make_units(begin: _Start, people: dict[str, list[Path]], work: Path, seed: int, on_event: OnEvent) -> None:
    """Which sounds there are: the centres of as many groups of content, to tell later which of them someone says."""
    config = begin.config
    model = encoder_network.build(config)
    _load_part(work, "encoder", model)
    said = _heard("units", model, people, config, on_event)
    centres, _ = kmeans2(said[:: -(-len(said) // MOST_GROUPED)], base.N_UNITS, minit="++", seed=seed)
    _write_part(work, "units", config, {base.UNITS: centres.astype(np.float16)}, {"vectors": len(said)})


def principal_components(vectors: Array, n_components: int) -> tuple[Array, Array, float]:
    """A linear map to half-whitened principal components.

    Each component is divided by the square root of its standard deviation, and all by one number that brings them to
    unit size: full whitening would make noise as loud as speech, none would let three components rule.

    Args:
        vectors: Shape (n, width), float64.
        n_components: How many to keep, at most the width.

    Returns:
        Kernel (width, n_components), bias (n_components,), and the share of the variance that is kept.
    """
    mean = vectors.mean(axis=0)
    variances, directions = np.linalg.eigh(np.cov((vectors - mean).T))
    variances, directions = variances[::-1], directions[:, ::-1]
    deviations = np.sqrt(np.maximum(variances[:n_components], 1e-12))
    kernel = directions[:, :n_components] / np.sqrt(deviations) / np.sqrt(deviations.mean())
    return kernel, -(mean @ kernel), float(variances[:n_components].sum() / variances.sum())


def _make_decoder(
    begin: _Start,
    train: TrainConfig,
    people: dict[str, list[Path]],
    work: Path,
    minutes: float | None,
    seed: int,
    on_event: OnEvent,
    stopped: Callable[[], bool],
) -> bool:
    config = begin.config.model_copy(update={"train": train})
    model = encoder_network.build(config)
    encoder_arrays, encoder_sha256 = _load_part(work, "encoder", model)
    listener, encoder_id = encoder.ContentEncoder(Graph(model), config), encoder_sha256[:12]
    told, quietly = (until_stopped(stopped, to, WHOSE) for to in (on_event, ignore_events))
    speech = {}
    for i, (name, files) in enumerate(people.items()):
        told(Progress("decoder", "preparing", i, len(people)))
        found = prepare_speech(name, files, listener, encoder_id, config, paths.cache_folder(), quietly)
        if found.clips:
            speech[name] = found
    # Who has few clips is heard whole: the score is taken on the others.
    training = [s.training if len(s.clips) >= FEW_CLIPS else s.clips for s in speech.values()]
    held_out = [s.held_out if len(s.clips) >= FEW_CLIPS else () for s in speech.values()]
    judged = evaluation_batch(held_out, config)
    if judged is None:
        raise UsageError(f"nobody has {FEW_CLIPS} clips of speech", "the held-out score needs at least one such person")
    config = config.model_copy(update={"decoder": config.decoder.model_copy(update={"n_speakers": len(speech)})})
    start = _fitting(begin, encoder_arrays, config)
    if start is not None:
        on_event(Note("decoder: goes on from that of the base it starts from"))
        slower = {"learning_rate": FURTHER_RATE * config.train.learning_rate}
        config = config.model_copy(update={"train": config.train.model_copy(update=slower)})
    total_minutes = sum(s.speech_s for s in speech.values()) / 60
    on_event(Note(f"decoder: {total_minutes:.0f} minutes of speech of {len(speech)} people"))
    identity: dict[str, object] = {
        "config": config.to_json(),
        "encoder": encoder_id,
        "start": begin.sha256 if start is not None else None,
        "data": {name: s.data_sha256 for name, s in speech.items()},
        "seed": seed,
    }
    learner = DecoderLearner(config, start, seed)
    crops, n_steps = CropSampler(training, config, seed), config.train.steps
    job = loop.Run("decoder", learner, crops, judged, work / "run", identity, n_steps, minutes)
    outcome = _run(job, on_event, stopped)
    if outcome.finished:
        half = {k: v.astype(np.float16) for k, v in outcome.best.items()}
        card = {
            "speakers": len(speech),
            "minutes_of_speech": round(total_minutes, 1),
            "data_sha256": hashlib.sha256(json.dumps(identity["data"], sort_keys=True).encode()).hexdigest(),
            "steps": outcome.state.step,
            "best_step": outcome.state.best_step,
            "held_out": round(outcome.state.best_score, 4),
            "trained_minutes": round(outcome.state.trained_s / 60, 1),
            "settings": config.train.model_dump(mode="json"),
        }
        _write_part(work, "decoder", config, half, card)
    return outcome.finished


def _fitting(begin: _Start, encoder_arrays: Arrays, config: Config) -> Arrays | None:
    """The start's decoder if one of these settings can begin with it: the same sizes, as many speakers."""
    if begin.decoder is None:
        return None
    arrays = begin.decoder
    if any(not np.array_equal(begin.encoder[name], encoder_arrays[name]) for name in COMPONENTS):
        arrays = arrays | in_other_components(arrays, begin.encoder, encoder_arrays)
    expected = expected_arrays(decoder_network.build(config))
    fits = arrays.keys() == expected.keys() and all(arrays[k].shape == tuple(expected[k][0]) for k in arrays)
    return arrays if fits else None


def in_other_components(decoder_arrays: Arrays, former: Arrays, new: Arrays) -> Arrays:
    """A decoder's first layer for an encoder with other components, as near as they allow to what it was.

    Exact where the new components tell all that the former ones told, as more components of the same people do.

    Args:
        decoder_arrays: The decoder's weights.
        former: Weights of the encoder that it learnt to hear.
        new: Weights of the encoder that it shall hear.

    Returns:
        Kernel (new content_dim, width) and bias (width,) of its first layer, float16, by name.
    """
    (kernel, bias), (former_kernel, former_bias), (first_kernel, first_bias) = (
        [arrays[name].astype(np.float64) for name in names]
        for arrays, names in ((new, COMPONENTS), (former, COMPONENTS), (decoder_arrays, FIRST_LAYER))
    )
    across = np.linalg.lstsq(kernel, former_kernel, rcond=None)[0]
    mapped = (across @ first_kernel, first_bias + (former_bias - bias @ across) @ first_kernel)
    return {name: array.astype(np.float16) for name, array in zip(FIRST_LAYER, mapped, strict=True)}


def _make_vocoder(begin: _Start, people: dict[str, list[Path]], work: Path, on_event: OnEvent) -> None:
    """HiFi-GAN's generator as it is, judged by the mel of its own copy."""
    config = begin.config
    model = hifigan_network.build(config)
    load_arrays(model, begin.vocoder)
    card = _copied(vocoder.HifiGan(Graph(model), config), people, "vocoder", on_event)
    _write_part(work, "vocoder", config, begin.vocoder, card)


def _run(job: loop.Run, on_event: OnEvent, stopped: Callable[[], bool]) -> loop.Outcome:
    return run_training(replace(job, begin_anew=f"remove {job.folder} to begin anew"), on_event, stopped)


def _copied(sound: vocoder.HifiGan, people: dict[str, list[Path]], part: str, on_event: OnEvent) -> dict[str, Any]:
    """How far the mel of copies is from the mel that they are made from."""
    config, errors = sound.config, []
    for i, files in enumerate(_some(people, COPIED_SPEAKERS)):
        on_event(Progress(part, "listening", i, COPIED_SPEAKERS))
        samples = read_mono(files[0], config.features.mel_rate_hz, max_s=4.0)
        mel = features.decoder_mel(normalise_level(samples, config.features), config.features)
        if len(mel):
            errors.append(float(np.abs(features.decoder_mel(sound(mel), config.features) - mel).mean()))
    if not errors:
        raise UsageError("nobody's first recording is long enough for the vocoder", "wanted some seconds")
    return {"copy_l1": round(float(np.mean(errors)), 4), "copied_speakers": len(errors)}


def _some(people: dict[str, list[Path]], n: int) -> list[list[Path]]:
    """The recordings of about so many people."""
    return list(people.values())[:: max(1, len(people) // n)]


def _make_slim_vocoder(
    begin: _Start,
    people: dict[str, list[Path]],
    work: Path,
    minutes: float | None,
    seed: int,
    on_event: OnEvent,
    stopped: Callable[[], bool],
) -> None:
    """The same generator with its inner convolutions through fewer channels, for processors that it is slow on."""
    config = begin.config.model_copy(update={"train": SLIM_TRAIN})
    model = hifigan_network.build(config)
    arrays, vocoder_sha256 = _load_part(work, "vocoder", model)
    told = until_stopped(stopped, on_event, WHOSE)
    said, sources = _said_by(model, people, config, told)
    found = slimming.sides(model, said.mel[::SAID_RANKED], config, seed, told)
    ranks = choose_ranks(found, config, SLIM_SHARE)
    start = decompose(arrays, found, ranks)
    learner = LowRankLearner(config, ranks, arrays | start)
    apart = np.arange(len(said.mel)) % SAID_HELD_OUT == 0
    # One person alone is learnt from and judged by.
    learnt = np.flatnonzero(~apart) if len(apart) > 1 else np.array([0])
    identity: dict[str, object] = {
        "config": config.to_json(),
        "vocoder": vocoder_sha256,
        "ranks": {name: list(both) for name, both in ranks.items()},
        "data": hashlib.sha256(said.mel.tobytes()).hexdigest(),
        "seed": seed,
    }
    crops = DistillSampler(said.of(learnt), [sources[i] for i in learnt], config, seed)
    held_out = said.of(apart).beginning(SLIM_TRAIN.crop_frames)
    job = loop.Run(SLIM, learner, crops, held_out, work / SLIM_RUN, identity, SLIM_TRAIN.steps, minutes)
    outcome = _run(job, on_event, stopped)
    if outcome.finished:
        packed, state = pack_low_rank(outcome.best), outcome.state
        load_arrays(learner.model, arrays | unpack_low_rank(packed))
        card = _copied(vocoder.HifiGan(Graph(learner.model), config), people, SLIM, told) | {
            "ranks": ranks,
            "share": SLIM_SHARE,
            "fitted_speakers": len(sources),
            "steps": state.step,
            "best_step": state.best_step,
            "held_out": {"first": round(state.first_score, 4), "best": round(state.best_score, 4)},
            "trained_minutes": round(state.trained_s / 60, 1),
            "settings": SLIM_TRAIN.model_dump(mode="json"),
        }
        _write_part(work, SLIM, config, packed, card)


def _said_by(
    model: keras.Model, people: dict[str, list[Path]], config: Config, on_event: OnEvent
) -> tuple[DistillBatch, list[Path]]:
    """Mels of everybody who speaks for long enough, what the whole vocoder says to them, and their recordings."""
    mels, samples, sources = [], [], []
    # In the order of their speeds, so that those kept apart, and those ranked on, have them all, whoever is too short.
    dealt = sorted(zip(_some(people, SAID_SPEAKERS), cycle(SPEEDS), strict=False), key=itemgetter(1))
    for i, (files, speed) in enumerate(dealt):
        on_event(Progress(SLIM, "listening", i, len(dealt)))
        mel = _played(files[0], speed, config)
        if len(mel) == SAID_FRAMES:
            mels.append(mel)
            samples.append(model.predict_on_batch(mel[None])[0])
            sources.append(files[0])
    if not mels:
        raise UsageError("nobody's first recording is long enough for the slim vocoder", "wanted 5 seconds and more")
    return DistillBatch(np.stack(mels), np.stack(samples)), sources


def _played(path: Path, speed: float, config: Config) -> Array:
    """The mel of some of a recording that is played so fast, at most SAID_FRAMES of it."""
    f = config.features
    wanted_s = SAID_FROM_S + SAID_FRAMES / f.frames_per_s * speed
    samples = read_mono(path, round(f.mel_rate_hz / speed), max_s=wanted_s + 0.1)
    return features.decoder_mel(normalise_level(samples, f), f)[-SAID_FRAMES:].astype(np.float32)


def _credits(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the credits {path}: {error}", "give a text file in UTF-8") from error


def _assembled(begin: _Start, work: Path, texts: dict[str, str], on_event: OnEvent) -> Pretrained:
    standing = _standing(work, on_event)
    if standing != PARTS:
        return Pretrained(None, standing, {})
    parts = {name: _part(work, name) for name in PARTS}
    config = Config.from_json(parts["decoder"].document("config"))
    config = config.model_copy(update={"train": TrainConfig()})
    networks = base.NETWORKS
    arrays = {n: parts[n].arrays("weights", expected_weights(network, config)) for n, network in networks.items()}
    ranks = check_ranks(parts[SLIM].document("card"), config)
    arrays[SLIM] = parts[SLIM].arrays("weights", expected_low_rank(config, ranks))
    arrays["units"] = parts["units"].arrays("weights", base.expected_units(config))
    card = {name: part.document("card") for name, part in parts.items()} | {"start_sha256": begin.sha256}
    runs = {"training.jsonl": "run", "slim_training.jsonl": SLIM_RUN}
    # A run may be removed once its part is made.
    found = {name: log for name, run in runs.items() if (log := work / run / loop.METRICS).is_file()}
    logs = {name: log.read_text(encoding="utf-8") for name, log in found.items()}
    write_base(work / "base", config, card, arrays, logs | texts)
    return Pretrained(work / "base", standing, card)


def _write_part(work: Path, name: str, config: Config, arrays: Arrays, card: dict[str, Any]) -> None:
    if name in MADE_FROM:
        card = card | {"made_from": _part(work, MADE_FROM[name]).sum_of(WEIGHTS)}
    documents = {"config": config.to_json(), "card": card}
    write_folder(work / name, kind=PART_KIND, documents=documents, arrays={"weights": arrays})


def _load_part(work: Path, name: str, model: keras.Model) -> tuple[Arrays, str]:
    """A part's weights, put into its network, and their sha256."""
    part = _part(work, name)
    arrays = part.arrays("weights", expected_arrays(model))
    load_arrays(model, arrays)
    return arrays, part.sum_of(WEIGHTS)


def _part(work: Path, name: str) -> Folder:
    return open_folder(work / name, kind=PART_KIND, max_bytes=PART_MAX_BYTES)


def _standing(work: Path, on_event: OnEvent) -> tuple[str, ...]:
    """The parts that are there and were made from those that are there."""
    present = [name for name in PARTS if (work / name / "manifest.json").is_file()]
    return tuple(name for name in present if MADE_FROM.get(name) not in present or _fits(work, name, on_event))


def _fits(work: Path, name: str, on_event: OnEvent) -> bool:
    former = MADE_FROM[name]
    made_from = _part(work, name).document("card").get("made_from")
    if made_from is None:
        on_event(
            Note(f"{name}: not known which {former} it was made from, as it is of an earlier version", warning=True)
        )
    elif made_from != _part(work, former).sum_of(WEIGHTS):
        run = {"decoder": "run", SLIM: SLIM_RUN}.get(name)
        first = f"delete {work / run}, then " if run is not None else ""
        on_event(Note(f"{name}: made from another {former}; {first}make it again with --part {name}", warning=True))
        return False
    return True
