"""`voiceswap report`: a page about a voice."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from voiceswap.shell.console import Shell
from voiceswap.shell.options import Device, Json, Threads, Voices
from voiceswap.shell.piping import parse_out


def report(
    voice: Annotated[str, typer.Argument(help="The voice: its name or its folder.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Output page or folder; by default VOICE.report.html.", parser=parse_out),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option("--source", help="Dry recordings to convert; by default the sentence that training kept."),
    ] = None,
    target: Annotated[
        Path | None, typer.Option("--target", help="Real recordings of the voice's person, for comparison.")
    ] = None,
    device: Device = None,
    threads: Threads = None,
    voices: Voices = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing page.")] = False,
    as_json: Json = False,
) -> None:
    """Write a page to listen to a voice.

    Players, pictures, figures, its card, in one file that needs no network.
    """
    shell = Shell(as_json)
    from voiceswap.storage import paths

    paths.find_voice(voice, paths.voices_folder(voices))
    from voiceswap.web.report import report as job

    made = shell.run(job, voice, out=out, source=source, target=target, voices=voices, force=force)
    shell.say(f"{made.path}  {made.n_bytes / 1e6:.1f} MB")
    shell.result(made)
