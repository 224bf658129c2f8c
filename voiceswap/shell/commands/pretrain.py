"""`voiceswap pretrain`: a base from recordings of many people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from voiceswap.shell.console import Shell
from voiceswap.shell.options import Json
from voiceswap.shell.quiet import load_tensorflow


def pretrain(
    folders: Annotated[list[Path], typer.Argument(help="Folders with one subfolder per speaker.", metavar="FOLDER...")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Working folder; the base is written to its subfolder base.")
    ],
    start: Annotated[
        Path | None, typer.Option("--start", help="Weights to start from; by default the shipped base.")
    ] = None,
    part: Annotated[
        list[str] | None,
        typer.Option("--part", help="encoder, units, decoder, vocoder, slim_vocoder or quick_vocoder; by default all."),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option("--minutes", help="Maximum training time of each part that learns, in minutes."),
    ] = None,
    content_dim: Annotated[
        int | None, typer.Option("--content-dim", help="Number of content components; by default as in the start.")
    ] = None,
    leave_out: Annotated[list[str] | None, typer.Option("--leave-out", help="Leave this speaker out.")] = None,
    credits_file: Annotated[
        Path | None, typer.Option("--credits", help="Text file to keep beside the weights.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a base from recordings of many speakers. Run the same command again to resume."""
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
