"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Voices = Annotated[
    Path | None, typer.Option("--voices", help="The voices folder; else VOICESWAP_VOICES, else the user's.")
]
