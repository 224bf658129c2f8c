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
        list[Path],
        typer.Argument(help="Recordings or folders of recordings; - reads standard input.", metavar="INPUT..."),
    ],
    as_: Annotated[str, typer.Option("--as", help="The voice: its name or its folder.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Output file, or a folder such as out/; - writes to standard output.", parser=parse_out
        ),
    ] = None,
    form: Annotated[str | None, typer.Option("--format", help="Format for -o -; wav if not given.")] = None,
    pitch_semitones: Annotated[
        float | None, typer.Option("--pitch", help="Semitones to transpose by; chosen automatically if not given.")
    ] = None,
    formant_semitones: Annotated[
        float, typer.Option("--formant", help="Semitones to shift the voice's formants by.")
    ] = 0.0,
    protect: Annotated[
        float,
        typer.Option("--protect", help="How much of the source's own breaths and sibilants to keep, 0 (default) to 1."),
    ] = 0.0,
    vocoder: Annotated[
        str, typer.Option("--vocoder", help="fast (default), best, or quick if the base has it.")
    ] = "fast",
    f0_method: Annotated[
        str, typer.Option("--f0-method", help="F0 tracker: swift (default), dio or harvest.")
    ] = "swift",
    f0: Annotated[Path | None, typer.Option("--f0", help="Follow this F0 curve: a CSV file of time_s,f0_hz.")] = None,
    f0_out: Annotated[
        Path | None, typer.Option("--f0-out", help="Write the source's F0 curve to this CSV file.")
    ] = None,
    song: Annotated[
        bool, typer.Option("--song", help="Treat the input as a song: separate the singing first.")
    ] = False,
    dry: Annotated[bool, typer.Option("--dry", help="Treat the input as a voice alone: separate nothing.")] = False,
    track: Annotated[int, typer.Option("--track", help="Which audio track to convert, counted from 1.")] = 1,
    stems: Annotated[Path | None, typer.Option("--stems", help="Write the parts of a song to this folder.")] = None,
    backing: Annotated[
        Path | None, typer.Option("--backing", help="Mix the converted voice with this accompaniment.")
    ] = None,
    vocal_gain_db: Annotated[float, typer.Option("--vocal-gain", help="Gain of the converted voice in dB.")] = 0.0,
    backing_gain_db: Annotated[float, typer.Option("--backing-gain", help="Gain of the accompaniment in dB.")] = 0.0,
    mark: Annotated[bool, typer.Option("--mark/--no-mark", help="Embed an inaudible watermark.")] = True,
    sidecar: Annotated[
        bool, typer.Option("--sidecar", help="Also write how the result was made to OUTPUT.json.")
    ] = False,
    c2pa: Annotated[
        tuple[Path, Path] | None,
        typer.Option("--c2pa", help="Sign wav, flac or mp3 results (C2PA) with these PEM files.", metavar="CERT KEY"),
    ] = None,
    keep_stages: Annotated[
        Path | None,
        typer.Option(
            "--keep-stages", help="Write F0, content, mel, pictures of them and the voice alone to this folder."
        ),
    ] = None,
    score: Annotated[bool, typer.Option("--score", help="Score the result.")] = False,
    report: Annotated[bool, typer.Option("--report", hidden=True)] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse damaged recordings.")] = False,
    device: Device = None,
    threads: Threads = None,
    voices: Voices = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing outputs.")] = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Skip recordings whose output exists.")
    ] = False,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", help="Convert this many recordings at once, each in its own process.")
    ] = 1,
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
