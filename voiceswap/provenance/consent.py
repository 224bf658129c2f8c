"""Who agreed to a voice, to what and when: as given, as its card keeps it, as it is shown."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from voiceswap.errors import ModelError, UsageError
from voiceswap.provenance.record import file_sha256
from voiceswap.storage.folder import strict_json
from voiceswap.storage.paths import check_voice_name, run_path

MAX_CHARACTERS = 2000
SHOWN_CHARACTERS = 200
# Kept beside the checkpoints, so that a training that goes on need not be told again.
FILE_NAME = "agreement.json"
NONE = {"recorded": False}
# One word with a file's ending is a file that was misspelt, not what someone agreed to.
LIKE_A_FILE = re.compile(r"\S+\.[A-Za-z][A-Za-z0-9]{1,4}")


def consents_by_voice(
    given: str | Path | Mapping[str, str | Path] | None, names: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """What was given, as the cards of the voices keep it.

    Args:
        given: For a single voice a statement, or the path of a recording or text that holds it; for several, one for
            each by its name.
        names: The voices that are trained.

    Returns:
        One entry for each voice of which anything was given.

    Raises:
        UsageError: It is not said whose it is, it belongs to no voice here, its file is missing or cannot be read, or
            it is too long.
    """
    if isinstance(given, str | Path):
        if len(names) > 1:
            raise UsageError("it is unclear whose consent this is", f"say it for each of {', '.join(names)}")
        given = {names[0]: given}
    given = given or {}
    if unknown := sorted(set(given) - set(names)):
        raise UsageError(
            f"consent of {unknown[0]!r}, for whom no voice is trained here", f"wanted one of {', '.join(names)}"
        )
    return {name: _to_entry(value) for name, value in given.items() if str(value).strip()}


def parse_consents(texts: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """NAME=TEXT, or TEXT where there is but one voice, by the voice's name; raises UsageError if that is unclear."""
    consents: dict[str, str] = {}
    for text in texts:
        name, equals, rest = text.partition("=")
        if not equals or name not in names:
            if len(names) > 1:
                raise UsageError(
                    f"it is unclear whose consent {text[:60]!r} is", f"put NAME= before it: one of {', '.join(names)}"
                )
            name, rest = names[0], text
        if name in consents:
            raise UsageError(f"consent of {name} is given twice", "say it once")
        consents[name] = rest
    return consents


def _to_entry(value: str | Path) -> dict[str, Any]:
    text = str(value).strip()
    path = Path(value if isinstance(value, Path) else text)
    if os.path.isfile(path):
        return {"recorded": True, "file": path.name, "sha256": file_sha256(path)}
    if isinstance(value, Path) or LIKE_A_FILE.fullmatch(text):
        raise UsageError(f"no such file: {text}", "consent is a file, or a sentence: who agreed, to what, when")
    if len(text) > MAX_CHARACTERS:
        raise UsageError(
            f"the consent has {len(text)} characters, wanted at most {MAX_CHARACTERS}",
            "put it into a file and give the file's name",
        )
    return {"recorded": True, "statement": text}


def earlier_consent(run_folder: Path, voice_folder: Path) -> list[Mapping[str, Any]]:
    """What was said of a voice before, newest first: cards, or as much of them as was known. None that is unsound."""
    cards: list[Mapping[str, Any]] = []
    for path in (run_folder / FILE_NAME, voice_folder / "card.json"):
        with suppress(OSError, ModelError):
            value = strict_json(path.read_bytes(), str(path))
            cards += [value] if isinstance(value, dict) else []
    return cards


def voices_without_consent(names: Sequence[str], consents: Mapping[str, str], voices: Path) -> list[str]:
    """The voices of which nothing is told, neither now nor in an earlier training."""
    return [
        name
        for name in names
        if name not in consents
        and not any(map(is_recorded, earlier_consent(run_path(voices, name), voices / check_voice_name(name))))
    ]


def is_recorded(card: Mapping[str, Any]) -> bool:
    """Whether a voice's card says that someone agreed; cards may be old, or from a stranger."""
    consent = card.get("consent")
    return isinstance(consent, dict) and consent.get("recorded") is True


def consent_line(card: Mapping[str, Any]) -> str:
    """What a voice's card says of consent, in one line."""
    if not is_recorded(card):
        return "no consent is recorded"
    consent = card["consent"]
    if "file" in consent:
        return f"consent is in {_shorten(consent['file'])} (sha256 {_shorten(consent.get('sha256'))})"
    return f"consent: {_shorten(consent.get('statement'))}"


def _shorten(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."
