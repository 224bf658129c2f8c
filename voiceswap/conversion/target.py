"""Who a recording is to sound like: the grammar of `as_`, parsed in one place.

    NAME                            a voice: its name, or the path of its folder
    NAME:WEIGHT,NAME:WEIGHT         a blend: weights above 0, whose sum counts as 1
    ROLE=NAME,ROLE=NAME             a voice for each role of a song: lead, backing

A voice or a folder that bears the whole text as its name wins over what the text could mean otherwise.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

from voiceswap.errors import ModelError, UsageError
from voiceswap.storage import paths

ROLES = ("lead", "backing")
# What a role may have instead of a voice: it stays as it is sung.
KEEP = "keep"
FORMS = "wanted NAME, or NAME:WEIGHT,NAME:WEIGHT, or ROLE=NAME,ROLE=NAME"


@dataclass(frozen=True)
class Target:
    """Who a recording is to sound like; exactly one of these says so.

    Attributes:
        voice: A voice's name or folder.
        weights: Names of voices with their shares, which add up to 1.
        roles: Names of voices by their roles.
    """

    voice: str | Path | None = None
    weights: tuple[tuple[str, float], ...] = ()
    roles: tuple[tuple[str, str], ...] = ()


def parse_target(text: str | Path, voices: Path) -> Target:
    """Parse `as_`.

    Args:
        text: What was given.
        voices: The voices folder: a voice there that bears the whole text wins.

    Returns:
        The target; a plain name is not looked for.

    Raises:
        UsageError: It is neither of the forms: says what was found and wanted.
    """
    if isinstance(text, Path) or not any(sign in text for sign in ",="):
        # One name with one weight is that name, unless a voice bears the weight in its own.
        name, colon, weight = str(text).rpartition(":")
        if isinstance(text, Path) or not colon or not _is_weight(weight) or _is_known(text, voices):
            return Target(voice=text)
        return Target(weights=((_check_name(name, text), 1.0),))
    if _is_known(text, voices):
        return Target(voice=text)
    parts = text.split(",")
    if all("=" in part for part in parts):
        return Target(roles=_parse_roles(parts, text))
    return Target(weights=_parse_weights(parts, text))


def find_voice_of(text: str | Path, voices: Path) -> str | Path:
    """The one voice that `as_` names; raises UsageError for blends and roles, which are not there yet."""
    target = parse_target(text, voices)
    if target.voice is None:
        what = "a blend of voices" if target.weights else "a voice for each role"
        raise UsageError(f"`as_` asks for {what} ({text}): not yet", "name one voice")
    return target.voice


def _is_known(text: str, voices: Path) -> bool:
    try:
        paths.find_voice(text, voices)
    except (ModelError, UsageError):
        # A folder that is no voice, but there: its own error says more than one about grammar.
        return os.path.isdir(text)
    return True


def _parse_weights(parts: list[str], text: str) -> tuple[tuple[str, float], ...]:
    weights: dict[str, float] = {}
    for part in parts:
        name, colon, weight = part.rpartition(":")
        if not colon or not _is_weight(weight):
            raise UsageError(f"`as_` has {part[:40]!r} in {text[:80]!r}", f"{FORMS}; a weight is a number above 0")
        if _check_name(name, text) in weights:
            raise UsageError(f"`as_` names {name} twice in {text[:80]!r}", FORMS)
        weights[name.strip()] = float(weight)
    total = sum(weights.values())
    return tuple((name, weight / total) for name, weight in weights.items())


def _parse_roles(parts: list[str], text: str) -> tuple[tuple[str, str], ...]:
    roles: dict[str, str] = {}
    for part in parts:
        role, _, name = part.partition("=")
        if (role := role.strip()) not in ROLES:
            raise UsageError(f"`as_` has the role {role[:40]!r} in {text[:80]!r}", f"wanted one of {', '.join(ROLES)}")
        if role in roles:
            raise UsageError(f"`as_` names {role} twice in {text[:80]!r}", FORMS)
        roles[role] = _check_name(name, text)
    return tuple(roles.items())


def _check_name(name: str, text: str) -> str:
    if not name.strip():
        raise UsageError(f"`as_` lacks a name in {text[:80]!r}", FORMS)
    return name.strip()


def _is_weight(text: str) -> bool:
    try:
        weight = float(text)
    except ValueError:
        return False
    return math.isfinite(weight) and weight > 0
