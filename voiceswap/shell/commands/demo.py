"""`voiceswap demo`: all of it tried with synthesised speakers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from voiceswap.shell.console import Shell
from voiceswap.shell.options import Json
from voiceswap.shell.quiet import load_tensorflow


def demo(
    folder: Annotated[Path, typer.Argument(help="Folder for the demo's files.")] = Path("voiceswap-demo"),
    minutes: Annotated[float, typer.Option("--minutes", help="Maximum training time per voice, in minutes.")] = 0.5,
    as_json: Json = False,
) -> None:
    """Try everything with synthesised speakers and a song."""
    shell = Shell(as_json)
    load_tensorflow()
    from voiceswap.jobs.demo import run as job

    made = shell.run(job, folder, minutes=minutes)
    for line in made["lines"]:
        shell.say(line)
    shell.result(made)
    if shell.stopped():
        raise typer.Exit(shell.stopped.exit_code)
