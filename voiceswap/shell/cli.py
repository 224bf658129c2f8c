"""The command line: its commands in their order, and its entry point."""

from __future__ import annotations

import io
import os
import sys
from typing import Annotated

import typer

from voiceswap.shell.commands.check import check
from voiceswap.shell.commands.convert import convert
from voiceswap.shell.commands.demo import demo
from voiceswap.shell.commands.detect import detect
from voiceswap.shell.commands.doctor import doctor
from voiceswap.shell.commands.evaluate import evaluate
from voiceswap.shell.commands.info import info
from voiceswap.shell.commands.pretrain import pretrain
from voiceswap.shell.commands.report import report
from voiceswap.shell.commands.train import train
from voiceswap.shell.commands.voices import voices
from voiceswap.shell.console import run_guarded
from voiceswap.version import __version__

app = typer.Typer(
    name="voiceswap",
    help="Train a voice from minutes of speech and convert any recording into it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"voiceswap {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


# In the order in which --help lists them.
for _command in (
    check,
    train,
    convert,
    evaluate,
    report,
    detect,
    voices,
    info,
    pretrain,
    doctor,
    demo,
):
    app.command()(_command)


def open_streams() -> None:
    """Give what a service manager or a shell (>&-) closed to the null device: no later file may get such a number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if number == 0 else "w"))  # noqa: SIM115 - as long as we live


def main() -> None:
    """Entry point: run a command and exit with its code."""
    open_streams()
    # Names may have letters that the terminal's encoding does not know. On stderr Python does so by itself.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(run_guarded(app))
