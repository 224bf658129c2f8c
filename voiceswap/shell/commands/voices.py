"""`voiceswap voices`: the voices that are there."""

from __future__ import annotations

from voiceswap.shell.console import Shell
from voiceswap.shell.options import Json, Voices


def voices(voices: Voices = None, as_json: Json = False) -> None:
    """List the voices."""
    shell = Shell(as_json)
    from voiceswap.storage import paths

    folder = paths.voices_folder(voices)
    names = paths.list_voices(folder)
    for name in names:
        shell.say(name)
    if not names:
        shell.say(f"no voices in {folder}; train one: voiceswap train FOLDER")
    shell.result({"voices_folder": folder, "voices": names})
