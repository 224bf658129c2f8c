"""One voice's training: read its recordings, decide what is to be done, learn, write the voice."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from voiceswap.arrays import Array, Arrays
from voiceswap.audio.read import read_mono
from voiceswap.conversion.voice import Voice, load, rewrite_card, write_voice
from voiceswap.errors import AudioError, ModelError
from voiceswap.events import Found, Note, OnEvent, until_stopped
from voiceswap.model import decoder
from voiceswap.model.base import Base
from voiceswap.provenance import consent as agreements
from voiceswap.provenance.consent import earlier_consent
from voiceswap.scoring.embedding import embed_recordings, embedding_to_card
from voiceswap.signal.f0 import F0Range, measure_f0_range
from voiceswap.storage import atomic, paths
from voiceswap.training import loop
from voiceswap.training.batches import CropSampler, make_held_out_batch
from voiceswap.training.dataset import ENOUGH_SPEECH_S, MIN_SPEECH_S, Speech, prepare_speech
from voiceswap.training.learner import DecoderLearner
from voiceswap.training.loop import Check, find_run_state, run_training
from voiceswap.training.options import TrainOptions
from voiceswap.training.tensorboard import TensorBoard
from voiceswap.training.timelapse import Timelapse, find_borrowed_sentence, find_sentence


class Action(Enum):
    """What to do for a voice."""

    TRAIN = "train it: on from the checkpoints that lie there, else from the base"
    KEEP = "leave it as it is: it is ready"
    REPLACE = "forget the training on other recordings, and train it again"
    EXTEND = "train it further after its end, by as many steps again"
    REPEAT = "its checkpoints are gone: train it again, by the steps that it has and as many more"


def decide(*, ready: bool, begun: bool, same: bool, ended: bool, more: bool, fresh: bool) -> Action:
    """What to do for a voice.

    Args:
        ready: Whether the voice is there.
        begun: Whether checkpoints of a training on these recordings, with these settings, lie there.
        same: Whether the voice that is ready was trained on these recordings.
        ended: Whether that training has ended, at the step that the voice is of. Else it was stopped, and the voice
            came from an earlier one.
        more: Whether to train a voice that is ready further.
        fresh: Whether to start over; then what lay there has been removed.

    Returns:
        The action.
    """
    if fresh or not ready:
        return Action.TRAIN
    if not begun:
        if more:
            return Action.REPEAT
        return Action.KEEP if same else Action.REPLACE
    if same and ended:
        return Action.EXTEND if more else Action.KEEP
    return Action.TRAIN


@dataclass(frozen=True)
class Place:
    """One voice: its name, its folder, that of its checkpoints, and its recordings."""

    name: str
    path: Path
    run_folder: Path
    recordings: list[Path]


@dataclass(frozen=True)
class Session:
    """What the trainings of all voices share.

    Attributes:
        options: What was chosen.
        base: The base of the voices.
        consents: What cards are to say of consent, by voice, where it was given now.
        check: Says in what condition a voice's recordings are, before anything is spent on them.
        on_event: Called with each event.
        stopped: Asked after each step, and at each event while recordings are read.
    """

    options: TrainOptions
    base: Base
    consents: Mapping[str, dict[str, Any]]
    check: Callable[[Place, OnEvent], None]
    on_event: OnEvent
    stopped: Callable[[], bool]


@dataclass(frozen=True)
class Prepared:
    """What is known of a voice before it is trained, and what is to be done."""

    speech: Speech
    f0_range: F0Range
    agreement: dict[str, Any]
    identity: dict[str, object]
    ready: Voice | None
    action: Action


@dataclass(frozen=True)
class Learnt:
    """What a training gave: the weights, the card's embedding of the speaker, and the timelapse if there is one."""

    outcome: loop.Outcome
    embedding: dict[str, Any] | None
    timelapse: Timelapse | None


class VoiceTraining:
    """The training of one voice.

    Args:
        place: Which voice.
        lender: Who lends the timelapse its sentence: the next voice, maybe this one itself.
        session: What it shares with the others.
    """

    def __init__(self, place: Place, lender: Place, session: Session) -> None:
        self.name = place.name
        self.place = place
        self.lender = lender
        self.options = session.options
        self.base = session.base
        self.consent = session.consents.get(place.name)
        self.config = decoder.single_speaker(session.base.config)
        self.check = session.check
        self.on_event = session.on_event
        self.stopped = session.stopped
        self.on_reading = until_stopped(session.stopped, session.on_event, place.name)

    def run(self) -> tuple[dict[str, Any], str]:
        """Prepare, learn and write, or whatever of it is to be done.

        Returns:
            The voice's card and its status: "trained", "ready" or "stopped".

        Raises:
            AudioError: Too little speech, no voiced sound in it, or nothing to keep apart.
            ModelError: A voice or checkpoint of another base, or damaged.
            WriteError: Something cannot be written.
            StoppedError: Someone stopped it while recordings were read.
        """
        prepared = self.prepare()
        if prepared.action is Action.KEEP and prepared.ready is not None:
            return self.keep(prepared.ready, prepared.agreement)
        return self.write(prepared, self.learn(prepared))

    def prepare(self) -> Prepared:
        """Read the recordings and what was agreed to, and decide what to do."""
        earlier = earlier_consent(self.place.run_folder, self.place.path)
        if self.options.fresh:
            shutil.rmtree(self.place.run_folder, ignore_errors=True)
        ready = None if self.options.fresh else self._load_ready()
        if ready is None and not (self.place.run_folder / loop.METRICS).exists():
            self.check(self.place, self.on_reading)
        speech = prepare_speech(
            self.name,
            self.place.recordings,
            self.base.encoder,
            self.base.encoder_id,
            self.config,
            paths.cache_folder(),
            self.on_reading,
        )
        f0_range = self._check_speech(speech)
        agreement = self._agree(earlier, speech.data_sha256)
        identity: dict[str, object] = {
            "settings": self.config.to_json(),
            "base": self.base.id,
            "data": speech.data_sha256,
            "seed": self.options.seed,
        }
        # Only a voice that is ready can make a difference.
        state = find_run_state(self.place.run_folder, identity) if ready is not None else None
        action = decide(
            ready=ready is not None,
            begun=state is not None,
            same=ready is not None and ready.card.get("data_sha256") == speech.data_sha256,
            ended=ready is not None
            and state is not None
            and state.ended(self.config.train)
            and state.step == ready.card["steps"],
            more=self.options.more,
            fresh=self.options.fresh,
        )
        return Prepared(speech, f0_range, agreement, identity, ready, action)

    def keep(self, ready: Voice, agreement: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """Leave the voice as it is, but for what its card says of consent and licence."""
        self.on_event(Note(f"{self.name} is ready; `more` trains it further, `fresh` starts over"))
        if any(ready.card.get(key) != value for key, value in agreement.items()):
            # First, as it is believed before the card.
            atomic.write_json(self.place.run_folder / agreements.FILE_NAME, agreement)
            ready = rewrite_card(ready, ready.card | agreement)
        return ready.card, "ready"

    def learn(self, prepared: Prepared) -> Learnt:
        """Train the decoder, on from checkpoints if there are any."""
        if prepared.action is Action.REPLACE:
            self.on_event(Note(f"{self.name} was trained on other recordings; it is trained again on these"))
            shutil.rmtree(self.place.run_folder, ignore_errors=True)
        n_steps = self.config.train.steps
        if prepared.action is Action.REPEAT and prepared.ready is not None:
            n_steps += int(prepared.ready.card["steps"])
        held_out = make_held_out_batch([prepared.speech.held_out], self.config)
        if held_out is None:
            raise AudioError(f"{self.name} is one unbroken stretch of speech", "give more than one recording")
        start = decoder.start_of_voice(self.base.arrays("decoder"))
        learner = DecoderLearner(self.config, start, self.options.seed)
        batches = CropSampler([prepared.speech.training], self.config, self.options.seed)
        atomic.make_folder(self.place.run_folder)
        atomic.write_json(self.place.run_folder / agreements.FILE_NAME, prepared.agreement)
        # Before the plan is told: then hardly anything is left to do after the last step.
        embedding = embedding_to_card(embed_recordings(self.place.recordings))
        timelapse = self._begin_timelapse(prepared.f0_range) if self.options.timelapse else None
        with self._watch(timelapse) as watch:
            run = loop.Run(
                self.name,
                learner,
                batches,
                held_out,
                self.place.run_folder,
                prepared.identity,
                n_steps,
                self.options.minutes,
                watch,
                more=prepared.action in (Action.EXTEND, Action.REPEAT),
            )
            if timelapse is not None:
                run = replace(run, rehearse=lambda: timelapse.rehearse(learner.weights()))
            outcome = run_training(run, self.on_event, self.stopped)
        return Learnt(outcome, embedding, timelapse)

    def write(self, prepared: Prepared, learnt: Learnt) -> tuple[dict[str, Any], str]:
        """Write the voice, if its training came to its end."""
        outcome = learnt.outcome
        card = self._to_card(prepared.speech, prepared.f0_range, outcome.state) | prepared.agreement
        if outcome.finished:
            if learnt.timelapse is not None:
                learnt.timelapse.finish(outcome.state.best_step, outcome.best)
            write_voice(self.place.path, self.config, card | {"speaker": learnt.embedding}, outcome.best)
        return card, "trained" if outcome.finished else "stopped"

    @contextmanager
    def _watch(self, timelapse: Timelapse | None) -> Iterator[loop.Watch]:
        with ExitStack() as stack:
            board = None
            if self.options.tensorboard:
                board = TensorBoard(self.place.run_folder, self.config.features.mel_rate_hz)
                stack.enter_context(closing(board))
                self.on_event(Note(f"{self.name}: to watch, run tensorboard --logdir {board.folder}"))

            def watch(check: Check, best: Arrays) -> None:
                frame = timelapse.checked(check, best) if timelapse is not None else None
                if board is not None:
                    board.add_check(check, frame)

            yield watch

    def _begin_timelapse(self, f0_range: F0Range) -> Timelapse:
        f = self.config.features
        timelapse = Timelapse(self.place.run_folder, self.base, self.config, self.name, f0_range)
        if not timelapse.resume():
            speaker, sentence = self._borrow_sentence() or (
                self.lender.name,
                find_sentence(self.lender.recordings, f),
            )
            if sentence is not None:
                timelapse.begin(sentence, speaker, find_sentence(self.place.recordings, f))
        return timelapse

    def _borrow_sentence(self) -> tuple[str, Array] | None:
        """Who was trained before, and their sentence, if nobody else is trained now."""
        if self.lender.name != self.name:
            return None
        path = find_borrowed_sentence(self.place.run_folder.parent, self.name)
        if path is None:
            return None
        with suppress(AudioError):
            return path.parent.parent.name, read_mono(path, self.config.features.mel_rate_hz)
        return None

    def _load_ready(self) -> Voice | None:
        """The voice, if it is there."""
        if not self.place.path.exists():
            return None
        voice = load(self.place.path)
        if voice.card["base"] != self.base.id:
            raise ModelError(
                f"{self.name} was trained with base {voice.card['base']}, this is base {self.base.id}",
                "train it again with `fresh`",
            )
        return voice

    def _check_speech(self, speech: Speech) -> F0Range:
        """The range of the speech, if a voice can be made of it."""
        held_out_s = sum(len(clip.mel) for clip in speech.held_out) / self.config.features.frames_per_s
        self.on_event(Found(self.name, speech.n_files, speech.speech_s, speech.total_s, held_out_s, speech.skipped))
        if speech.speech_s < MIN_SPEECH_S:
            first = f"; {speech.skipped[0][0].name}: {speech.skipped[0][1]}" if speech.skipped else ""
            raise AudioError(
                f"{self.name} has {speech.speech_s:.0f} s of speech in {speech.n_files} files, wanted at least "
                f"{MIN_SPEECH_S:.0f} s{first}",
                "record more; 5 to 20 minutes make a good voice",
            )
        if speech.speech_s < ENOUGH_SPEECH_S:
            few = f"{self.name} has {speech.speech_s:.0f} s of speech; 3 minutes and more sound better"
            self.on_event(Note(few, warning=True))
        f0_range = measure_f0_range(np.concatenate([clip.f0_hz for clip in speech.clips]))
        if f0_range is None:
            raise AudioError(f"{self.name} has no voiced sound", "are these recordings of someone speaking?")
        return f0_range

    def _agree(self, earlier: list[Mapping[str, Any]], data_sha256: str) -> dict[str, Any]:
        """What the card is to say of consent and licence: as given now, else as given before for these recordings."""
        same = [card for card in earlier if card.get("data_sha256") == data_sha256]
        consent = next((card["consent"] for card in same if agreements.is_recorded(card)), agreements.NONE)
        licence = next((card["licence"] for card in same if isinstance(card.get("licence"), str)), None)
        agreement = {"consent": self.consent or consent, "licence": self.options.licence or licence}
        if not agreements.is_recorded(agreement):
            old = " of these recordings" if any(map(agreements.is_recorded, earlier)) else ""
            line = f"{self.name}: {agreements.consent_line(agreement)}{old}; give it with `consent`"
            self.on_event(Note(line, warning=True))
        return agreement | {"data_sha256": data_sha256}

    def _to_card(self, speech: Speech, f0_range: F0Range, state: loop.RunState) -> dict[str, Any]:
        return {
            "name": self.name,
            "base": self.base.id,
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
            "speech_s": round(speech.speech_s, 1),
            "n_files": speech.n_files,
            "f0_range": asdict(f0_range),
            "steps": state.step,
            "best_step": state.best_step,
            "trained_s": round(state.trained_s, 1),
            "scores": {"first": round(state.first_score, 4), "best": round(state.best_score, 4)},
        }
