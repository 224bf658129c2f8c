"""Scores a voice: converts other people's recordings into it, and compares the results with the real person."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from voiceswap.audio.find import find_recordings
from voiceswap.audio.read import describe_tracks, probe
from voiceswap.audio.source import file_source
from voiceswap.conversion.voice import Voice, load
from voiceswap.errors import AudioError, UsageError
from voiceswap.events import Note, OnEvent, Progress, ignore_events
from voiceswap.jobs.check import tell_left_out
from voiceswap.jobs.convert import convert
from voiceswap.scoring.embedding import SpeakerEmbedding, embed_recordings, embedding_from_card
from voiceswap.scoring.external import EXTRA, load_dnsmos, load_recogniser
from voiceswap.scoring.scores import Scorer, Scores, verdict
from voiceswap.storage import atomic

WITHOUT_WORDS = f"word errors are not measured: give a folder of a faster-whisper model with `recogniser`; {EXTRA}"
NOT_AVERAGED = ("source", "duration_s", "words", "word_errors", "shift_cents")
AVERAGED = tuple(field.name for field in fields(Scores) if field.name not in NOT_AVERAGED)


@dataclass(frozen=True)
class Evaluation:
    """The scores of a voice.

    Attributes:
        voice: Its name.
        clips: The scores of each conversion.
        means: The means of those scores over the clips that have them; nan for none.
        word_error_rate: Word errors of all clips over their words; nan without a recogniser.
        target: Where the target's identity comes from; "" for nowhere.
        target_own: How similar the target's real recordings are to each other: the most that can be expected.
        nearer_to_source: The conversions that sound more like their source.
        verdict: The conclusion, as a sentence.
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
        target: A folder of real recordings of the voice's person, ideally not those it was trained on; the embedding on
            the voice's card if not given.
        recogniser: A folder of a Whisper model for faster-whisper, to count word errors with.
        language: The language that is spoken, such as "en"; the recogniser guesses if not given.
        out: A folder to keep the conversions in; existing ones are never replaced.
        voices: The voices folder; VOICESWAP_VOICES or the user's data directory if not given.
        on_event: Called with each event.
        stopped: Called after each block; True ends it.

    Returns:
        The scores. Recordings that cannot be used are listed in it.

    Raises:
        UsageError: A folder or recording is missing, the recogniser's folder holds no model, or a conversion in `out`
            exists.
        AudioError: None of the recordings could be used, or there is no speech of the target.
        ModelError: The voice cannot be used.
        WriteError: The conversions cannot be written.
        StoppedError: `stopped` returned True.

    Example:
        >>> import voiceswap
        >>> voiceswap.evaluate("speakerB", source="speakerA").verdict  # doctest: +SKIP
    """
    files = find_recordings(Path(source))
    tell_left_out((Path(each) for each in (source, target) if each is not None), on_event)
    opened = load(voice, voices)
    # Cut, so that even with the longest name of a voice no file name is too long.
    stems = [os.fsencode(file.stem)[:40].decode(errors="ignore") for file in files]
    names = [f"{i:03d}.{stem}.{opened.name}.wav" for i, stem in enumerate(stems)]
    if out is not None and (existing := [path for name in names if os.path.lexists(path := Path(out) / name)]):
        raise UsageError(f"{existing[0]} exists", "give another folder with `out`")
    recognise = load_recogniser(Path(recogniser), language) if recogniser is not None else None
    if target is not None:
        target_label = str(target)
        embedding = embed_recordings(find_recordings(Path(target)))
        if embedding is None:
            raise AudioError(f"no speech was heard in {target}", "give recordings of the person whose voice it is")
    else:
        target_label = "the voice's card"
        embedding = embedding_from_card(opened.card, str(opened.path / "card.json"))
    scorer = Scorer(opened.config.features, embedding, load_dnsmos(), recognise)
    clips = []
    failed = []
    with tempfile.TemporaryDirectory(prefix="voiceswap-") as temporary:
        folder = Path(out) if out is not None else Path(temporary)
        atomic.make_folder(folder)
        for i, (file, name) in enumerate(zip(files, names, strict=True)):
            on_event(Progress(opened.name, "evaluating", i, len(files)))
            try:
                if tracks := describe_tracks(file, probe(file)):
                    on_event(Note(tracks))
                clips.append(_convert_and_score(opened, scorer, file, folder / name, stopped))
            except (AudioError, UsageError) as error:
                on_event(Note(error.message, warning=True))
                failed.append((file, error.message))
            if out is None:
                for path in folder.iterdir():
                    path.unlink()
    if not clips:
        raise AudioError(f"none of the {len(files)} recordings in {source} could be used", failed[0][1])
    return _summarise(opened.name, clips, embedding, target_label, failed, scorer.missing(WITHOUT_WORDS))


def _convert_and_score(voice: Voice, scorer: Scorer, file: Path, out: Path, stopped: Callable[[], bool]) -> Scores:
    (conversion,) = convert(file, as_=voice.path, out=out, mode="dry", stopped=stopped)
    return scorer.scores(file, file_source(file), file_source(conversion.output))


def _summarise(
    voice_name: str,
    clips: Sequence[Scores],
    target: SpeakerEmbedding | None,
    target_label: str,
    failed: Sequence[tuple[Path, str]],
    missing: Sequence[str],
) -> Evaluation:
    means = {}
    for key in AVERAGED:
        values = [value for clip in clips if not math.isnan(value := getattr(clip, key))]
        means[key] = float(np.mean(values)) if values else math.nan
    n_words = sum(clip.words for clip in clips)
    n_word_errors = sum(clip.word_errors for clip in clips)
    nearer_to_source = tuple(clip.source for clip in clips if clip.nearer_to_source)
    return Evaluation(
        voice=voice_name,
        clips=tuple(clips),
        means=means,
        word_error_rate=n_word_errors / n_words if n_words else math.nan,
        target=target_label if target is not None else "",
        target_own=target.own if target is not None else math.nan,
        nearer_to_source=nearer_to_source,
        verdict=verdict(voice_name, means["to_target"], means["to_source"], len(nearer_to_source), len(clips)),
        failed=tuple(failed),
        missing=tuple(missing),
    )
