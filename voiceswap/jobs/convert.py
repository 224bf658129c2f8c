"""Converting recordings, one or a folder of them, into a voice, block by block."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from voiceswap.audio.read import probe
from voiceswap.conversion.options import MODES, PROTECT, VOCODER, ConvertOptions
from voiceswap.conversion.target import find_voice_of
from voiceswap.conversion.voice import load
from voiceswap.errors import AudioError, StoppedError, UsageError, VoiceswapError, WriteError
from voiceswap.events import Event, Note, OnEvent, Progress, ignore_events
from voiceswap.jobs.batch import Batch, Conversion, fail, find_inputs, to_answer
from voiceswap.jobs.converting import Converting
from voiceswap.jobs.piped import Piped, keep_inputs
from voiceswap.provenance import c2pa as credentials
from voiceswap.provenance.consent import is_recorded
from voiceswap.scoring.embedding import embedding_from_card
from voiceswap.scoring.external import load_dnsmos
from voiceswap.scoring.scores import Scorer
from voiceswap.signal.f0 import F0_METHODS
from voiceswap.storage import atomic, paths
from voiceswap.storage.outputs import names_folder, plan_outputs

OPTIONS = frozenset(field.name for field in fields(ConvertOptions))


def convert(
    *inputs: str | Path,
    as_: str | Path,
    out: str | Path | None = None,
    pitch_semitones: float | None = None,
    formant_semitones: float = 0.0,
    protect: float = PROTECT,
    vocoder: str = VOCODER,
    f0_method: str = F0_METHODS[0],
    f0: str | Path | None = None,
    f0_out: str | Path | None = None,
    mode: str = MODES[0],
    track: int = 1,
    stems: str | Path | None = None,
    backing: str | Path | None = None,
    vocal_gain_db: float = 0.0,
    backing_gain_db: float = 0.0,
    mark: bool = True,
    sidecar: bool = False,
    c2pa: tuple[str | Path, str | Path] | None = None,
    keep_stages: str | Path | None = None,
    score: bool = False,
    strict: bool = False,
    voices: str | Path | None = None,
    force: bool = False,
    skip_existing: bool = False,
    jobs: int = 1,
    on_event: OnEvent = ignore_events,
    stopped: Callable[[], bool] = lambda: False,
) -> list[Conversion]:
    """Convert recordings into a voice.

    Args:
        *inputs: Recordings of 4 to 384 kHz with up to 64 channels, of any length; or folders of them, taken whole but
            for what voiceswap made. "-" is standard input.
        as_: A voice's name, or the path of its folder: `conversion.target` has the grammar.
        out: The output file, or a folder, made if it ends in a slash; beside each input if not given, song.wav becoming
            song.VOICE.wav (m4a and video become wav).
        pitch_semitones: How far to move F0, -48 to 48; found from both ranges if not given.
        formant_semitones: How far to move the voice's formants, -12 to 12.
        protect: How much of the source's own breaths, plosives and sibilants stays, 0 to 1; a breath that the voice
            does not draw stays in any case.
        vocoder: "fast", "best", in full precision, or "quick", where the base has it.
        f0_method: How F0 is found: "swift", "dio" or "harvest".
        f0: A curve to follow instead, a file of time_s,f0_hz; of the source, before it is moved by `pitch_semitones`.
        f0_out: Where to write the source's curve, in the same form.
        mode: "song" separates the singing from its accompaniment, "dry" takes the whole for a voice, "auto" looks.
        track: Which of several sound tracks of a video or the like, from 1.
        stems: A folder for vocals.wav, converted.wav and accompaniment.wav.
        backing: An accompaniment to put under the converted voice, instead of separating; as long as the recording.
        vocal_gain_db: Gain of the converted voice in dB, -40 to 40.
        backing_gain_db: Gain of the accompaniment in dB, -40 to 40.
        mark: Whether the result is marked as made with voiceswap, inaudibly.
        sidecar: Whether to write how the result was made beside it, to OUTPUT.json, and not only into its tags.
        c2pa: A certificate and its private key, two PEM files, to sign wav, flac and mp3 results with.
        keep_stages: A folder for what the recording is on its way: f0.csv, content.npy, mel.npy, vocal.wav (the
            converted voice alone, without mark), and pictures of the first three.
        score: Whether to score the result against its source and the voice, as `evaluate` does.
        strict: Refuse a damaged or cut recording; else what is left of it is converted, with a warning.
        voices: The voices folder; VOICESWAP_VOICES or the user's data directory if not given.
        force: Replace outputs that exist; never what the result is made of.
        skip_existing: Leave recordings alone whose output exists.
        jobs: How many of several recordings at once, 1 to 64; each takes a process with about a gigabyte.
        on_event: Told of the progress.
        stopped: Asked after each block; True ends it without an output.

    Returns:
        One result a recording, in their order. Among several, one that cannot be converted does not hold up the others;
        its status is "failed".

    Raises:
        UsageError: A missing input, an output that exists or is the input, an option out of range, a wrong curve, a
            certificate that is of no use.
        AudioError: An input that cannot be used.
        ModelError: A voice that cannot be used.
        WriteError: An output that cannot be written; nothing half-written stays.
        StoppedError: `stopped` said so.

    Example:
        >>> import voiceswap
        >>> voiceswap.convert("song.wav", as_="speakerB")  # doctest: +SKIP
    """
    options = ConvertOptions(**{name: value for name, value in locals().items() if name in OPTIONS})
    with keep_inputs(inputs, on_event) as piped:
        results = _convert_inputs(options, piped, stopped, makes_folder=names_folder(out))
    return [replace(result, source=piped.name(result.source)) for result in results]


def _convert_inputs(
    options: ConvertOptions, piped: Piped, stopped: Callable[[], bool], *, makes_folder: bool
) -> list[Conversion]:
    inputs, on_event = piped.paths, piped.on_event
    many = options.check_inputs(len(inputs), is_folder=bool(inputs) and os.path.isdir(inputs[0]))
    kind = None if many else probe(inputs[0], options.track)
    signer = credentials.Signer(options.c2pa) if options.c2pa is not None else None
    voice = load(find_voice_of(options.as_, paths.voices_folder(options.voices)), options.voices)
    recordings = find_inputs(inputs, voice.name, on_event, piped.called)
    if makes_folder and options.out is not None:
        atomic.make_folder(options.out)
    places = plan_outputs(
        recordings, voice.name, options.out, many=many, force=options.force, skip_existing=options.skip_existing
    )
    scorer = None
    if options.score:
        embedding = embedding_from_card(voice.card, str(voice.path / "card.json"))
        scorer = Scorer(voice.config.features, embedding, load_dnsmos())
    consent = f"{voice.name}: {voice.consent_line}"
    on_event(Note(consent, warning=not is_recorded(voice.card)))
    if options.jobs > 1 and many and sys.executable:
        options = replace(options, as_=voice.path.absolute())
        return Batch(options, voice.name, places, given={consent}).run(on_event, stopped)
    results = []
    for i, place in enumerate(places):
        if many:
            on_event(Progress("all recordings", "converting", i, len(places)))
        if place.problem:
            results.append(fail(place, voice.name, place.problem, on_event))
            continue
        if options.skip_existing and os.path.exists(place.output):
            results.append(Conversion(place.source, place.output, voice.name, "skipped"))
            continue
        try:
            results.append(Converting(voice, place, options, signer, scorer, on_event, stopped).run(kind))
        except (AudioError, UsageError, WriteError) as error:
            # Alone it is the caller's affair; among many the others are not to suffer.
            if not many:
                raise
            results.append(fail(place, voice.name, error.message, on_event))
    return results


def task(shared: dict[str, Any], one: dict[str, Any], stopped: Callable[[], bool]) -> dict[str, Any]:
    """Convert one of many recordings, in a worker.

    Args:
        shared: What `ConvertOptions.to_json` gave.
        one: Source and output.
        stopped: As `convert`.

    Returns:
        The Conversion's fields and what there is to warn of, or why it failed.
    """
    warnings: list[str] = []

    def on_event(event: Event) -> None:
        if isinstance(event, Note) and event.warning:
            warnings.append(event.text)

    try:
        options = vars(replace(ConvertOptions.from_json(shared), out=Path(one["output"])))
        (conversion,) = convert(one["source"], **options, on_event=on_event, stopped=stopped)
    except (AudioError, UsageError, WriteError, StoppedError) as error:
        return {"failure": error.message, "warnings": warnings}
    except VoiceswapError as error:
        return {"fatal": error.message, "hint": error.hint}
    return to_answer(conversion) | {"warnings": warnings}
