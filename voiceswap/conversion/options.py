"""The options of a conversion, declared once: command line, Python, workers and JSON speak of the same ones."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from voiceswap.errors import UsageError
from voiceswap.model.base import VOCODERS
from voiceswap.options import check_options
from voiceswap.signal.f0 import F0_METHODS

MODES = ("auto", "dry", "song")
MAX_PITCH_SEMITONES = 48.0
MAX_FORMANT_SEMITONES = 12.0
MAX_GAIN_DB = 40.0
MAX_JOBS = 64
# How much of the source's unvoiced sound stays if nobody says: docs/lab/breaths.md.
PROTECT = 0.0
VOCODER = "fast"

PATHS = ("out", "f0", "f0_out", "stems", "backing", "keep_stages", "voices")
SWITCHES = ("mark", "sidecar", "score", "strict", "force", "skip_existing")
NUMBERS = ("formant_semitones", "protect", "vocal_gain_db", "backing_gain_db")
# What belongs to one recording alone.
OF_ONE = ("f0", "f0_out", "stems", "backing", "keep_stages")


@dataclass(frozen=True)
class ConvertOptions:
    """What can be chosen for a conversion; `jobs.convert.convert` says what each option means.

    Attributes:
        as_: A voice's name or folder, or several: see `target`.
        out: The output, or a folder for several; None for beside each input.
        pitch_semitones: -48 to 48; None to have it found.
        formant_semitones: -12 to 12.
        protect: 0 to 1.
        vocoder: "fast", "best" or "quick".
        f0_method: "swift", "dio" or "harvest".
        f0: A curve to follow.
        f0_out: Where the source's curve goes.
        mode: "auto", "dry" or "song".
        track: Which of several sound tracks, from 1.
        stems: A folder for the parts of a song.
        backing: An accompaniment for a dry voice.
        vocal_gain_db: -40 to 40.
        backing_gain_db: -40 to 40.
        mark: Whether to watermark.
        sidecar: Whether to write the record beside the output.
        c2pa: A certificate and its key.
        keep_stages: A folder for intermediates.
        score: Whether to score the result.
        strict: Whether to refuse damaged recordings.
        voices: The voices folder.
        force: Whether outputs may be replaced.
        skip_existing: Whether recordings are left alone whose output exists.
        jobs: How many at once, 1 to 64.
    """

    as_: str | Path
    out: Path | None = None
    pitch_semitones: float | None = None
    formant_semitones: float = 0.0
    protect: float = PROTECT
    vocoder: str = VOCODER
    f0_method: str = F0_METHODS[0]
    f0: Path | None = None
    f0_out: Path | None = None
    mode: str = MODES[0]
    track: int = 1
    stems: Path | None = None
    backing: Path | None = None
    vocal_gain_db: float = 0.0
    backing_gain_db: float = 0.0
    mark: bool = True
    sidecar: bool = False
    c2pa: tuple[Path, Path] | None = None
    keep_stages: Path | None = None
    score: bool = False
    strict: bool = False
    voices: Path | None = None
    force: bool = False
    skip_existing: bool = False
    jobs: int = 1

    def __post_init__(self) -> None:
        """Bring paths to one form; raise UsageError for values that no conversion can have."""
        if not isinstance(self.as_, str | Path):
            raise UsageError(f"as_ is {str(self.as_)[:40]!r}", "wanted a voice's name, or the path of its folder")
        for name in PATHS:
            value = getattr(self, name)
            if not isinstance(value, str | Path | None):
                raise UsageError(f"{name} is {str(value)[:40]!r}", "wanted a path")
            object.__setattr__(self, name, Path(value) if value is not None else None)
        for name in SWITCHES:
            if not isinstance(value := getattr(self, name), bool):
                raise UsageError(f"{name} is {str(value)[:40]!r}", "wanted true or false")
        for name in (*NUMBERS, "pitch_semitones"):
            value = getattr(self, name)
            if not (_is_number(value) or (value is None and name == "pitch_semitones")):
                raise UsageError(f"{name} is {str(value)[:40]!r}", "wanted a number")
        self._check_sound()
        self._check_song()
        self._check_files()

    def _check_sound(self) -> None:
        if self.vocoder not in VOCODERS:
            raise UsageError(f"unknown vocoder {self.vocoder!r}", f"wanted one of {', '.join(VOCODERS)}")
        pitch = self.pitch_semitones
        if pitch is not None and not abs(pitch) <= MAX_PITCH_SEMITONES:
            raise UsageError(
                f"pitch is {pitch} semitones, wanted {-MAX_PITCH_SEMITONES:.0f} to {MAX_PITCH_SEMITONES:.0f}",
                "12 is an octave; leave it out to have it chosen",
            )
        if not abs(self.formant_semitones) <= MAX_FORMANT_SEMITONES:
            raise UsageError(
                f"formant is {self.formant_semitones} semitones, wanted {-MAX_FORMANT_SEMITONES:.0f} to "
                f"{MAX_FORMANT_SEMITONES:.0f}",
                "even 1 or -1 is audible; 0 leaves the voice as it is",
            )
        if not 0 <= self.protect <= 1:
            raise UsageError(
                f"protect is {self.protect}, wanted 0 to 1", "0.5 keeps half of the source's own consonants"
            )

    def _check_song(self) -> None:
        if self.mode not in MODES:
            raise UsageError(f"unknown mode {self.mode!r}", f"wanted one of {', '.join(MODES)}")
        if self.backing is not None and self.mode == "song":
            raise UsageError(
                "`backing` and `mode=song` exclude each other", "with `backing`, the recording is a dry voice"
            )
        for name, gain_db in (("vocal", self.vocal_gain_db), ("backing", self.backing_gain_db)):
            if not abs(gain_db) <= MAX_GAIN_DB:
                raise UsageError(f"the {name} gain is {gain_db} dB, wanted -40 to 40", "even 2 or -3 is audible")

    def _check_files(self) -> None:
        if not isinstance(self.jobs, int) or isinstance(self.jobs, bool) or not 1 <= self.jobs <= MAX_JOBS:
            raise UsageError(
                f"jobs is {self.jobs}, wanted 1 to {MAX_JOBS}",
                "start with 2: each is a process of about a gigabyte",
            )
        if not isinstance(self.track, int) or isinstance(self.track, bool) or self.track < 1:
            raise UsageError(f"track is {str(self.track)[:40]!r}, wanted a number from 1", "leave it out for the first")
        if self.f0_method not in F0_METHODS:
            raise UsageError(f"unknown F0 method {self.f0_method!r}", f"wanted one of {', '.join(F0_METHODS)}")
        if self.c2pa is None:
            return
        if not isinstance(self.c2pa, tuple | list) or len(self.c2pa) != 2:
            raise UsageError(f"c2pa is {str(self.c2pa)[:40]!r}", "wanted a certificate and its private key")
        object.__setattr__(self, "c2pa", tuple(Path(file) for file in self.c2pa))

    def check_inputs(self, n_inputs: int, *, is_folder: bool) -> bool:
        """Whether there are many recordings; raises UsageError for what belongs to one alone, or if there is none."""
        if not n_inputs:
            raise UsageError("nothing to convert", "give at least one recording")
        many = n_inputs > 1 or is_folder
        if many and any(getattr(self, name) is not None for name in OF_ONE):
            raise UsageError(
                "an F0 curve, stems, a backing or stages are for one recording at a time", "convert them one by one"
            )
        if many and self.score:
            raise UsageError("`score` takes one recording at a time", "use voiceswap evaluate for many")
        return many

    def to_json(self) -> dict[str, Any]:
        """The options as plain JSON values, paths absolute; `from_json` gives the same ones in any folder."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values |= {name: os.path.abspath(values[name]) for name in PATHS if values[name] is not None}
        if isinstance(self.as_, Path):
            values["as_"] = os.path.abspath(self.as_)
        if self.c2pa is not None:
            values["c2pa"] = [os.path.abspath(file) for file in self.c2pa]
        return values

    @classmethod
    def from_json(cls, values: Any) -> ConvertOptions:
        """Options out of plain JSON values.

        Args:
            values: As `to_json` gives them; what is left out has its default.

        Returns:
            The options.

        Raises:
            UsageError: An unknown option, none that names a voice, or a value that no conversion can have.
        """
        values = check_options(values, cls, "a conversion")
        if "as_" not in values:
            raise UsageError("no voice was given", "wanted `as_`: a voice's name, or the path of its folder")
        return cls(**values)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
