"""Recordings that come through pipes: kept in files while a job runs, called by their own names in all it says."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from voiceswap.audio.pipes import is_piped, keep_piped, name_piped
from voiceswap.errors import VoiceswapError
from voiceswap.events import Event, Note, OnEvent, Progress

Value = TypeVar("Value", str, Path)


@dataclass(frozen=True)
class Piped:
    """Inputs of which some came through pipes.

    Attributes:
        paths: Where each can be read.
        called: What those that came through a pipe are called.
        on_event: Tells what a job says, with these names.
    """

    paths: list[Path]
    called: Mapping[Path, Path]
    on_event: OnEvent

    def name(self, value: Value) -> Value:
        """A path or a text with the names that were given."""
        text = os.fspath(value)
        for path, called in self.called.items():
            text = text.replace(str(path), str(called))
        return type(value)(text)


@contextmanager
def keep_inputs(inputs: Sequence[str | Path], on_event: OnEvent) -> Iterator[Piped]:
    """Keep what comes through pipes until a job is done with it.

    Args:
        inputs: Paths; "-" is standard input.
        on_event: Told what the job says.

    Yields:
        The inputs.

    Raises:
        UsageError: A terminal, or something that is closed.
        AudioError: Nothing comes, or too much.
        WriteError: There is no room to keep it.
    """
    with ExitStack() as stack:
        called: dict[Path, Path] = {}
        paths = []
        for path in map(Path, inputs):
            kept = stack.enter_context(keep_piped(path)) if is_piped(path) else path
            if kept is not path:
                called[kept] = Path(name_piped(path))
            paths.append(kept)

        def tell(event: Event) -> None:
            if isinstance(event, Note) and called:
                event = replace(event, text=piped.name(event.text))
            elif isinstance(event, Progress) and called:
                event = replace(event, voice=piped.name(event.voice))
            on_event(event)

        piped = Piped(paths, called, tell)
        try:
            yield piped
        except VoiceswapError as error:
            error.message = piped.name(error.message)
            error.args = (error.message,)
            raise
