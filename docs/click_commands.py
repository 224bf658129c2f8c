"""The commands as sphinx-click wants them: Typer brings a click of its own, which sphinx-click does not know."""

import inspect
import re
from typing import Any

import click
import typer

from voiceswap.shell.cli import app


def of_click(given: Any, name: str) -> click.Command:
    """A command, or a group with its commands, of Typer's click as the same of click itself.

    Args:
        given: What Typer made.
        name: What it is called by.

    Returns:
        The same name, help and parameters; it cannot be run.
    """
    context = given.make_context(name, [], resilient_parsing=True)
    told = {"help": inspect.cleandoc(given.help or ""), "params": [_parameter(p, context) for p in given.params]}
    if not hasattr(given, "commands"):
        return click.Command(name, **told)
    return click.Group(name, commands={key: of_click(one, key) for key, one in given.commands.items()}, **told)


def _parameter(given: Any, context: Any) -> click.Parameter:
    if given.param_type_name == "argument":
        return click.Argument([given.name], required=given.required, nargs=given.nargs, metavar=given.metavar)
    if given.is_flag:
        names = "/".join([*given.opts, *given.secondary_opts])
        return click.Option([given.name, names], is_flag=True, default=given.default, help=given.help)
    # As --help shows it: names and what follows them, then the text with its default.
    shown, text = given.get_help_record(context)
    metavar = re.sub(r"^.*--?[\w-]+ ?", "", shown)
    return click.Option(
        [given.name, *given.opts], metavar=metavar, help=text.removesuffix("[required]"), required=given.required
    )


commands = of_click(typer.main.get_command(app), "voiceswap")
