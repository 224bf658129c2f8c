"""The options of a training, declared once: checked when they are made, and the same from Python, shell and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from voiceswap.errors import UsageError
from voiceswap.options import check_options

MAX_MINUTES = 10_000
MAX_SEED = 2**32 - 1
MAX_LICENCE_CHARACTERS = 500
SWITCHES = ("more", "fresh", "timelapse", "tensorboard")
FOLDERS = ("voices", "base")
# How JSON tells a file of consent from a statement, and one for each voice from one for the only voice.
FILE = "file"
BY_VOICE = "by_voice"

Consent = str | Path | Mapping[str, str | Path]


@dataclass(frozen=True)
class TrainOptions:
    """What can be chosen for a training; `jobs.train.train` says what each option means.

    Attributes:
        voices: The voices folder; VOICESWAP_VOICES or the user's data directory for None.
        minutes: Time for each voice's training; more than 0, at most 10,000; None for as long as it gets better.
        more: Whether to train a voice that is ready further.
        fresh: Whether to forget what was trained.
        seed: Of everything random; 0 to 4,294,967,295.
        base: The base's folder; the shipped one for None.
        consent: Who agreed, to what and when: a statement, the path of a file, or one of both for each voice's name.
        licence: For the voices' cards; up to 500 characters.
        timelapse: Whether to keep one sentence said by each voice whenever it has become better.
        tensorboard: Whether to write event files for TensorBoard.
    """

    voices: Path | None = None
    minutes: float | None = None
    more: bool = False
    fresh: bool = False
    seed: int = 0
    base: Path | None = None
    consent: Consent | None = None
    licence: str | None = None
    timelapse: bool = True
    tensorboard: bool = False

    def __post_init__(self) -> None:
        """Raise UsageError for values that no training can have."""
        for name in SWITCHES:
            if not isinstance(value := getattr(self, name), bool):
                raise UsageError(f"{name} is {value!r}", "wanted true or false")
        for name in FOLDERS:
            value = getattr(self, name)
            if not isinstance(value, str | Path | None):
                raise UsageError(f"{name} is {value!r}", "wanted the path of a folder")
            object.__setattr__(self, name, Path(value) if value is not None else None)
        if self.more and self.fresh:
            raise UsageError("`more` and `fresh` exclude each other", "`more` continues, `fresh` starts over")
        check_minutes(self.minutes)
        if not isinstance(self.seed, int) or isinstance(self.seed, bool) or not 0 <= self.seed <= MAX_SEED:
            raise UsageError(f"seed is {self.seed!r}", f"wanted a whole number, 0 to {MAX_SEED}")
        _check_consent(self.consent)
        if self.licence is not None and not isinstance(self.licence, str):
            raise UsageError(f"licence is {self.licence!r}", "wanted text: give its name")
        if self.licence is not None and len(self.licence) > MAX_LICENCE_CHARACTERS:
            raise UsageError(
                f"the licence has {len(self.licence)} characters, wanted at most {MAX_LICENCE_CHARACTERS}",
                "give its name",
            )

    def to_json(self) -> dict[str, Any]:
        """The options as plain JSON values; `from_json` gives the same ones."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values |= {name: str(values[name]) for name in FOLDERS if values[name] is not None}
        return values | {"consent": _consent_to_json(self.consent)}

    @classmethod
    def from_json(cls, values: Any) -> TrainOptions:
        """Options out of plain JSON values.

        Args:
            values: As `to_json` gives them; what is left out has its default.

        Returns:
            The options.

        Raises:
            UsageError: An unknown option, or a value that no training can have.
        """
        values = check_options(values, cls, "a training")
        return cls(**{**values, "consent": _consent_from_json(values.get("consent"))})


def check_minutes(minutes: float | None) -> None:
    """Raise UsageError for a time that no training can be given."""
    if minutes is None:
        return
    if not isinstance(minutes, int | float) or isinstance(minutes, bool) or not 0 < minutes <= MAX_MINUTES:
        raise UsageError(
            f"minutes is {minutes}, wanted more than 0 and at most {MAX_MINUTES}",
            "leave it out: training ends by itself",
        )


def _check_consent(consent: Any) -> None:
    statements = consent.values() if isinstance(consent, Mapping) else [consent] if consent is not None else []
    for statement in statements:
        if not isinstance(statement, str | Path):
            raise UsageError(f"consent is {str(statement)[:40]!r}", "wanted a sentence or a file, one for each voice")


def _consent_to_json(consent: Consent | None) -> Any:
    if isinstance(consent, Mapping):
        return {BY_VOICE: {name: _consent_to_json(statement) for name, statement in consent.items()}}
    return {FILE: str(consent)} if isinstance(consent, Path) else consent


def _consent_from_json(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    if value.keys() == {BY_VOICE} and isinstance(value[BY_VOICE], Mapping):
        return {name: _consent_from_json(statement) for name, statement in value[BY_VOICE].items()}
    if value.keys() == {FILE} and isinstance(value[FILE], str):
        return Path(value[FILE])
    raise UsageError(f"consent is {str(value)[:40]!r}", f'wanted a sentence, or an object of "{FILE}" or "{BY_VOICE}"')
