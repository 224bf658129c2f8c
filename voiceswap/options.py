"""What options of all jobs have in common: plain JSON values to a dataclass, strictly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from voiceswap.errors import UsageError


def check_options(values: Any, options: type, job: str) -> Mapping[str, Any]:
    """Options as they came from JSON, if each is one that there is.

    Args:
        values: Plain JSON values.
        options: The dataclass that declares them.
        job: Whose they are, for the message: "a conversion".

    Returns:
        The same values.

    Raises:
        UsageError: They are no object, or one of them is unknown.
    """
    if not isinstance(values, Mapping):
        raise UsageError(f"the options of {job} are {str(values)[:40]!r}", "wanted an object")
    known = [field.name for field in fields(options)]
    if unknown := sorted(str(name) for name in values if name not in known):
        raise UsageError(f"unknown option: {', '.join(unknown)}", f"wanted some of {', '.join(known)}")
    return values
