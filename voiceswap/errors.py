"""The failures that a user can cause: what happened, what to do next, and the exit code.

Messages name options as Python and JSON do, between backticks: "give `force` to replace it". Each face words them its
own way; the command line says --force.
"""

from __future__ import annotations

import re

# An option, or one with its value: `force`, `mode=dry`.
OPTION = re.compile(r"`([a-z][a-z0-9_]*(?:=\w+)?)`")


class VoiceswapError(Exception):
    """A failure with a message for a person.

    Args:
        message: One line: what, where, the value found, the value wanted.
        hint: The next step, or an empty string.

    Attributes:
        message: As given.
        hint: As given.
        exit_code: What the command line exits with.
        options: The options that both speak of, in order, each once.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def options(self) -> tuple[str, ...]:
        """The options that message and hint speak of, by their Python names, in order, each once."""
        return tuple(dict.fromkeys(OPTION.findall(f"{self.message}\n{self.hint}")))


class UsageError(VoiceswapError):
    """The command or call was wrong: a missing file, a bad name, an output that exists."""

    exit_code = 2


class AudioError(VoiceswapError):
    """A recording that cannot be used."""

    exit_code = 3


class ModelError(VoiceswapError):
    """A voice, base or checkpoint that cannot be used or trusted."""

    exit_code = 4


class BusyError(VoiceswapError):
    """Another process holds what this one needs."""

    exit_code = 5


class WriteError(VoiceswapError):
    """Something could not be written."""

    exit_code = 6


class StoppedError(VoiceswapError):
    """The user stopped it; what was done is kept."""

    exit_code = 130
