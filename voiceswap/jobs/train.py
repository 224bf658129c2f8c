"""Training voices: one decoder for each person, from the base decoder, judged on a tenth kept apart."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from voiceswap.arrays import Arrays
from voiceswap.audio.find import find_recordings
from voiceswap.audio.read import read_mono
from voiceswap.conversion.voice import VOICE_KIND, Voice, load, rewrite_card, write_voice
from voiceswap.errors import AudioError, ModelError, UsageError
from voiceswap.events import Found, Note, OnEvent, ignore_events, until_stopped
from voiceswap.jobs.check import check_lines, check_recordings
from voiceswap.model import decoder
from voiceswap.model.base import Base, load_base
from voiceswap.provenance import consent as agreements
from voiceswap.provenance.consent import consents_by_voice, earlier_consent
from voiceswap.scoring.embedding import embed_recordings, embedding_to_card
from voiceswap.signal.f0 import F0Range, measure_f0_range
from voiceswap.storage import atomic, paths
from voiceswap.training import dataset, loop
from voiceswap.training.batches import CropSampler, evaluation_batch
from voiceswap.training.dataset import prepare_speech
from voiceswap.training.learner import DecoderLearner
from voiceswap.training.loop import Check, find_run_state, run_training
from voiceswap.training.tensorboard import TensorBoard, check_installed
from voiceswap.training.timelapse import FOLDER as TIMELAPSE
from voiceswap.training.timelapse import Timelapse, find_borrowed_sentence, find_sentence

MIN_SPEECH_S = 30.0
ENOUGH_SPEECH_S = 180.0
MAX_LICENCE_CHARACTERS = 500


@dataclass(frozen=True)
class VoiceResult:
    """What became of one voice.

    Attributes:
        name: The voice's name.
        path: Its folder.
        status: "trained", "ready" (nothing was left to do) or "stopped" (the same command goes on, but
            for `fresh`, which begins anew).
        speech_s: Seconds of speech found.
        steps: Steps trained in all.
        best_step: The step whose weights are kept.
        trained_s: Seconds of training in all.
        scores: Held-out error of the mel in natural-log units, "first" before and "best" after training.
    """

    name: str
    path: Path
    status: str
    speech_s: float
    steps: int
    best_step: int
    trained_s: float
    scores: dict[str, float]


def train(
    *sources: str | Path,
    voices: str | Path | None = None,
    minutes: float | None = None,
    more: bool = False,
    fresh: bool = False,
    seed: int = 0,
    base: str | Path | None = None,
    consent: str | Path | Mapping[str, str | Path] | None = None,
    licence: str | None = None,
    timelapse: bool = True,
    tensorboard: bool = False,
    on_event: OnEvent = ignore_events,
    stopped: Callable[[], bool] = lambda: False,
) -> list[VoiceResult]:
    """Train a voice from each folder of recordings.

    Args:
        *sources: Folders, searched recursively, or single long recordings; each becomes a voice of its name.
        voices: The voices folder; VOICESWAP_VOICES or the user's data directory if not given.
        minutes: Time for each voice's training, without the reading of its recordings; 0 to 10,000.
        more: Train a voice that is ready further, by as many steps again.
        fresh: Forget what was trained and begin anew; what was begun so and stopped goes on without it.
        seed: Of all that is drawn; the same seed and data give the same voice if `minutes` is not given.
        base: The base's folder; the shipped one if not given.
        consent: Who agreed, to what and when, or the path of a recording or text that says so, of which the card keeps
            the name and sha256; by the voices' names if there are several. What was given before for the same
            recordings stays if it is not given.
        licence: Under which the voices may be used, for their cards; up to 500 characters.
        timelapse: Whether to keep one sentence said by each voice whenever it has become better: a sentence of the next
            voice trained here, else of another one trained before, else its own.
        tensorboard: Whether to write event files for TensorBoard beside the checkpoints.
        on_event: Told of what is found, the plan and the progress.
        stopped: Asked after each step; True ends the training with a checkpoint.

    Returns:
        One result a source, in their order; fewer if it was stopped.

    Raises:
        UsageError: Nothing to train, a missing folder, two sources of one name, consent that is nobody's, or something
            else than a voice where the voice is to lie.
        AudioError: Less than 30 seconds of speech, or no voiced sound in it.
        ModelError: A voice or checkpoint of another base, or damaged.
        BusyError: The voice is being trained by another process.
        WriteError: Something cannot be written.
        StoppedError: `stopped` said so before the training had begun.

    Example:
        >>> import voiceswap
        >>> voiceswap.train("speakerA", "speakerB", minutes=5)  # doctest: +SKIP
    """
    if not sources:
        raise UsageError("nothing to train", "name one folder of recordings for each voice")
    if more and fresh:
        raise UsageError("--more and --fresh exclude each other", "--more goes on, --fresh begins anew")
    loop.check_minutes(minutes)
    folder = paths.voices_folder(Path(voices) if voices is not None else None)
    names = [paths.voice_name_of(Path(source)) for source in sources]
    if twice := {name for name in names if names.count(name) > 1}:
        raise UsageError(f"two sources would make one voice: {', '.join(sorted(twice))}", "rename one of the folders")
    if licence is not None and len(licence) > MAX_LICENCE_CHARACTERS:
        raise UsageError(
            f"the licence has {len(licence)} characters, wanted at most {MAX_LICENCE_CHARACTERS}", "give its name"
        )
    if tensorboard:
        check_installed()
    agreed = consents_by_voice(consent, names)
    places = [
        (name, paths.voice_path(folder, name), find_recordings(Path(source)))
        for name, source in zip(names, sources, strict=True)
    ]
    for name, path, _ in places:
        _check_place(name, path, [Path(source) for source in sources])
    used = load_base(Path(base) if base is not None else None)
    results = []
    for i, (name, path, files) in enumerate(places):
        other = places[(i + 1) % len(places)]
        run_folder = paths.run_path(folder, name)
        atomic.make_folder(run_folder)
        with atomic.locked(run_folder.parent / f".{name}.lock", f"the voice {name}"):
            for swept in (folder, run_folder, run_folder / TIMELAPSE):
                atomic.sweep(swept)
            told = {"consent": agreed.get(name), "licence": licence}
            watched = _Watched(timelapse, tensorboard, other[0], other[2])
            job = _VoiceTraining(name, path, run_folder, used, seed, told, watched, on_event, stopped)
            results.append(job.run(files, minutes, more=more, fresh=fresh))
        if results[-1].status == "stopped":
            break
    return results


def _check_place(name: str, path: Path, sources: list[Path]) -> None:
    """Raise UsageError if a voice at this path would take the place of recordings, or of anything but a voice."""
    real = path.resolve()
    if any(real in (source.resolve(), *source.resolve().parents) for source in sources):
        where, advice = "these are its recordings", "give another voices folder with --voices"
    elif os.path.lexists(path) and atomic.kind_of(path) != VOICE_KIND:
        where, advice = "that is no voice", "move it away, or give another voices folder with --voices"
    else:
        return
    raise UsageError(f"the voice {name} would take the place of {path}: {where}", advice)


@dataclass(frozen=True)
class _Watched:
    """What else is kept of a training; `other` is who lends the timelapse its sentence, maybe the voice itself."""

    timelapse: bool
    tensorboard: bool
    other: str
    other_files: list[Path]


class _VoiceTraining:
    def __init__(
        self,
        name: str,
        path: Path,
        run_folder: Path,
        base: Base,
        seed: int,
        told: Mapping[str, Any],
        watched: _Watched,
        on_event: OnEvent,
        stopped: Callable[[], bool],
    ) -> None:
        self.name, self.path, self.run_folder, self.base = name, path, run_folder, base
        self.config = decoder.single_speaker(base.config)
        self.seed, self.told, self.watched, self.on_event, self.stopped = seed, told, watched, on_event, stopped
        self._told = until_stopped(stopped, on_event, name)

    def run(self, files: list[Path], minutes: float | None, *, more: bool, fresh: bool) -> VoiceResult:
        earlier = earlier_consent(self.run_folder, self.path)
        if fresh:
            shutil.rmtree(self.run_folder, ignore_errors=True)
        ready = None if fresh else self._ready()
        if ready is None and not (self.run_folder / loop.METRICS).exists():
            self._look(files)
        speech = prepare_speech(
            self.name, files, self.base.encoder, self.base.encoder_id, self.config, paths.cache_folder(), self._told
        )
        melody = self._checked(speech)
        agreement = self._agreement(earlier, speech.data_sha256)
        identity: dict[str, object] = {
            "settings": self.config.to_json(),
            "base": self.base.id,
            "data": speech.data_sha256,
            "seed": self.seed,
        }
        n_steps, further = self.config.train.steps, False
        if ready is not None:
            same = ready.card.get("data_sha256") == speech.data_sha256
            begun = find_run_state(self.run_folder, identity)
            # Else it was stopped, and goes on; the voice that is ready came from an earlier training.
            done = begun is None or (same and begun.ended(self.config.train) and begun.step == ready.card["steps"])
            if more:
                further = done
                n_steps += int(ready.card["steps"]) if begun is None else 0
            elif done and same:
                self.on_event(Note(f"{self.name} is ready; --more trains it further, --fresh begins anew"))
                if any(ready.card.get(key) != value for key, value in agreement.items()):
                    # First, as it is believed before the card.
                    atomic.write_json(self.run_folder / agreements.FILE_NAME, agreement)
                    ready = rewrite_card(ready, ready.card | agreement)
                return self._result(ready.card, "ready")
            elif done:
                self.on_event(Note(f"{self.name} was trained on other recordings; it is trained anew on these"))
                shutil.rmtree(self.run_folder, ignore_errors=True)
        judged = evaluation_batch([speech.held_out], self.config)
        if judged is None:
            raise AudioError(f"{self.name} is one unbroken stretch of speech", "give more than one recording")
        learner = DecoderLearner(self.config, decoder.start_of_voice(self.base.arrays("decoder")), self.seed)
        crops = CropSampler([speech.training], self.config, self.seed)
        atomic.make_folder(self.run_folder)
        atomic.write_json(self.run_folder / agreements.FILE_NAME, agreement)
        # Before the plan is told: then hardly anything is left to do after the last step.
        speaker = embedding_to_card(embed_recordings(files))
        film = self._timelapse(learner, melody, files) if self.watched.timelapse else None
        with self._watching(film) as watch:
            job = loop.Run(self.name, learner, crops, judged, self.run_folder, identity, n_steps, minutes, watch)
            job = replace(job, more=further)
            if film is not None:
                job = replace(job, rehearse=film.rehearse)
            outcome = run_training(job, self.on_event, self.stopped)
        card = self._card(speech, melody, outcome.state) | agreement
        if outcome.finished:
            if film is not None:
                film.finish(outcome.state.best_step, outcome.best)
            write_voice(self.path, self.config, card | {"speaker": speaker}, outcome.best)
        return self._result(card, "trained" if outcome.finished else "stopped")

    def _look(self, files: list[Path]) -> None:
        """Say in what condition the recordings are, before anything is spent on them."""
        found = check_recordings(Path(self.name), files, self._told, self.stopped)
        *facts, verdict = check_lines(found)
        for line in facts:
            self.on_event(Note(f"{self.name}: {line}"))
        self.on_event(Note(f"{self.name}: {verdict}", warning=bool(found.concerns)))

    @contextmanager
    def _watching(self, film: Timelapse | None) -> Iterator[loop.Watch]:
        with ExitStack() as stack:
            shown = None
            if self.watched.tensorboard:
                shown = stack.enter_context(closing(TensorBoard(self.run_folder, self.config.features.mel_rate_hz)))
                self.on_event(Note(f"{self.name}: to look on, tensorboard --logdir {shown.folder}"))

            def watch(found: Check, best: Arrays) -> None:
                frame = film.checked(found, best) if film is not None else None
                if shown is not None:
                    shown.checked(found, frame)

            yield watch

    def _timelapse(self, learner: DecoderLearner, melody: F0Range, files: list[Path]) -> Timelapse:
        f, found = self.config.features, self.watched
        film = Timelapse(self.run_folder, self.base, learner.model, self.name, melody)
        if not film.resume():
            who, said = self._lent() or (found.other, find_sentence(found.other_files, f))
            if said is not None:
                film.begin(said, who, find_sentence(files, f))
        return film

    def _lent(self) -> tuple[str, np.ndarray] | None:
        """Who was trained before, and their sentence, if nobody else is trained now."""
        path = find_borrowed_sentence(self.run_folder.parent, self.name) if self.watched.other == self.name else None
        if path is None:
            return None
        with suppress(AudioError):
            return path.parent.parent.name, read_mono(path, self.config.features.mel_rate_hz)
        return None

    def _ready(self) -> Voice | None:
        if not self.path.exists():
            return None
        voice = load(self.path)
        if voice.card["base"] != self.base.id:
            raise ModelError(
                f"{self.name} was trained with base {voice.card['base']}, this is base {self.base.id}",
                "train it anew with --fresh",
            )
        return voice

    def _checked(self, speech: dataset.Speech) -> F0Range:
        """The range of the speech, if a voice can be made of it."""
        apart_s = sum(len(clip.mel) for clip in speech.held_out) / self.config.features.frames_per_s
        self.on_event(Found(self.name, speech.n_files, speech.speech_s, speech.total_s, apart_s, speech.skipped))
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
        melody = measure_f0_range(np.concatenate([clip.f0_hz for clip in speech.clips]))
        if melody is None:
            raise AudioError(f"{self.name} has no voiced sound", "are these recordings of someone speaking?")
        return melody

    def _agreement(self, earlier: list[Mapping[str, Any]], data_sha256: str) -> dict[str, Any]:
        """What the card is to say of consent and licence: as told now, else as told earlier of the same recordings."""
        same = [kept for kept in earlier if kept.get("data_sha256") == data_sha256]
        agreed = next((kept["consent"] for kept in same if agreements.is_recorded(kept)), agreements.NONE)
        licence = next((kept["licence"] for kept in same if isinstance(kept.get("licence"), str)), None)
        found = {"consent": self.told["consent"] or agreed, "licence": self.told["licence"] or licence}
        if not agreements.is_recorded(found):
            old = " of these recordings" if any(map(agreements.is_recorded, earlier)) else ""
            self.on_event(
                Note(f"{self.name}: {agreements.consent_line(found)}{old}; give it with --consent", warning=True)
            )
        return found | {"data_sha256": data_sha256}

    def _card(self, speech: dataset.Speech, melody: F0Range, state: loop.RunState) -> dict[str, Any]:
        return {
            "name": self.name,
            "base": self.base.id,
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
            "speech_s": round(speech.speech_s, 1),
            "n_files": speech.n_files,
            "f0_range": asdict(melody),
            "steps": state.step,
            "best_step": state.best_step,
            "trained_s": round(state.trained_s, 1),
            "scores": {"first": round(state.first_score, 4), "best": round(state.best_score, 4)},
        }

    def _result(self, card: dict[str, Any], status: str) -> VoiceResult:
        keys = ("speech_s", "steps", "best_step", "trained_s", "scores")
        return VoiceResult(self.name, self.path, status, **{k: card[k] for k in keys})
