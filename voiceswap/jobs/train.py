"""Training voices: one decoder per person, from the base decoder, judged on a held-out tenth."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from voiceswap.audio.find import find_recordings
from voiceswap.conversion.voice import VOICE_KIND
from voiceswap.errors import UsageError
from voiceswap.events import Note, OnEvent, ignore_events
from voiceswap.jobs import check
from voiceswap.model.base import load_base
from voiceswap.model.networks import plain_settings
from voiceswap.provenance.consent import consents_by_voice
from voiceswap.storage import atomic, paths
from voiceswap.training.options import Consent, TrainOptions
from voiceswap.training.tensorboard import check_installed
from voiceswap.training.timelapse import FOLDER as TIMELAPSE
from voiceswap.training.voice_training import Place, Session, VoiceTraining

FROM_CARD = ("speech_s", "steps", "best_step", "trained_s", "scores")


@dataclass(frozen=True)
class VoiceResult:
    """The result of training one voice.

    Attributes:
        name: The voice's name.
        path: Its folder.
        status: "trained", "ready" (nothing was left to do) or "stopped" (the same command continues,
            without `fresh`, which starts over).
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
    consent: Consent | None = None,
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
        fresh: Discard earlier training and start over; a run begun so and stopped continues without it.
        seed: Of everything random; the same seed and data give the same voice if `minutes` is not given.
        base: The base's folder; the shipped one if not given.
        consent: Who agreed, to what and when, or the path of a recording or text that says so, of which the card keeps
            the name and sha256; by the voices' names if there are several. What was given before for the same
            recordings stays if it is not given.
        licence: The terms of use, for the voices' cards; up to 500 characters.
        timelapse: Whether to keep one sentence said by each voice whenever it has become better: a sentence of the next
            voice trained here, else of another one trained before, else its own.
        tensorboard: Whether to write event files for TensorBoard beside the checkpoints.
        on_event: Called with each event.
        stopped: Called after each step; True ends the training with a checkpoint.

    Returns:
        One result per source, in their order; fewer if it was stopped.

    Raises:
        UsageError: Nothing to train, a missing folder, two sources of one name, consent for a voice that is not
            trained, or something other than a voice in the voice's place.
        AudioError: Less than 30 seconds of speech, or no voiced sound in it.
        ModelError: A voice or checkpoint of another base, or damaged.
        BusyError: The voice is being trained by another process.
        WriteError: Something cannot be written.
        StoppedError: `stopped` returned True before the training had begun.

    Example:
        >>> import voiceswap
        >>> voiceswap.train("speakerA", "speakerB", minutes=5)  # doctest: +SKIP
    """
    if not sources:
        raise UsageError("nothing to train", "name one folder of recordings for each voice")
    options = TrainOptions(
        voices=Path(voices) if voices is not None else None,
        minutes=minutes,
        more=more,
        fresh=fresh,
        seed=seed,
        base=Path(base) if base is not None else None,
        consent=consent,
        licence=licence,
        timelapse=timelapse,
        tensorboard=tensorboard,
    )
    folder = paths.voices_folder(options.voices)
    names = [paths.voice_name_of(Path(source)) for source in sources]
    if twice := {name for name in names if names.count(name) > 1}:
        raise UsageError(
            f"two sources would become the same voice: {', '.join(sorted(twice))}", "rename one of the folders"
        )
    if options.tensorboard:
        check_installed()
    consents = consents_by_voice(options.consent, names)
    places = [
        Place(name, paths.voice_path(folder, name), paths.run_path(folder, name), find_recordings(Path(source)))
        for name, source in zip(names, sources, strict=True)
    ]
    check.tell_left_out(map(Path, sources), on_event)
    for place in places:
        _check_place(place.name, place.path, [Path(source) for source in sources])

    def check_before(place: Place, on_reading: OnEvent) -> None:
        result = check.check_recordings(Path(place.name), place.recordings, on_reading, stopped)
        *facts, verdict = check.check_lines(result)
        for line in facts:
            on_event(Note(f"{place.name}: {line}"))
        on_event(Note(f"{place.name}: {verdict}", warning=bool(result.concerns)))

    session = Session(options, load_base(options.base), consents, check_before, on_event, stopped)
    results = []
    for i, place in enumerate(places):
        atomic.make_folder(place.run_folder)
        with atomic.locked(paths.lock_path(place.run_folder), f"the voice {place.name}"):
            for swept in (folder, place.run_folder, place.run_folder / TIMELAPSE):
                atomic.sweep(swept)
            with plain_settings():
                card, status = VoiceTraining(place, places[(i + 1) % len(places)], session).run()
        results.append(VoiceResult(place.name, place.path, status, **{key: card[key] for key in FROM_CARD}))
        if results[-1].status == "stopped":
            break
    return results


def _check_place(name: str, path: Path, sources: list[Path]) -> None:
    """Raise UsageError if a voice at this path would take the place of recordings, or of anything but a voice."""
    if not os.path.lexists(path):
        paths.check_new_name(name)
    real = path.resolve()
    if any(real in (source.resolve(), *source.resolve().parents) for source in sources):
        where, advice = "these are its recordings", "give another voices folder with `voices`"
    elif os.path.lexists(path) and atomic.kind_of(path) != VOICE_KIND:
        where, advice = "that is no voice", "move it away, or give another voices folder with `voices`"
    else:
        return
    raise UsageError(f"the voice {name} would replace {path}: {where}", advice)
