"""`voiceswap evaluate`: how good a voice is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from voiceswap.shell.console import Shell
from voiceswap.shell.options import Device, Json, Threads, Voices
from voiceswap.shell.scores import evaluation_lines


def evaluate(
    voice: Annotated[str, typer.Argument(help="The voice: its name or its folder.")],
    source: Annotated[Path, typer.Option("--source", help="Dry recordings of other people to convert.")],
    target: Annotated[
        Path | None,
        typer.Option("--target", help="Real recordings of the voice's person; by default the embedding on its card."),
    ] = None,
    recogniser: Annotated[
        Path | None, typer.Option("--recogniser", help="Folder of a faster-whisper model, to count word errors.")
    ] = None,
    language: Annotated[str | None, typer.Option("--language", help="Language of the sources: en, de ...")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Keep the conversions in this folder.")] = None,
    device: Device = None,
    threads: Threads = None,
    voices: Voices = None,
    as_json: Json = False,
) -> None:
    """Convert recordings into a voice and score the results."""
    shell = Shell(as_json)
    from voiceswap.storage import paths

    # What is misspelt is told before seconds go into loading networks.
    paths.find_voice(voice, paths.voices_folder(voices))
    from voiceswap.jobs.evaluate import evaluate as job

    found = shell.run(
        job, voice, source=source, target=target, recogniser=recogniser, language=language, out=out, voices=voices
    )
    for line in evaluation_lines(found):
        shell.say(line)
    shell.result(found)
