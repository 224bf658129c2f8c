"""`voiceswap train`: voices from folders of recordings."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from voiceswap.shell.console import Shell
from voiceswap.shell.options import Json, Voices
from voiceswap.shell.quiet import load_tensorflow


def train(
    sources: Annotated[list[Path], typer.Argument(help="One folder of recordings per voice.", metavar="FOLDER...")],
    voices: Voices = None,
    minutes: Annotated[
        float | None,
        typer.Option("--minutes", help="Maximum training time per voice, in minutes, without reading the recordings."),
    ] = None,
    more: Annotated[bool, typer.Option("--more", help="Train finished voices further.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Discard earlier training and start over.")] = False,
    seed: Annotated[
        int, typer.Option("--seed", help="Random seed: the same seed and recordings give the same voice.")
    ] = 0,
    consent: Annotated[
        list[str] | None,
        typer.Option(
            "--consent",
            help="Who agreed, to what and when, or a file that says so; NAME=... for one of several voices.",
            metavar="[NAME=]TEXT|FILE",
        ),
    ] = None,
    licence: Annotated[
        str | None, typer.Option("--licence", help="Licence of the voices, recorded on their cards.")
    ] = None,
    timelapse: Annotated[
        bool,
        typer.Option("--timelapse/--no-timelapse", help="Keep one sentence as each voice says it while it improves."),
    ] = True,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write event files for TensorBoard.")] = False,
    as_json: Json = False,
) -> None:
    """Train a voice from each folder of recordings. Run the same command again to resume."""
    shell = Shell(as_json)
    from voiceswap.provenance.consent import parse_consents, voices_without_consent
    from voiceswap.storage import paths

    names = [paths.voice_name_of(source) for source in sources]
    agreed = parse_consents(consent or [], names)
    unasked = voices_without_consent(names, agreed, paths.voices_folder(voices))
    for name in unasked if all(map(os.path.exists, sources)) else ():
        question = f"Who agreed to a voice {name}, to what, and when? A sentence or a file; Enter to leave it open: "
        agreed[name] = shell.ask(question)
    load_tensorflow()
    from voiceswap.jobs.train import train as job

    results = shell.run(
        job,
        *sources,
        voices=voices,
        minutes=minutes,
        more=more,
        fresh=fresh,
        seed=seed,
        consent=agreed,
        licence=licence,
        timelapse=timelapse,
        tensorboard=tensorboard,
    )
    for result in results:
        first, best = result.scores["first"], result.scores["best"]
        score = f"held-out error {first:.3f} before, {best:.3f} at step {result.best_step}"
        shell.say(f"{result.name}: {result.status}, {result.steps} steps in {result.trained_s / 60:.1f} min, {score}")
        if result.status != "stopped":
            shell.say(f"  {result.path}")
    if results and not shell.stopped():
        shell.say(f"next: voiceswap convert RECORDING --as {shlex.quote(results[-1].name)}")
    shell.result(results)
    if shell.stopped():
        shell.say(f"stopped; the same command {'without --fresh ' if fresh else ''}goes on")
        raise typer.Exit(shell.stopped.exit_code)
