"""One recording on its way into a voice: analysed, rendered, written, described."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from voiceswap.arrays import Array
from voiceswap.audio.prefetch import prefetch
from voiceswap.audio.read import AudioInfo, describe_tracks, probe, read_blocks
from voiceswap.audio.source import Source, file_source, record_passing
from voiceswap.audio.write import Writer, output_format
from voiceswap.conversion.analysis import SILENT_DB, Analysis, analyse, find_melody_doubts
from voiceswap.conversion.engine import Settings
from voiceswap.conversion.f0_curve import read_curve, write_curve
from voiceswap.conversion.intermediates import FILES as INTERMEDIATES
from voiceswap.conversion.intermediates import keep_intermediates
from voiceswap.conversion.mixing import mix_song
from voiceswap.conversion.options import ConvertOptions
from voiceswap.conversion.songs import STEMS, Song, mute_unsung, open_song
from voiceswap.conversion.stream import convert_stream
from voiceswap.conversion.voice import Voice
from voiceswap.errors import StoppedError
from voiceswap.events import Event, Note, OnEvent, Progress
from voiceswap.jobs.batch import Conversion
from voiceswap.provenance import c2pa as credentials
from voiceswap.provenance import record
from voiceswap.provenance.record import file_sha256, record_bext, record_tags
from voiceswap.provenance.watermark import MIN_WATERMARKED_S, Watermarker
from voiceswap.scoring.scores import Scorer, Scores
from voiceswap.signal.f0 import measure_f0_range
from voiceswap.storage import atomic
from voiceswap.storage.outputs import OUT, Place, check_targets
from voiceswap.version import __version__


class Converting:
    """One recording on its way: analysed, rendered, written, described.

    Args:
        voice: Who is to say it.
        place: Where it comes from and goes.
        options: How.
        signer: Signs the result; None for no signature.
        scorer: Scores it; None for no scores.
        on_event: Told of the progress.
        stopped: Asked after each block.
    """

    def __init__(
        self,
        voice: Voice,
        place: Place,
        options: ConvertOptions,
        signer: credentials.Signer | None,
        scorer: Scorer | None,
        on_event: OnEvent,
        stopped: Callable[[], bool],
    ) -> None:
        self.voice = voice
        self.path = place.source
        self.output = place.output
        self.options = options
        self.signer = signer
        self.scorer = scorer
        self.damage: list[str] = []
        self._on_event = on_event
        self._stopped = stopped
        self._began: dict[str, tuple[float, int]] = {}

    def run(self, kind: AudioInfo | None) -> Conversion:
        """Convert it; `kind` is what it was probed to be, None if it was not yet."""
        self._check_targets()
        kind = kind or probe(self.path, self.options.track)
        began_s = time.monotonic()
        self._on_event(Progress(self.path.name, "listening", 0, 1))
        if tracks := describe_tracks(self.path, kind, self.options.track):
            self._on_event(Note(f"{tracks}; `track` chooses another"))
        if self.signer:
            credentials.check_output(self.output)
        with ExitStack() as stack:
            # While the recording is listened to, the networks get ready.
            engine = self.voice.engine
            prepared = stack.enter_context(ThreadPoolExecutor(1)).submit(engine.prepare, self.options.vocoder)
            song, analysis = self.analyse(stack, kind)
            settings = self.voice.settings(analysis, self.options, in_key=song.backing is not None)
            for text in [*self.damage[:1], *_doubts(self.path, analysis, settings, song)]:
                self._on_event(Note(text, warning=True))
            if self.options.pitch_semitones is None and self.options.f0 is None:
                frames_per_s = self.voice.config.features.frames_per_s
                for text in find_melody_doubts(analysis, settings.pitch_semitones, frames_per_s):
                    self._on_event(Note(f"{self.path}: {text}", warning=True))
            blocks, alone = self.render(stack, kind, song, analysis, settings, prepared.result)
            made_by = self.describe_origin(analysis, kind)
            watermarker = self.write(kind, song, analysis, blocks, made_by)
            scores = self._score(song, alone)
        return self.describe(kind, song, analysis, settings, scores, watermarker, made_by, began_s)

    def analyse(self, stack: ExitStack, kind: AudioInfo) -> tuple[Song, Analysis]:
        """Find out what there is to convert: take a song apart, and listen to its voice."""
        mix = Source(self._read_blocks, kind.sample_rate_hz, kind.n_channels, str(self.path))
        song = stack.enter_context(open_song(mix, self.options, self._ask))
        f, options = self.voice.config.features, self.options
        analysis = analyse(song.voice, self.voice.config, options.f0_method)
        source_f0_hz = analysis.f0_hz
        if options.f0 is not None:
            f0_hz = read_curve(options.f0, len(source_f0_hz), f, lambda text: self._on_event(Note(text, warning=True)))
            # What is no melody of this voice in the source is none in a curve of it, either.
            melody_hz = np.where((source_f0_hz > 0) & (analysis.melody_hz == 0), 0, f0_hz).astype(np.float32)
            f0_range = measure_f0_range(melody_hz)
            analysis = replace(analysis, f0_hz=f0_hz, melody_hz=melody_hz, f0_range=f0_range)
        song = mute_unsung(song, analysis.f0_hz, f.frames_per_s)
        if options.f0_out is not None:
            write_curve(options.f0_out, source_f0_hz, f)
        return song, analysis

    def render(
        self,
        stack: ExitStack,
        kind: AudioInfo,
        song: Song,
        analysis: Analysis,
        settings: Settings,
        wait: Callable[[], object],
    ) -> tuple[Iterator[Array], Callable[[], Source] | None]:
        """The converted voice in blocks, and of a song what gives it again once all have passed, to be scored."""
        kept = None
        if self.options.keep_stages is not None:
            folder = self.options.keep_stages
            kept = stack.enter_context(keep_intermediates(folder, self.voice.config, kind, analysis.n_samples))
            kept.keep_analysis(analysis)
        wait()
        watch = kept.keep_window if kept else None
        blocks: Iterator[Array] = stack.enter_context(
            closing(convert_stream(song.voice, analysis, self.voice.engine, settings, watch))
        )
        if kept:
            blocks = kept.keep_voice(blocks)
        if self.scorer is None or song.backing is None:
            return blocks, None
        return stack.enter_context(record_passing(blocks, kind))

    def write(
        self, kind: AudioInfo, song: Song, analysis: Analysis, blocks: Iterator[Array], made_by: record.Record
    ) -> Watermarker | None:
        """Mix, watermark and write the result; the watermarker tells afterwards whether it bears the mark."""
        watermarker = None
        if self.options.mark:
            watermarker = Watermarker(kind.sample_rate_hz, kind.n_channels, self.voice.tag)
        n_samples = analysis.n_samples
        n_done = 0
        stage = "mixing" if song.backing is not None else "converting"

        def on_converted(n_converted: int) -> None:
            self._tell(n_converted, n_samples, kind, "converting")

        with (
            _signed(self.output, made_by, self.signer) as unsigned,
            Writer(unsigned, kind, record_tags(made_by), n_samples, record_bext(made_by)) as writer,
            mix_song(blocks, song, self.options, kind, n_samples, on_converted, self._on_event) as mixed,
            closing(prefetch(_watermark(mixed, watermarker))) as watermarked,
        ):
            for block in filter(len, watermarked):
                writer.write(block)
                n_done += len(block)
                self._tell(n_done, n_samples, kind, stage)
        return watermarker

    def describe_origin(self, analysis: Analysis, kind: AudioInfo) -> record.Record:
        """How the result comes to be, as its tags say it."""
        return record.Record(
            __version__,
            self.voice.name,
            self.voice.id,
            datetime.now(UTC).isoformat(timespec="seconds"),
            record.SOURCE_TYPE,
            file_sha256(self.path),
            marked=self.options.mark and analysis.sounding_s >= MIN_WATERMARKED_S,
            signed=self.signer is not None,
        )

    def describe(
        self,
        kind: AudioInfo,
        song: Song,
        analysis: Analysis,
        settings: Settings,
        scores: Scores | None,
        watermarker: Watermarker | None,
        made_by: record.Record,
        began_s: float,
    ) -> Conversion:
        """What became of it."""
        marked = watermarker is not None and watermarker.bears_mark
        sidecar = None
        if self.options.sidecar:
            # Only now is it known whether there was enough sound for the watermark.
            sidecar = record.write_sidecar(self.output, replace(made_by, marked=marked))
        duration_s = analysis.n_samples / kind.sample_rate_hz
        seconds = time.monotonic() - began_s
        return Conversion(
            self.path,
            self.output,
            self.voice.name,
            accompanied=song.backing is not None,
            marked=marked,
            sidecar=sidecar,
            pitch_semitones=settings.pitch_semitones,
            source_f0=analysis.f0_range,
            voice_f0=self.voice.f0_range,
            duration_s=round(duration_s, 3),
            seconds=round(seconds, 2),
            times_real_time=round(duration_s / seconds, 2),
            scores=scores,
            missing=tuple(self.scorer.missing("")) if self.scorer else (),
        )

    def _check_targets(self) -> None:
        options = self.options
        read = [(self.path, "the input")]
        read += [(path, f"the file of `{name}`") for name in ("f0", "backing") if (path := getattr(options, name))]
        output_format(self.output)
        check_targets(list(_targets(self.output, options)), read, force=options.force)
        # A pipe can be read but once.
        if options.f0 is not None and (os.path.isfile(options.f0) or not os.path.exists(options.f0)):
            read_curve(options.f0, 0, self.voice.config.features)

    def _read_blocks(self) -> Iterator[Array]:
        damaged = None if self.options.strict else self.damage.append
        return read_blocks(self.path, track=self.options.track, damaged=damaged)

    def _ask(self, event: Event) -> None:
        # Taking a song apart takes a while, too.
        if self._stopped():
            raise StoppedError(f"stopped; {self.output} was not written")
        self._on_event(event)

    def _tell(self, n_done: int, n_samples: int, kind: AudioInfo, stage: str) -> None:
        # By each stage's own clock, from its first block on: what came before would make the rest look endless.
        began_s, n_before = self._began.setdefault(stage, (time.monotonic(), n_done))
        progress = Progress(self.path.name, stage, n_done, n_samples)
        if (took_s := time.monotonic() - began_s) and n_done > n_before:
            speed = (n_done - n_before) / kind.sample_rate_hz / took_s
            left_s = (n_samples - n_done) / kind.sample_rate_hz / speed
            progress = replace(progress, times_real_time=speed, left_s=left_s)
        self._ask(progress)

    def _score(self, song: Song, alone: Callable[[], Source] | None) -> Scores | None:
        if self.scorer is None:
            return None
        self._on_event(Progress(self.path.name, "scoring", 0, 1))
        # Of a song, the singing alone is compared; else what the file says.
        return self.scorer.scores(self.path, song.voice, alone() if alone else file_source(self.output))


def _watermark(mixed: Iterator[tuple[Array, Array | None]], watermarker: Watermarker | None) -> Iterator[Array]:
    """The blocks with the watermark, where there is one."""
    for block, where in mixed:
        yield watermarker.push(block, where) if watermarker else block
    if watermarker:
        yield watermarker.finish()


def _targets(output: Path, options: ConvertOptions) -> Iterator[tuple[Path, str]]:
    """What is to be written, each with the option that says where."""
    yield output, OUT
    if options.f0_out is not None:
        yield options.f0_out, "f0_out"
    if options.stems is not None:
        yield from ((options.stems / f"{stem}.wav", "stems") for stem in STEMS)
    if options.keep_stages is not None:
        yield from ((options.keep_stages / name, "keep_stages") for name in INTERMEDIATES)
    if options.sidecar:
        yield record.sidecar_path(output), OUT


@contextmanager
def _signed(output: Path, made_by: record.Record, signer: credentials.Signer | None) -> Iterator[Path]:
    """Where to write a result: `output`, or another place from which it gets there with a signature."""
    if signer is None:
        yield output
        return
    with atomic.replacing(output) as signed, tempfile.TemporaryDirectory(prefix="voiceswap-") as folder:
        # Under a plain name, since the output's may be as long as the file system allows.
        unsigned = Path(folder) / f"unsigned{output.suffix}"
        yield unsigned
        signer.sign(unsigned, signed, output.name, made_by)


def _doubts(path: Path, analysis: Analysis, settings: Settings, song: Song) -> Iterator[str]:
    if analysis.level_db <= SILENT_DB:
        yield f"{path} is silent; so is the result"
    elif analysis.f0_range is None:
        yield f"{path} has hardly any voiced sound; its pitch is not moved"
    if song.backing is not None and settings.pitch_semitones % 12:
        yield f"a pitch of {settings.pitch_semitones:+g} semitones leaves the key of the accompaniment"
