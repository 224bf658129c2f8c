"""Options that several commands share, and how the command line words what messages call by Python's names."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from voiceswap.errors import OPTION

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Voices = Annotated[
    Path | None, typer.Option("--voices", help="The voices folder; else VOICESWAP_VOICES, else the user's.")
]

# The command line's word for each option by its name in Python and JSON, values that have a flag of their own included.
FLAGS = {
    "as_": "--as",
    "backing": "--backing",
    "backing_gain_db": "--backing-gain",
    "c2pa": "--c2pa",
    "consent": "--consent",
    "credits": "--credits",
    "f0": "--f0",
    "f0_method": "--f0-method",
    "f0_out": "--f0-out",
    "force": "--force",
    "formant_semitones": "--formant",
    "fresh": "--fresh",
    "jobs": "--jobs",
    "keep_stages": "--keep-stages",
    "language": "--language",
    "leave_out": "--leave-out",
    "licence": "--licence",
    "mark": "--mark",
    "mark=False": "--no-mark",
    "minutes": "--minutes",
    "mode=dry": "--dry",
    "mode=song": "--song",
    "more": "--more",
    "out": "-o",
    "parts": "--part",
    "pitch_semitones": "--pitch",
    "protect": "--protect",
    "recogniser": "--recogniser",
    "score": "--score",
    "seed": "--seed",
    "sidecar": "--sidecar",
    "skip_existing": "--skip-existing",
    "source": "--source",
    "start": "--start",
    "stems": "--stems",
    "strict": "--strict",
    "target": "--target",
    "tensorboard": "--tensorboard",
    "timelapse": "--timelapse",
    "vocal_gain_db": "--vocal-gain",
    "vocoder": "--vocoder",
    "voices": "--voices",
}


def word_options(text: str) -> str:
    """A message as the command line words it: "give `force` to replace it" says --force."""
    return OPTION.sub(lambda match: FLAGS.get(match[1], match[0]), text)
