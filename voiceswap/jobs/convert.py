"""Converting recordings, one or a folder of them, into a voice, block by block."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from voiceswap.arrays import Array
from voiceswap.audio.prefetch import prefetch
from voiceswap.audio.read import probe, read_blocks
from voiceswap.audio.source import Source, file_source, record_passing
from voiceswap.audio.write import Writer, output_format
from voiceswap.conversion import intermediates as stages
from voiceswap.conversion.analysis import SILENT_DB, Analysis, analyse
from voiceswap.conversion.engine import Settings
from voiceswap.conversion.f0_curve import read_curve, write_curve
from voiceswap.conversion.intermediates import keep_intermediates
from voiceswap.conversion.mixing import mix_song
from voiceswap.conversion.songs import STEMS, SongOptions, check_options, mute_unsung, open_song
from voiceswap.conversion.stream import convert_stream
from voiceswap.conversion.voice import PROTECT, VOCODER, Voice, check_shaping, load
from voiceswap.errors import AudioError, StoppedError, UsageError, VoiceswapError, WriteError
from voiceswap.events import Event, Note, OnEvent, Progress, ignore_events
from voiceswap.jobs.batch import Conversion, Tasks, as_answer, check_targets, places_of
from voiceswap.provenance import c2pa as credentials
from voiceswap.provenance import record
from voiceswap.provenance.consent import is_recorded
from voiceswap.provenance.record import file_sha256, record_bext, record_tags
from voiceswap.provenance.watermark import MIN_WATERMARKED_S, Watermarker
from voiceswap.scoring.embedding import embedding_from_card
from voiceswap.scoring.external import load_dnsmos
from voiceswap.scoring.scores import Scorer
from voiceswap.signal.f0 import F0_METHODS, measure_f0_range
from voiceswap.storage import atomic
from voiceswap.version import __version__

MAX_JOBS = 64
WORKER = "from voiceswap.jobs import convert; from voiceswap.jobs.executors import local; local.work(convert.task)"


@dataclass(frozen=True)
class _Wanted:
    """What is wanted of each result, besides its sound."""

    options: SongOptions
    mark: bool
    strict: bool
    sidecar: bool
    signer: credentials.Signer | None
    force: bool
    f0: Path | None
    f0_out: Path | None
    keep_stages: Path | None
    judge: Scorer | None
    vocoder: str


def convert(
    *inputs: str | Path,
    as_: str | Path,
    out: str | Path | None = None,
    pitch: float | None = None,
    formant: float = 0.0,
    protect: float = PROTECT,
    vocoder: str = VOCODER,
    f0_method: str = F0_METHODS[0],
    f0: str | Path | None = None,
    f0_out: str | Path | None = None,
    mode: str = "auto",
    stems: str | Path | None = None,
    backing: str | Path | None = None,
    vocal_gain: float = 0.0,
    backing_gain: float = 0.0,
    mark: bool = True,
    sidecar: bool = False,
    c2pa: tuple[str | Path, str | Path] | None = None,
    keep_stages: str | Path | None = None,
    scored: bool = False,
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
        *inputs: Recordings of 4 to 384 kHz with up to 64 channels, of any length; or folders of them, taken whole.
        as_: A voice's name, or the path of its folder.
        out: The output file, or a folder; beside each input if not given, song.wav becoming song.VOICE.wav (m4a and
            video become wav).
        pitch: Semitones to move the melody by, -48 to 48; found from both ranges if not given.
        formant: Semitones to move the voice's formants by, -12 to 12.
        protect: How much of the source's own breaths, plosives and sibilants stays, 0 to 1; a breath that the voice
            does not draw stays in any case.
        vocoder: "fast", or "best", in full precision.
        f0_method: How the melody is found: "swift", "dio" or "harvest".
        f0: A curve to follow instead, a file of time_s,f0_hz; of the source, before it is moved by `pitch`.
        f0_out: Where to write the source's melody, in the same form.
        mode: "song" separates the singing from its accompaniment, "dry" takes the whole for a voice, "auto" looks.
        stems: A folder for vocals.wav, converted.wav and accompaniment.wav.
        backing: An accompaniment to put under the converted voice, instead of separating; as long as the recording.
        vocal_gain: Gain of the converted voice in dB, -40 to 40.
        backing_gain: Gain of the accompaniment in dB, -40 to 40.
        mark: Whether the result is marked as made with voiceswap, inaudibly.
        sidecar: Whether to write how the result was made beside it, to OUTPUT.json, and not only into its tags.
        c2pa: A certificate and its private key, two PEM files, to sign wav, flac and mp3 results with.
        keep_stages: A folder for what the recording is on its way: f0.csv, content.npy, mel.npy, vocal.wav (the
            converted voice alone, without mark), and pictures of the first three.
        scored: Whether to score the result against its source and the voice, as `evaluate` does.
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
    if not inputs:
        raise UsageError("nothing to convert", "name at least one recording")
    check_shaping(pitch, formant, protect, vocoder)
    options = SongOptions(
        mode, Path(stems) if stems else None, Path(backing) if backing else None, vocal_gain, backing_gain
    )
    check_options(options)
    if not 1 <= jobs <= MAX_JOBS:
        raise UsageError(
            f"jobs is {jobs}, wanted 1 to {MAX_JOBS}", "begin with 2: each takes a process with about a gigabyte"
        )
    if f0_method not in F0_METHODS:
        raise UsageError(f"unknown F0 method {f0_method!r}", f"wanted one of {', '.join(F0_METHODS)}")
    many = len(inputs) > 1 or os.path.isdir(inputs[0])
    if many and any(given is not None for given in (f0, f0_out, stems, backing, keep_stages)):
        raise UsageError("an F0 curve, stems, a backing or stages belong to one recording", "convert them one by one")
    if many and scored:
        raise UsageError("a report is of one recording", "voiceswap evaluate scores many")
    if not many:
        probe(Path(inputs[0]))
    signer = credentials.Signer(c2pa) if c2pa is not None else None
    voice = load(as_, voices)
    target = Path(out) if out is not None else None
    places = places_of([Path(i) for i in inputs], voice.name, target, force=force, skip_existing=skip_existing)

    judge = None
    if scored:
        known = embedding_from_card(voice.card, str(voice.path / "card.json"))
        judge = Scorer(voice.config.features, known, load_dnsmos())
    kept = Path(keep_stages) if keep_stages is not None else None
    curve, curve_out = (Path(given) if given is not None else None for given in (f0, f0_out))
    wanted = _Wanted(options, mark, strict, sidecar, signer, force, curve, curve_out, kept, judge, vocoder)
    consent = f"{voice.name}: {voice.consent_line}"
    on_event(Note(consent, warning=not is_recorded(voice.card)))

    def shape(found: Analysis, in_key: bool) -> Settings:
        return voice.shaping(found, pitch, formant, protect, vocoder, in_key=in_key)

    def look(source: Source) -> tuple[Analysis, Array]:
        found = analyse(source, voice.config, f0_method)
        heard = found.f0_hz
        if curve is not None:
            melody = read_curve(curve, len(heard), voice.config.features)
            found = replace(found, f0_hz=melody, f0_range=measure_f0_range(melody))
        return found, heard

    if jobs > 1 and many and sys.executable:
        certificate = [os.path.abspath(file) for file in c2pa] if c2pa is not None else None
        shared: dict[str, object] = {"as_": os.path.abspath(voice.path), "pitch": pitch, "formant": formant}
        shared |= {"protect": protect, "f0_method": f0_method, "mode": mode, "vocal_gain": vocal_gain}
        shared |= {"backing_gain": backing_gain, "mark": mark, "sidecar": sidecar, "c2pa": certificate}
        shared |= {"strict": strict, "force": force, "vocoder": vocoder}
        left_out = [skip_existing and os.path.exists(output) for _, output in places]
        tasks = Tasks(WORKER, shared, voice.name, places, left_out, told={consent})
        return tasks.done(jobs, on_event, stopped)
    results = []
    for i, (source, output) in enumerate(places):
        if many:
            on_event(Progress("all recordings", "converting", i, len(places)))
        if skip_existing and os.path.exists(output):
            results.append(Conversion(source, output, voice.name, "skipped"))
            continue
        try:
            results.append(_convert_one(voice, source, output, look, shape, wanted, on_event, stopped))
        except (AudioError, UsageError, WriteError) as error:
            # Alone it is the caller's affair; among many the others are not to suffer.
            if not many:
                raise
            on_event(Note(error.message, warning=True))
            results.append(Conversion(source, output, voice.name, "failed", error.message))
    return results


def task(shared: dict[str, Any], one: dict[str, Any], stopped: Callable[[], bool]) -> dict[str, Any]:
    """Convert one of many recordings, in a worker.

    Args:
        shared: Options of `convert`.
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
        (made,) = convert(one["source"], out=one["output"], **shared, on_event=on_event, stopped=stopped)
    except (AudioError, UsageError, WriteError, StoppedError) as error:
        return {"failure": error.message, "warnings": warnings}
    except VoiceswapError as error:
        return {"fatal": error.message, "hint": error.hint}
    return as_answer(made) | {"warnings": warnings}


def _convert_one(
    voice: Voice,
    path: Path,
    output: Path,
    look: Callable[[Source], tuple[Analysis, Array]],
    shape: Callable[[Analysis, bool], Settings],
    wanted: _Wanted,
    on_event: OnEvent,
    stopped: Callable[[], bool],
) -> Conversion:
    damage: list[str] = []

    def blocks() -> Iterator[Array]:
        return read_blocks(path, damaged=None if wanted.strict else damage.append)

    def asking(event: Event) -> None:
        # Taking a song apart takes a while, too.
        if stopped():
            raise StoppedError(f"stopped; {output} was not written")
        on_event(event)

    read = ((path, "the input"), (wanted.f0, "the file of --f0"), (wanted.options.backing, "the file of --backing"))
    output_format(output)
    check_targets(list(_targets(output, wanted)), [(p, what) for p, what in read if p], force=wanted.force)
    # A pipe can be read but once.
    if wanted.f0 is not None and (os.path.isfile(wanted.f0) or not os.path.exists(wanted.f0)):
        read_curve(wanted.f0, 0, voice.config.features)
    kind, engine = probe(path), voice.engine
    began = time.monotonic()
    on_event(Progress(path.name, "listening", 0, 1))
    n_done = 0
    if wanted.signer:
        credentials.check_output(output)
    with ExitStack() as stack:
        # While the recording is listened to, the networks get ready.
        prepared = stack.enter_context(ThreadPoolExecutor(1)).submit(engine.prepare, wanted.vocoder)
        mix = Source(blocks, kind.sample_rate_hz, kind.n_channels, str(path))
        song = stack.enter_context(open_song(mix, wanted.options, asking))
        found, heard_f0_hz = look(song.voice)
        song = mute_unsung(song, found.f0_hz, voice.config.features.frames_per_s)
        if wanted.f0_out is not None:
            write_curve(wanted.f0_out, heard_f0_hz, voice.config.features)
        in_key = song.backing is not None
        shaping = shape(found, in_key)
        for text in [*damage[:1], *_doubts(path, found, shaping, in_key)]:
            on_event(Note(text, warning=True))
        kept = None
        if wanted.keep_stages is not None:
            kept = stack.enter_context(keep_intermediates(wanted.keep_stages, voice.config, kind, found.n_samples))
            kept.surveyed(found)
        prepared.result()
        said = stack.enter_context(
            closing(convert_stream(song.voice, found, engine, shaping, kept.window if kept else None))
        )
        voiced = kept.sung(said) if kept else said
        alone = None
        if wanted.judge is not None and in_key:
            voiced, alone = stack.enter_context(record_passing(voiced, kind))

        since: dict[str, tuple[float, int]] = {}

        def told(n_done: int, stage: str = "converting") -> None:
            # By each stage's own clock, from its first block on: what came before would make the rest look endless.
            started, already = since.setdefault(stage, (time.monotonic(), n_done))
            progress = Progress(path.name, stage, n_done, found.n_samples)
            if (took_s := time.monotonic() - started) and n_done > already:
                speed = (n_done - already) / kind.sample_rate_hz / took_s
                left_s = (found.n_samples - n_done) / kind.sample_rate_hz / speed
                progress = replace(progress, times_real_time=speed, left_s=left_s)
            asking(progress)

        marker = Watermarker(kind.sample_rate_hz, kind.n_channels, voice.tag) if wanted.mark else None
        duration_s = found.n_samples / kind.sample_rate_hz
        made = record.Record(
            __version__,
            voice.name,
            voice.id,
            datetime.now(UTC).isoformat(timespec="seconds"),
            record.SOURCE_TYPE,
            file_sha256(path),
            marked=wanted.mark and found.sounding_s >= MIN_WATERMARKED_S,
            signed=wanted.signer is not None,
        )
        with (
            _signed(output, made, wanted.signer) as unsigned,
            Writer(unsigned, kind, record_tags(made), found.n_samples, record_bext(made)) as writer,
            mix_song(voiced, song, wanted.options, kind, found.n_samples, told, on_event) as mixed,
            closing(prefetch(_marked(mixed, marker))) as marked,
        ):
            for block in filter(len, marked):
                writer.write(block)
                n_done += len(block)
                told(n_done, "mixing" if in_key else "converting")
        scores = None
        if wanted.judge is not None:
            on_event(Progress(path.name, "scoring", 0, 1))
            # Of a song, the singing alone is compared; else what the file says.
            scores = wanted.judge.scores(path, song.voice, alone() if alone else file_source(output))
    bears_mark = marker is not None and marker.bears_mark
    seconds = time.monotonic() - began
    return Conversion(
        path,
        output,
        voice.name,
        accompanied=in_key,
        marked=bears_mark,
        # Only now is it known whether there was enough sound for the mark.
        sidecar=record.write_sidecar(output, replace(made, marked=bears_mark)) if wanted.sidecar else None,
        pitch_semitones=shaping.pitch_semitones,
        source_f0=found.f0_range,
        voice_f0=voice.f0_range,
        duration_s=round(duration_s, 3),
        seconds=round(seconds, 2),
        times_real_time=round(duration_s / seconds, 2),
        scores=scores,
        missing=tuple(wanted.judge.missing("")) if wanted.judge else (),
    )


def _marked(mixed: Iterator[tuple[Array, Array | None]], marker: Watermarker | None) -> Iterator[Array]:
    """The blocks with the mark, where there is one."""
    for block, where in mixed:
        yield marker.push(block, where) if marker else block
    if marker:
        yield marker.finish()


def _targets(output: Path, wanted: _Wanted) -> Iterator[tuple[Path, str]]:
    """What is to be written, each with the option that says where."""
    yield output, "-o"
    if wanted.f0_out is not None:
        yield wanted.f0_out, "--f0-out"
    if wanted.options.stems is not None:
        yield from ((wanted.options.stems / f"{stem}.wav", "--stems") for stem in STEMS)
    if wanted.keep_stages is not None:
        yield from ((wanted.keep_stages / name, "--keep-stages") for name in stages.FILES)
    if wanted.sidecar:
        yield record.sidecar_path(output), "-o"


@contextmanager
def _signed(output: Path, made: record.Record, signer: credentials.Signer | None) -> Iterator[Path]:
    """Where to write a result: `output`, or another place from which it gets there with a signature."""
    if signer is None:
        yield output
        return
    with atomic.replacing(output) as signed, tempfile.TemporaryDirectory(prefix="voiceswap-") as folder:
        # Under a plain name, since the output's may be as long as the file system allows.
        unsigned = Path(folder) / f"unsigned{output.suffix}"
        yield unsigned
        signer.sign(unsigned, signed, output.name, made)


def _doubts(path: Path, found: Analysis, shaping: Settings, in_key: bool) -> Iterator[str]:
    if found.level_db <= SILENT_DB:
        yield f"{path} is silent; so is the result"
    elif found.f0_range is None:
        yield f"{path} has hardly any voiced sound; its pitch is not moved"
    if in_key and shaping.pitch_semitones % 12:
        yield f"a pitch of {shaping.pitch_semitones:+g} semitones leaves the key of the accompaniment"
