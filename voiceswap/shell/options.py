"""Options that several commands share, and how the command line words what messages call by Python's names."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated

import typer
import typer.core
import typer.main

from voiceswap.compute import set_device, set_threads
from voiceswap.errors import OPTION

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document to standard output.")]
Voices = Annotated[
    Path | None, typer.Option("--voices", help="Voices folder; by default VOICESWAP_VOICES or the user's data folder.")
]

Device = Annotated[
    str | None,
    typer.Option("--device", callback=lambda device: set_device(device), help="auto (default), cpu or cuda."),
]
Threads = Annotated[
    int | None,
    typer.Option("--threads", callback=lambda n: set_threads(n), help="Number of threads; by default one per core."),
]

# A command's parameter has the name that its option has in Python and JSON, and its flag. Besides: names of other jobs,
# values that have a flag of their own, and where messages prefer the short form.
OTHER_FLAGS = {
    "credits": "--credits",
    "mark=False": "--no-mark",
    "mode=dry": "--dry",
    "mode=song": "--song",
    "out": "-o",
    "parts": "--part",
}


# Parameters that no job has by these names.
OF_THE_SHELL = frozenset({"as_json", "credits_file", "dry", "form", "part", "report", "song"})


@cache
def find_flags() -> dict[str, str]:
    """The command line's flag of each option, by its name in Python and JSON."""
    from voiceswap.shell.cli import app

    group = typer.main.get_command(app)
    commands = group.commands.values() if isinstance(group, typer.core.TyperGroup) else ()
    parameters = [parameter for command in commands for parameter in command.params]
    flags = {each.name: each.opts[0] for each in parameters if each.name and each.opts[0].startswith("-")}
    return {name: flag for name, flag in flags.items() if name not in OF_THE_SHELL} | OTHER_FLAGS


def word_options(text: str) -> str:
    """A message as the command line words it: "give `force` to replace it" says --force."""
    return OPTION.sub(lambda match: find_flags().get(match[1], match[0]), text) if "`" in text else text
