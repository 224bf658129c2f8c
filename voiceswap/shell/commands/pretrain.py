"""`voiceswap pretrain`: a base from recordings of many people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from voiceswap.shell.console import Shell
from voiceswap.shell.options import Json
from voiceswap.shell.quiet import load_tensorflow


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

    made = shell.run(
        job,
        *folders,
        out=out,
        start=start,
        parts=tuple(part or PARTS),
        minutes=minutes,
        content_dim=content_dim,
        leave_out=tuple(leave_out or ()),
        credits=credits_file,
    )
    shell.say(f"base: {made.path}" if made.path else f"parts that stand: {', '.join(made.parts) or 'none'}")
    shell.result(made)
    if shell.stopped():
        raise typer.Exit(shell.stopped.exit_code)
