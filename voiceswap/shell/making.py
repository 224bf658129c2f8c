"""The commands around a training: check, pretrain, doctor, demo."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from voiceswap.shell.console import Shell, StopFlag
from voiceswap.shell.options import Json, Voices
from voiceswap.shell.quiet import load_tensorflow
from voiceswap.text import count, left_out, range_text


def check(
    folders: Annotated[list[Path], typer.Argument(help="A folder of recordings of each voice.", metavar="FOLDER...")],
    as_json: Json = False,
) -> None:
    """Say whether recordings are fit to train on.

    Ends with go, go with care, or no-go (exit code 1), each with the reason and what to do.
    """
    shell = Shell(as_json)
    load_tensorflow()
    from voiceswap.jobs.check import NO_GO, check_lines
    from voiceswap.jobs.check import check as job

    with shell.working(), StopFlag().listening() as stop:
        results = job(*folders, on_event=shell.report, stopped=stop)
    for found in results:
        shell.say(f"{found.folder}")
        *facts, _ = check_lines(found)
        for fact in facts:
            shell.say(f"  {fact}")
        if more := ", ".join(_details(found)):
            shell.say(f"  {more}")
        if found.f0_range is not None:
            shell.say(f"  voice from {range_text(found.f0_range)}")
        if not math.isnan(found.units) and found.condition.speech_s:
            shell.say(f"  {found.units:.0%} of the sounds of speech occur in excerpts of it")
        for path, reason in found.skipped:
            shell.say(f"  {left_out(path, reason)}")
        for concern in found.concerns:
            shell.say(f"  {concern.what}: {concern.found}")
            shell.say(f"    {concern.advice}")
        shell.say(f"  {found.verdict}")
    if fit := [str(found.folder) for found in results if found.verdict != NO_GO]:
        shell.say(f"next: voiceswap train {shlex.join(fit)}")
    shell.result(results)
    if len(fit) < len(results):
        raise typer.Exit(1)


def _details(found: Any) -> Iterator[str]:
    """What else was measured on a jobs.check.Checked, as far as it could be."""
    sound = found.condition
    if not math.isnan(sound.snr_db):
        yield f"noise at {sound.level_db - sound.snr_db:.0f} dBFS"
        yield f"peaks cut off in {sound.clipped_share:.0%} of it"
    if not math.isnan(sound.echo_s):
        yield f"sounds fade within {sound.echo_s:.1f} s"
    if sound.speech_s:
        yield f"what is no voice {-found.accompaniment_db:.0f} dB below it"


def pretrain(
    folders: Annotated[list[Path], typer.Argument(help="Folders that hold one folder a person.", metavar="FOLDER...")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The working folder; the base comes into its folder base.")],
    start: Annotated[Path | None, typer.Option("--start", help="Weights to start from; else the shipped base.")] = None,
    part: Annotated[
        list[str] | None, typer.Option("--part", help="encoder, units, decoder, vocoder or slim_vocoder; else all.")
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            "--minutes", help="Minutes of the decoder's training, and as many of the slim vocoder's, at most."
        ),
    ] = None,
    content_dim: Annotated[
        int | None, typer.Option("--content-dim", help="How many components of the content; else as in the start.")
    ] = None,
    leave_out: Annotated[list[str] | None, typer.Option("--leave-out", help="A person to leave out.")] = None,
    credits_file: Annotated[Path | None, typer.Option("--credits", help="A text to keep beside the weights.")] = None,
    as_json: Json = False,
) -> None:
    """Make a base from recordings of many people. The same command goes on after a stop."""
    shell = Shell(as_json)
    load_tensorflow()
    from voiceswap.jobs.pretrain import PARTS
    from voiceswap.jobs.pretrain import pretrain as job

    with shell.working(), StopFlag().listening() as stop:
        made = job(
            *folders,
            out=out,
            start=start,
            parts=tuple(part or PARTS),
            minutes=minutes,
            content_dim=content_dim,
            leave_out=tuple(leave_out or ()),
            credits=credits_file,
            on_event=shell.report,
            stopped=stop,
        )
    shell.say(f"base: {made.path}" if made.path else f"parts that stand: {', '.join(made.parts) or 'none'}")
    shell.result(made)
    if stop():
        raise typer.Exit(stop.exit_code)


def doctor(voices: Voices = None, as_json: Json = False) -> None:
    """Look whether everything works here."""
    shell = Shell(as_json)
    # What is missing is for the checks to say.
    with suppress(ImportError):
        load_tensorflow()
    from voiceswap.jobs.doctor import examine

    checks = examine(voices)
    for check in checks:
        took = f", {check.seconds:.1f} s" if check.seconds is not None else ""
        shell.say(f"{'ok ' if check.ok else 'BAD'} {check.name}: {check.found}{took}")
        if check.advice:
            shell.say(f"    {check.advice}")
    shell.result(checks)
    n_bad = sum(not check.ok for check in checks)
    if n_bad:
        shell.say(f"{count(n_bad, 'thing')} {'is' if n_bad == 1 else 'are'} wrong: see the lines below each BAD")
        raise typer.Exit(1)
    shell.say("everything works")


def demo(
    folder: Annotated[Path, typer.Argument(help="Where the demo's files go.")] = Path("voiceswap-demo"),
    minutes: Annotated[float, typer.Option("--minutes", help="Minutes of training for each voice, at most.")] = 1.0,
    as_json: Json = False,
) -> None:
    """Try it all with synthesised speakers and a song."""
    shell = Shell(as_json)
    load_tensorflow()
    from voiceswap.jobs.demo import run

    with shell.working(), StopFlag().listening() as stop:
        made: dict[str, Any] = run(folder, minutes=minutes, on_event=shell.report, stopped=stop)
    for line in made["lines"]:
        shell.say(line)
    shell.result(made)
    if stop():
        raise typer.Exit(stop.exit_code)
