"""What a result says of itself: in its own tags, and beside it as JSON."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from voiceswap.audio.bext import Bext
from voiceswap.errors import ModelError, UsageError
from voiceswap.storage import atomic
from voiceswap.storage.folder import strict_json

# The International Press Telecommunications Council's word for what a trained network made.
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
SIDECAR_SUFFIX = ".json"
MAX_SIDECAR_BYTES = 65_536
MAX_VALUE_CHARACTERS = 500
BEGINNING = '{"voiceswap":'


@dataclass(frozen=True)
class Record:
    """How a recording was made.

    Attributes:
        voiceswap: The version of voiceswap that made it.
        voice: The voice's name.
        voice_id: The sha256 of the voice's weights; its first four digits are the tag of the mark.
        made: When, ISO 8601, UTC.
        digital_source_type: The IPTC's term for how it came to be.
        source_sha256: Of the file that was converted.
        marked: Whether it was marked: not with --no-mark, nor if it is too short.
        signed: Whether it was signed with Content Credentials.
    """

    voiceswap: str
    voice: str = ""
    voice_id: str = ""
    made: str = ""
    digital_source_type: str = ""
    source_sha256: str = ""
    marked: bool = False
    signed: bool = False


def record_tags(record: Record) -> dict[str, str]:
    """The tags of a result: tool, date, and a comment with a sentence for people and the record for programs."""
    # JSON in ASCII comes through every format's idea of an alphabet.
    return {
        "software": _name_tool(record),
        "date": record.made[:10],
        "comment": f"{_describe(record)} {json.dumps(asdict(record))}",
    }


def record_bext(record: Record) -> Bext:
    """What the bext chunk of a wav says; its reference is the first half of the sum of the source."""
    kind = record.digital_source_type.rpartition("/")[2]
    return Bext(_name_tool(record), record.source_sha256[:32], record.made, f"{_describe(record)}; {kind}")


def _name_tool(record: Record) -> str:
    return f"voiceswap {record.voiceswap}"


def _describe(record: Record) -> str:
    unmarked = "" if record.marked else ", not marked"
    return f"voice converted to {record.voice} with {_name_tool(record)}{unmarked}"


def record_from_tags(tags: dict[str, str]) -> Record | None:
    """The record in a file's tags; None if there is none. Whatever else is in them does no harm."""
    comment = tags.get("comment", "")
    first = comment.find(BEGINNING)
    if first < 0:
        return None
    with suppress(ModelError):
        return _parse_record(strict_json(comment[first:].encode(errors="replace"), "the comment"))
    return None


def _parse_record(value: Any) -> Record | None:
    if not isinstance(value, dict) or not isinstance(value.get("voiceswap"), str):
        return None
    values: dict[str, Any] = {}
    for field in fields(Record):
        kind = bool if isinstance(field.default, bool) else str
        if isinstance(value.get(field.name), kind):
            values[field.name] = value[field.name][:MAX_VALUE_CHARACTERS] if kind is str else value[field.name]
    return Record(**values)


def file_sha256(path: Path) -> str:
    """Of a file's bytes, in hexadecimal; raises UsageError if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {(error.strerror or str(error)).lower()}", "may you read it?") from error


def sidecar_path(output: Path) -> Path:
    """song.wav has its record in song.wav.json."""
    return output.with_name(output.name + SIDECAR_SUFFIX)


def write_sidecar(output: Path, record: Record) -> Path:
    """Write a result's record beside it, with the sha256 of the result; raises WriteError."""
    path = sidecar_path(output)
    atomic.write_json(path, asdict(record) | {"file": output.name, "sha256": file_sha256(output)})
    return path


def read_sidecar(output: Path) -> tuple[Record | None, str]:
    """The record beside a recording.

    Args:
        output: The recording.

    Returns:
        The record, if it is of this very file, and what is to be said: "" if there is none, "agrees", "is of another
        file, or this one was changed", or "cannot be read".
    """
    path = sidecar_path(output)
    try:
        kind = os.lstat(path)
        if not stat.S_ISREG(kind.st_mode) or kind.st_size > MAX_SIDECAR_BYTES:
            return None, "cannot be read"
        value = strict_json(path.read_bytes(), str(path))
    except FileNotFoundError:
        return None, ""
    except (OSError, ModelError):
        return None, "cannot be read"
    record = _parse_record(value)
    if record is None:
        return None, "cannot be read"
    if value.get("sha256") != file_sha256(output):
        return None, "is of another file, or this one was changed"
    return record, "agrees"
