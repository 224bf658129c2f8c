"""The commands: parse, call, print. Jobs are imported inside commands, so that --help is quick."""

from __future__ import annotations

import io
import os
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from voiceswap.errors import UsageError
from voiceswap.shell import about, making
from voiceswap.shell.console import Shell, StopFlag, guarded
from voiceswap.shell.options import Json, Voices
from voiceswap.shell.quiet import load_tensorflow
from voiceswap.text import range_text
from voiceswap.version import __version__

app = typer.Typer(
    name="voiceswap",
    help="Train a voice from minutes of speech, convert any recording into it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"voiceswap {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def train(
    sources: Annotated[list[Path], typer.Argument(help="A folder of recordings for each voice.", metavar="FOLDER...")],
    voices: Voices = None,
    minutes: Annotated[
        float | None,
        typer.Option("--minutes", help="Minutes of training for each voice, at most; reading recordings not counted."),
    ] = None,
    more: Annotated[bool, typer.Option("--more", help="Train voices that are ready further.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what was trained and begin anew.")] = False,
    seed: Annotated[
        int, typer.Option("--seed", help="Seed for random choices: same seed and recordings, same voice.")
    ] = 0,
    consent: Annotated[
        list[str] | None,
        typer.Option(
            "--consent",
            help="Who agreed, to what, when; or a file that says so. NAME=... for one of several voices.",
            metavar="[NAME=]TEXT|FILE",
        ),
    ] = None,
    licence: Annotated[
        str | None, typer.Option("--licence", help="Licence of the voices, kept on their cards.")
    ] = None,
    timelapse: Annotated[
        bool, typer.Option("--timelapse/--no-timelapse", help="Keep a sentence said by each voice as it gets better.")
    ] = True,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write event files for TensorBoard.")] = False,
    as_json: Json = False,
) -> None:
    """Train a voice from each folder of recordings. The same command goes on after a stop."""
    shell = Shell(as_json)
    from voiceswap.provenance.consent import parse_consents, voices_without_consent
    from voiceswap.storage import paths

    names = [paths.voice_name_of(source) for source in sources]
    agreed = parse_consents(consent or [], names)
    unasked = voices_without_consent(names, agreed, paths.voices_folder(voices))
    for name in unasked if all(map(os.path.exists, sources)) else ():
        question = f"Who agreed to a voice {name}, to what, and when? A sentence or a file; Enter to leave it open: "
        agreed[name] = shell.ask(question)
    load_tensorflow()
    from voiceswap.jobs.train import train as job

    with shell.working(), StopFlag().listening() as stop:
        results = job(
            *sources,
            voices=voices,
            minutes=minutes,
            more=more,
            fresh=fresh,
            seed=seed,
            consent=agreed,
            licence=licence,
            timelapse=timelapse,
            tensorboard=tensorboard,
            on_event=shell.report,
            stopped=stop,
        )
    for r in results:
        score = f"held-out error {r.scores['first']:.3f} before, {r.scores['best']:.3f} at step {r.best_step}"
        shell.say(f"{r.name}: {r.status}, {r.steps} steps in {r.trained_s / 60:.1f} min, {score}")
        if r.status != "stopped":
            shell.say(f"  {r.path}")
    if results and not stop():
        shell.say(f"next: voiceswap convert RECORDING --as {shlex.quote(results[-1].name)}")
    shell.result(results)
    if stop():
        shell.say(f"stopped; the same command {'without --fresh ' if fresh else ''}goes on")
        raise typer.Exit(stop.exit_code)


def convert(
    inputs: Annotated[list[Path], typer.Argument(help="Recordings, or folders of them.", metavar="INPUT...")],
    as_: Annotated[str, typer.Option("--as", help="The voice: its name, or its folder.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The output file, or a folder.")] = None,
    pitch: Annotated[
        float | None, typer.Option("--pitch", help="Semitones to move the melody by; found by itself if not given.")
    ] = None,
    formant: Annotated[float, typer.Option("--formant", help="Semitones to move the voice's formants by.")] = 0.0,
    protect: Annotated[
        float | None,
        typer.Option("--protect", help="How much of the source's own breaths and sibilants stays, 0 (default) to 1."),
    ] = None,
    vocoder: Annotated[str, typer.Option("--vocoder", help="fast, or best, in full precision.")] = "fast",
    f0_method: Annotated[str, typer.Option("--f0-method", help="swift, dio or harvest.")] = "swift",
    f0: Annotated[Path | None, typer.Option("--f0", help="A curve to follow: a file of time_s,f0_hz.")] = None,
    f0_out: Annotated[Path | None, typer.Option("--f0-out", help="Where to write the source's curve.")] = None,
    song: Annotated[bool, typer.Option("--song", help="Separate the singing, whatever is heard.")] = False,
    dry: Annotated[bool, typer.Option("--dry", help="Take all for a voice, whatever is heard.")] = False,
    stems: Annotated[Path | None, typer.Option("--stems", help="A folder for the parts of a song.")] = None,
    backing: Annotated[Path | None, typer.Option("--backing", help="An accompaniment for a dry voice.")] = None,
    vocal_gain: Annotated[float, typer.Option("--vocal-gain", help="Gain of the converted voice, dB.")] = 0.0,
    backing_gain: Annotated[float, typer.Option("--backing-gain", help="Gain of the accompaniment, dB.")] = 0.0,
    mark: Annotated[bool, typer.Option("--mark/--no-mark", help="Mark the result, inaudibly, as converted.")] = True,
    sidecar: Annotated[bool, typer.Option("--sidecar", help="Write how it was made to OUTPUT.json, too.")] = False,
    c2pa: Annotated[
        tuple[Path, Path] | None,
        typer.Option("--c2pa", help="Sign wav, flac or mp3 results (C2PA): two PEM files.", metavar="CERT KEY"),
    ] = None,
    keep_stages: Annotated[
        Path | None,
        typer.Option("--keep-stages", help="A folder for f0, content, mel, their pictures, the voice alone."),
    ] = None,
    scored: Annotated[bool, typer.Option("--report", help="Score the result.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse damaged recordings.")] = False,
    voices: Voices = None,
    force: Annotated[bool, typer.Option("--force", help="Replace outputs that exist.")] = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Leave out what is converted already.")
    ] = False,
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="How many recordings at once, a process each.")] = 1,
    as_json: Json = False,
) -> None:
    """Convert recordings into a voice.

    song.wav becomes song.VOICE.wav; folders are taken whole.
    """
    shell = Shell(as_json)
    if song and dry:
        raise UsageError("--song and --dry exclude each other", "leave both out to have it found")

    from voiceswap.audio.read import probe

    # A misspelt recording is told before seconds go into loading networks.
    if len(inputs) == 1 and not os.path.isdir(inputs[0]):
        probe(inputs[0])
    load_tensorflow()
    from voiceswap.conversion.options import PROTECT
    from voiceswap.jobs.convert import convert as job
    from voiceswap.shell.scores import report_lines

    with shell.working(), StopFlag().listening() as stop:
        results = job(
            *inputs,
            as_=as_,
            out=out,
            pitch_semitones=pitch,
            formant_semitones=formant,
            protect=PROTECT if protect is None else protect,
            vocoder=vocoder,
            f0_method=f0_method,
            f0=f0,
            f0_out=f0_out,
            mode="song" if song else "dry" if dry else "auto",
            stems=stems,
            backing=backing,
            vocal_gain_db=vocal_gain,
            backing_gain_db=backing_gain,
            mark=mark,
            sidecar=sidecar,
            c2pa=c2pa,
            keep_stages=keep_stages,
            score=scored,
            strict=strict,
            voices=voices,
            force=force,
            skip_existing=skip_existing,
            jobs=jobs,
            on_event=shell.report,
            stopped=stop,
        )
    for r in results:
        if r.status == "converted":
            shell.say(
                f"{r.output}  pitch {r.pitch_semitones:+.1f} semitones ({range_text(r.source_f0)} to a voice of "
                f"{range_text(r.voice_f0)}), {r.times_real_time:.1f}x real time"
            )
        if r.scores is not None:
            for line in report_lines(r):
                shell.say(line)
    counts = {status: sum(r.status == status for r in results) for status in ("converted", "skipped", "failed")}
    if len(results) > 1:
        shell.say(", ".join(f"{n} {status}" for status, n in counts.items() if n))
        for r in (r for r in results if r.status == "failed"):
            shell.say(f"  failed: {r.error}")
    shell.result(results)
    if counts["failed"]:
        raise typer.Exit(1)


def evaluate(
    voice: Annotated[str, typer.Argument(help="The voice: its name, or its folder.")],
    source: Annotated[Path, typer.Option("--source", help="Dry recordings of other people, to convert.")],
    target: Annotated[
        Path | None, typer.Option("--target", help="Real recordings of the voice's person; else what its card keeps.")
    ] = None,
    recogniser: Annotated[
        Path | None, typer.Option("--recogniser", help="A folder of a faster-whisper model, to count word errors.")
    ] = None,
    language: Annotated[str | None, typer.Option("--language", help="What it hears: en, de ...")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="A folder to keep the conversions in.")] = None,
    voices: Voices = None,
    as_json: Json = False,
) -> None:
    """Convert recordings into a voice, and score the results."""
    shell = Shell(as_json)
    from voiceswap.storage import paths

    # What is misspelt is told before seconds go into loading networks.
    paths.find_voice(voice, paths.voices_folder(voices))
    load_tensorflow()
    from voiceswap.jobs.evaluate import evaluate as job
    from voiceswap.shell.scores import evaluation_lines

    with shell.working(), StopFlag().listening() as stop:
        found = job(
            voice,
            source=source,
            target=target,
            recogniser=recogniser,
            language=language,
            out=out,
            voices=voices,
            on_event=shell.report,
            stopped=stop,
        )
    for line in evaluation_lines(found):
        shell.say(line)
    shell.result(found)


def report(
    voice: Annotated[str, typer.Argument(help="The voice: its name, or its folder.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The page; else VOICE.report.html.")] = None,
    source: Annotated[
        Path | None, typer.Option("--source", help="Dry recordings to convert; else the sentence its training kept.")
    ] = None,
    target: Annotated[
        Path | None, typer.Option("--target", help="Real recordings of the voice's person to compare with.")
    ] = None,
    voices: Voices = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a page that exists.")] = False,
    as_json: Json = False,
) -> None:
    """Write a page about a voice, to listen to.

    Players, pictures, figures, its card, in one file that needs no network.
    """
    shell = Shell(as_json)
    from voiceswap.storage import paths

    paths.find_voice(voice, paths.voices_folder(voices))
    load_tensorflow()
    from voiceswap.web.report import report as job

    with shell.working(), StopFlag().listening() as stop:
        made = job(
            voice,
            out=out,
            source=source,
            target=target,
            voices=voices,
            force=force,
            on_event=shell.report,
            stopped=stop,
        )
    shell.say(f"{made.path}  {made.n_bytes / 1e6:.1f} MB")
    shell.result(made)


# In the order in which --help lists them.
for _command in (
    making.check,
    train,
    convert,
    evaluate,
    report,
    about.detect,
    about.voices,
    about.info,
    making.pretrain,
    making.doctor,
    making.demo,
):
    app.command()(_command)


def main() -> None:
    """Entry point: run a command and exit with its code."""
    # Names may have letters that the terminal's encoding does not know. On stderr Python does so by itself.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(guarded(app))
