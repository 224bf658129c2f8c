"""`voiceswap convert`: recordings into a voice."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from voiceswap.errors import UsageError
from voiceswap.events import Note
from voiceswap.shell.console import Shell
from voiceswap.shell.options import Device, Json, Threads, Voices
from voiceswap.shell.piping import is_stdout, parse_out, to_stdout
from voiceswap.shell.scores import conversion_lines
from voiceswap.text import range_text

# Parameters that are no options of the job by that name.
OWN = frozenset({"inputs", "song", "dry", "report", "as_json", "device", "form", "threads"})


def convert(
    inputs: Annotated[
        list[Path], typer.Argument(help="Recordings, or folders of them; - is standard input.", metavar="INPUT...")
    ],
    as_: Annotated[str, typer.Option("--as", help="The voice: its name, or its folder.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="The output file, or a folder, as in out/; - is standard output.", parser=parse_out
        ),
    ] = None,
    form: Annotated[str | None, typer.Option("--format", help="What -o - gives; wav unless said.")] = None,
    pitch_semitones: Annotated[
        float | None, typer.Option("--pitch", help="Semitones to move the melody by; found by itself if not given.")
    ] = None,
    formant_semitones: Annotated[
        float, typer.Option("--formant", help="Semitones to move the voice's formants by.")
    ] = 0.0,
    protect: Annotated[
        float,
        typer.Option("--protect", help="How much of the source's own breaths and sibilants stays, 0 (default) to 1."),
    ] = 0.0,
    vocoder: Annotated[str, typer.Option("--vocoder", help="fast, or best, in full precision.")] = "fast",
    f0_method: Annotated[str, typer.Option("--f0-method", help="swift, dio or harvest.")] = "swift",
    f0: Annotated[Path | None, typer.Option("--f0", help="A curve to follow: a file of time_s,f0_hz.")] = None,
    f0_out: Annotated[Path | None, typer.Option("--f0-out", help="Where to write the source's curve.")] = None,
    song: Annotated[bool, typer.Option("--song", help="Separate the singing, whatever is heard.")] = False,
    dry: Annotated[bool, typer.Option("--dry", help="Take all for a voice, whatever is heard.")] = False,
    track: Annotated[int, typer.Option("--track", help="Which of several sound tracks, from 1.")] = 1,
    stems: Annotated[Path | None, typer.Option("--stems", help="A folder for the parts of a song.")] = None,
    backing: Annotated[Path | None, typer.Option("--backing", help="An accompaniment for a dry voice.")] = None,
    vocal_gain_db: Annotated[float, typer.Option("--vocal-gain", help="Gain of the converted voice, dB.")] = 0.0,
    backing_gain_db: Annotated[float, typer.Option("--backing-gain", help="Gain of the accompaniment, dB.")] = 0.0,
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
    score: Annotated[bool, typer.Option("--score", help="Score the result.")] = False,
    report: Annotated[bool, typer.Option("--report", hidden=True)] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse damaged recordings.")] = False,
    device: Device = None,
    threads: Threads = None,
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
    options = {name: value for name, value in locals().items() if name not in OWN}
    piping = is_stdout(out)
    shell = Shell(as_json, results=sys.stderr if piping else None)
    if form is not None and not piping:
        raise UsageError("--format says what -o - gives", "elsewhere the ending of `out` chooses the format")
    if song and dry:
        raise UsageError("`mode=song` and `mode=dry` exclude each other", "leave both out to have it found")
    if report:
        shell.show(Note("--report is now --score; it goes in 0.2", warning=True))
        options["score"] = True
    from voiceswap.audio.pipes import is_piped
    from voiceswap.audio.read import check_is_there

    # A misspelt recording is told before a second goes into imports.
    if len(inputs) == 1 and not os.path.isdir(inputs[0]) and not is_piped(inputs[0]):
        check_is_there(inputs[0])
    from voiceswap.jobs.convert import convert as job

    mode = "song" if song else "dry" if dry else "auto"
    with ExitStack() as stack:
        if piping:
            options["out"] = stack.enter_context(to_stdout(form, as_json=as_json, beside=sidecar))
            if len(inputs) > 1 or os.path.isdir(inputs[0]):
                raise UsageError("standard output takes one recording", "give `out` a folder")
        results = shell.run(job, *inputs, mode=mode, **options)
    for result in results:
        if result.status == "converted":
            shell.say(
                f"{'standard output' if piping else result.output}  pitch {result.pitch_semitones:+.1f} semitones "
                f"({range_text(result.source_f0)} to a voice of {range_text(result.voice_f0)}), "
                f"{result.times_real_time:.1f}x real time"
            )
        for line in conversion_lines(result):
            shell.say(line)
    counts = {
        status: sum(result.status == status for result in results) for status in ("converted", "skipped", "failed")
    }
    if len(results) > 1:
        shell.say(", ".join(f"{n} {status}" for status, n in counts.items() if n))
        for failed in (result for result in results if result.status == "failed"):
            shell.say(f"  failed: {failed.error}")
    shell.result(results)
    if counts["failed"]:
        raise typer.Exit(1)
