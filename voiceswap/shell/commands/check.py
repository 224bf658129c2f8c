"""`voiceswap check`: whether recordings are fit to train on."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voiceswap.shell.console import Shell
from voiceswap.shell.options import Device, Json, Threads
from voiceswap.text import left_out, range_text

if TYPE_CHECKING:
    from voiceswap.jobs.check import CheckResult


def check(
    folders: Annotated[list[Path], typer.Argument(help="One folder of recordings per voice.", metavar="FOLDER...")],
    device: Device = None,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Check whether recordings are good enough to train on.

    Ends with go, go with care, or no-go (exit code 1), each with the reason and what to do.
    """
    shell = Shell(as_json)
    from voiceswap.jobs.check import NO_GO, check_lines
    from voiceswap.jobs.check import check as job

    results = shell.run(job, *folders)
    for found in results:
        shell.say(f"{found.folder}")
        *facts, _ = check_lines(found)
        for fact in facts:
            shell.say(f"  {fact}")
        if more := ", ".join(_describe_measures(found)):
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


def _describe_measures(found: CheckResult) -> Iterator[str]:
    """What else was measured on a folder, as far as it could be."""
    sound = found.condition
    if not math.isnan(sound.snr_db):
        yield f"noise at {sound.level_db - sound.snr_db:.0f} dBFS"
        yield f"peaks cut off in {sound.clipped_share:.0%} of it"
    if not math.isnan(sound.echo_s):
        yield f"sounds fade within {sound.echo_s:.1f} s"
    if sound.speech_s:
        yield f"what is no voice {-found.accompaniment_db:.0f} dB below it"
