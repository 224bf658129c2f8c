"""Scoring a voice: recordings of other people are converted into it, and compared with what it should sound like."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from voiceswap.audio.find import find_recordings
from voiceswap.audio.source import file_source
from voiceswap.conversion.voice import Voice, load
from voiceswap.errors import AudioError, UsageError
from voiceswap.events import Note, OnEvent, Progress, ignore_events
from voiceswap.jobs.convert import convert
from voiceswap.scoring import external as instruments
from voiceswap.scoring.embedding import SpeakerEmbedding, embed_recordings, embedding_from_card
from voiceswap.scoring.external import load_dnsmos, load_recogniser
from voiceswap.scoring.scores import Scorer, Scores, verdict
from voiceswap.storage import atomic

WITHOUT_WORDS = (
    f"word errors are not measured: give a folder of a faster-whisper model with `recogniser`; {instruments.EXTRA}"
)
MEANS = tuple(
    f.name for f in fields(Scores) if f.name not in ("source", "duration_s", "words", "word_errors", "shift_cents")
)


@dataclass(frozen=True)
class Evaluation:
    """How good a voice is.

    Attributes:
        voice: Its name.
        clips: The scores of each conversion.
        means: The means of those scores over the clips that have them; nan for none.
        word_error_rate: Word errors of all clips over their words; nan without a recogniser.
        target: Where the target's identity comes from; "" for nowhere.
        target_own: How similar the target's real recordings are to each other: more cannot be wanted.
        nearer_to_source: The conversions that sound rather like their source.
        verdict: What that comes to, as a sentence.
        failed: Recordings that could not be converted, with their reasons.
        missing: What is not measured, and what to do about it.
    """

    voice: str
    clips: tuple[Scores, ...]
    means: dict[str, float]
    word_error_rate: float
    target: str
    target_own: float
    nearer_to_source: tuple[Path, ...]
    verdict: str
    failed: tuple[tuple[Path, str], ...]
    missing: tuple[str, ...]


def evaluate(
    voice: str | Path,
    *,
    source: str | Path,
    target: str | Path | None = None,
    recogniser: str | Path | None = None,
    language: str | None = None,
    out: str | Path | None = None,
    voices: str | Path | None = None,
    on_event: OnEvent = ignore_events,
    stopped: Callable[[], bool] = lambda: False,
) -> Evaluation:
    """Convert recordings into a voice, and score the results.

    Args:
        voice: Its name, or the path of its folder.
        source: A folder of dry recordings of other people, or one recording.
        target: A folder of real recordings of the voice's person, best of such as were not trained on; what the
            voice's card keeps of the person if not given.
        recogniser: A folder of a Whisper model for faster-whisper, to count word errors with.
        language: Which language the recogniser is to hear, "en" say; it guesses if not given.
        out: A folder to keep the conversions in; none that is there already is replaced.
        voices: The voices folder; VOICESWAP_VOICES or the user's data directory if not given.
        on_event: Told of the progress.
        stopped: Asked after each block; True ends it.

    Returns:
        The scores. Recordings that cannot be used do not hold up the others.

    Raises:
        UsageError: A folder or recording is missing, the recogniser's folder is none, or a conversion in `out` exists.
        AudioError: None of the recordings could be used, or there is no speech of the target.
        ModelError: The voice cannot be used.
        WriteError: The conversions cannot be written.
        StoppedError: `stopped` said so.

    Example:
        >>> import voiceswap
        >>> voiceswap.evaluate("speakerB", source="speakerA").verdict  # doctest: +SKIP
    """
    files = find_recordings(Path(source))
    used = load(voice, voices)
    # Cut, so that none is too long even with the longest name of a voice.
    stems = [os.fsencode(file.stem)[:40].decode(errors="ignore") for file in files]
    names = [f"{i:03d}.{stem}.{used.name}.wav" for i, stem in enumerate(stems)]
    if out is not None and (there := [path for name in names if os.path.lexists(path := Path(out) / name)]):
        raise UsageError(f"{there[0]} exists", "give another folder with `out`")
    hears = load_recogniser(Path(recogniser), language) if recogniser is not None else None
    if target is not None:
        known, where = embed_recordings(find_recordings(Path(target))), str(target)
        if known is None:
            raise AudioError(f"no speech was heard in {target}", "give recordings of the voice's person")
    else:
        known, where = embedding_from_card(used.card, str(used.path / "card.json")), "the voice's card"
    judge = Scorer(used.config.features, known, load_dnsmos(), hears)
    clips, failed = [], []
    with tempfile.TemporaryDirectory(prefix="voiceswap-") as temporary:
        folder = Path(out) if out is not None else Path(temporary)
        atomic.make_folder(folder)
        for i, (file, name) in enumerate(zip(files, names, strict=True)):
            on_event(Progress(used.name, "evaluating", i, len(files)))
            try:
                clips.append(_one(used, judge, file, folder / name, stopped))
            except (AudioError, UsageError) as error:
                on_event(Note(error.message, warning=True))
                failed.append((file, error.message))
            if out is None:
                for made in folder.iterdir():
                    made.unlink()
    if not clips:
        raise AudioError(f"none of the {len(files)} recordings in {source} could be used", failed[0][1])
    return _summary(used.name, clips, known, where, failed, judge.missing(WITHOUT_WORDS))


def _one(used: Voice, judge: Scorer, file: Path, out: Path, stopped: Callable[[], bool]) -> Scores:
    (made,) = convert(file, as_=used.path, out=out, mode="dry", stopped=stopped)
    return judge.scores(file, file_source(file), file_source(made.output))


def _summary(
    name: str,
    clips: Sequence[Scores],
    known: SpeakerEmbedding | None,
    where: str,
    failed: Sequence[tuple[Path, str]],
    missing: Sequence[str],
) -> Evaluation:
    means = {}
    for key in MEANS:
        values = [value for clip in clips if not math.isnan(value := getattr(clip, key))]
        means[key] = float(np.mean(values)) if values else math.nan
    n_words = sum(clip.words for clip in clips)
    nearer = tuple(clip.source for clip in clips if clip.nearer_to_source)
    return Evaluation(
        name,
        tuple(clips),
        means,
        sum(clip.word_errors for clip in clips) / n_words if n_words else math.nan,
        where if known is not None else "",
        known.own if known is not None else math.nan,
        nearer,
        verdict(name, means["to_target"], means["to_source"], len(nearer), len(clips)),
        tuple(failed),
        tuple(missing),
    )
