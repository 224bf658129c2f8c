"""`voiceswap info`: a voice's card, or what a recording says of itself."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from voiceswap.shell.console import Shell
from voiceswap.shell.options import Json, Voices
from voiceswap.text import count, range_text


def info(
    what: Annotated[str, typer.Argument(help="A voice (its name or folder) or a recording.", metavar="VOICE|FILE")],
    voices: Voices = None,
    as_json: Json = False,
) -> None:
    """Show a voice's card, or how a recording was made.

    Exit code 1 if what a recording says of itself cannot be true.
    """
    shell = Shell(as_json)
    from voiceswap.audio.pipes import is_piped
    from voiceswap.audio.read import find_namesakes
    from voiceswap.errors import ModelError
    from voiceswap.jobs.piped import keep_inputs
    from voiceswap.storage import paths

    if is_piped(Path(what)):
        with keep_inputs([what], shell.show) as piped:
            _show_recording(shell, piped.paths[0], piped.name)
        return
    if os.path.isfile(what) and what not in paths.list_voices(paths.voices_folder(voices)):
        _show_recording(shell, Path(what))
        return
    try:
        paths.find_voice(what, paths.voices_folder(voices))
    except ModelError as error:
        raise ModelError(error.message, find_namesakes(Path(what)) or error.hint) from error
    from voiceswap.conversion.voice import load
    from voiceswap.provenance.consent import NONE
    from voiceswap.scoring.embedding import embedding_from_card

    loaded = load(what, voices)
    for key, value in loaded.card.items():
        if key == "speaker":
            person = embedding_from_card(loaded.card, str(loaded.path / "card.json"))
            known = f"known from {count(person.n_recordings, 'recording')}" if person is not None else "not known"
            shell.fact(key, f"{known}, for voiceswap evaluate")
        elif key == "f0_range":
            shell.fact(key, range_text(loaded.f0_range))
        elif key == "licence":
            shell.fact(key, "none is given" if value is None else value)
        elif isinstance(value, dict) and key != "consent":
            shell.fact(key, ", ".join(f"{name} {inner}" for name, inner in value.items()))
        elif key != "consent":
            shell.fact(key, value)
    shell.say(loaded.consent_line)
    shell.result({"path": loaded.path, "consent": NONE} | loaded.card)


def _show_recording(shell: Shell, path: Path, name: Callable[[Path], Path] = Path) -> None:
    from voiceswap.jobs.detect import describe_recording
    from voiceswap.provenance.c2pa import TOOL

    found = describe_recording(path)
    kind, channels = found.kind, count(found.kind.n_channels, "channel")
    shell.fact("file", f"{name(path)}, {kind.format} {kind.subtype}, {kind.sample_rate_hz} Hz, {channels}")
    for i, words in enumerate(kind.tracks, 1):
        shell.fact(f"sound track {i}", words)
    for key in ("title", "artist"):
        if key in found.tags:
            shell.fact(key, found.tags[key])
    for key, value in vars(found.record).items() if found.record is not None else ():
        shell.fact(key, value)
    if found.sidecar:
        shell.fact("record beside it", found.sidecar)
    if found.credentials is not None:
        signer = f", signed by {found.credentials.signer}" if found.credentials.signer else ""
        state = "there may be some: " + TOOL if found.credentials.state == "unlooked" else found.credentials.state
        shell.fact("content credentials", f"{state}{signer}")
    if found.record is None:
        shell.say("it does not say that it was made with voiceswap; voiceswap detect listens for the mark")
    for fault in found.faults:
        shell.fact("WRONG", fault)
    shell.result(replace(found, path=name(path)))
    if found.faults:
        raise typer.Exit(1)
