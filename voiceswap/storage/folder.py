"""Folders that explain themselves: JSON documents, safetensors, and a manifest with the sum of each file."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from voiceswap.errors import ModelError
from voiceswap.storage import atomic
from voiceswap.storage.paths import MANIFEST
from voiceswap.version import __version__

Arrays = Mapping[str, NDArray[Any]]
Expected = Mapping[str, tuple[tuple[int, ...], str]]
SCHEMA_VERSION = 1
MANIFEST_KEYS = {"schema_version", "kind", "voiceswap_version", "files"}
MAX_JSON_BYTES = 4 << 20
MAX_JSON_DEPTH = 32
MAX_HEADER_BYTES = 1 << 20
TYPE_BYTES = {"BOOL": 1, "U8": 1, "I8": 1, "I16": 2, "F16": 2, "I32": 4, "F32": 4, "I64": 8, "F64": 8}
ARRAYS = ".safetensors"
STEP_NAME = re.compile(r"step-(\d{8,})")
OPEN_TRIES = 100
REPLACED = "begin again"
HINT = "it is damaged or not from voiceswap; get it again, or train it again"


def write_folder(
    path: Path,
    *,
    kind: str,
    documents: Mapping[str, Any],
    arrays: Mapping[str, Arrays],
    texts: Mapping[str, str] | None = None,
) -> None:
    """Write a folder whole, in place of a former one.

    Args:
        path: The folder.
        kind: What it is: "voice", "base", "checkpoint".
        documents: Plain JSON values; each becomes NAME.json.
        arrays: Named arrays; each group becomes NAME.safetensors.
        texts: Further text files by file name, such as licences.

    Raises:
        WriteError: The file system refused, or a folder that is not ours is in the way; a former folder is as it was.
    """
    files = {f"{name}.json": atomic.to_json(value) for name, value in documents.items()}
    files |= {f"{name}.safetensors": pack(group) for name, group in arrays.items()}
    files |= {name: text.encode() for name, text in (texts or {}).items()}
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "kind": kind,
        "voiceswap_version": __version__,
        "files": {name: {"sha256": _sha256(data), "bytes": len(data)} for name, data in files.items()},
    }
    manifest["sum"] = _sha256(atomic.to_json(manifest))
    with atomic.new_folder(path, sum(map(len, files.values()))) as temporary:
        for name, data in files.items():
            (temporary / name).write_bytes(data)
        (temporary / MANIFEST).write_bytes(atomic.to_json(manifest))


def pack(arrays: Arrays) -> bytes:
    """Named arrays as a safetensors file."""
    # asarray, since ascontiguousarray would turn a step counter of shape () into one of shape (1,).
    return save({key: np.asarray(value, order="C") for key, value in arrays.items()})


@dataclass(frozen=True)
class Folder:
    """A folder's files as they were when it was opened, whatever another process saves meanwhile.

    Attributes:
        path: Where it lies.
        manifest: Its manifest.
        files: What its files hold, by name; one that is not held is read again when it is asked for.
    """

    path: Path
    manifest: dict[str, Any]
    files: Mapping[str, bytes] = field(repr=False)

    def document(self, name: str) -> dict[str, Any]:
        """The JSON object in NAME.json; raises ModelError if there is none."""
        where = f"{self.path / name}.json"
        value = strict_json(self._data(f"{name}.json"), where)
        if not isinstance(value, dict):
            raise ModelError(f"{where} holds a {type(value).__name__}, wanted an object", HINT)
        return value

    def arrays(self, name: str, expected: Expected) -> dict[str, NDArray[Any]]:
        """The arrays of NAME.safetensors.

        Args:
            name: The file's name without its ending.
            expected: Shape and type ("F16", "F32", "I64" ...) of every array there must be; no other may.

        Returns:
            The arrays by name.

        Raises:
            ModelError: The file holds anything else; told from its header, before an array is made.
        """
        where = f"{self.path / name}.safetensors"
        data = self._data(f"{name}.safetensors")
        header_bytes = int.from_bytes(data[:8], "little")
        limit = min(MAX_HEADER_BYTES, len(data) - 8)
        if header_bytes > limit:
            raise ModelError(f"{where} claims a header of {header_bytes} bytes, wanted at most {limit}", HINT)
        header = strict_json(data[8 : 8 + header_bytes], f"the header of {where}")
        _check_header(header, expected, where)
        array_bytes = sum(math.prod(shape) * TYPE_BYTES[dtype] for shape, dtype in expected.values())
        if len(data) != 8 + header_bytes + array_bytes:
            raise ModelError(f"{where} has {len(data)} bytes, wanted {8 + header_bytes + array_bytes}", HINT)
        try:
            return load(data)
        except SafetensorError as error:
            raise ModelError(f"{where} cannot be read: {error}", HINT) from error

    def sum_of(self, name: str) -> str:
        """The sha256 of a file, in hexadecimal; raises ModelError if there is none of that name."""
        if name not in self.manifest["files"]:
            raise ModelError(f"{self.path} has no {name}", HINT)
        return str(self.manifest["files"][name]["sha256"])

    def without(self, name: str) -> Folder:
        """The same folder without what one of its files holds: who has no more use for it frees the memory."""
        return replace(self, files={other: data for other, data in self.files.items() if other != name})

    def _data(self, name: str) -> bytes:
        if name in self.files:
            return self.files[name]
        sha256 = self.sum_of(name)
        try:
            data = (self.path / name).read_bytes()
        except OSError as error:
            raise ModelError(f"{self.path / name} cannot be read any more", REPLACED) from error
        if _sha256(data) != sha256:
            raise ModelError(f"{self.path / name} was replaced while it was in use", REPLACED)
        return data


def _check_header(header: Any, expected: Expected, where: str) -> None:
    if not isinstance(header, dict):
        raise ModelError(f"the header of {where} is a {type(header).__name__}, wanted an object", HINT)
    names = header.keys() - {"__metadata__"}
    if missing := sorted(expected.keys() - names):
        raise ModelError(f"{where} lacks the array {missing[0]!r} ({len(missing)} in all)", HINT)
    if extra := sorted(names - expected.keys()):
        raise ModelError(f"{where} has the unknown array {extra[0][:80]!r} ({len(extra)} in all)", HINT)
    for key, (shape, dtype) in expected.items():
        entry = header[key] if isinstance(header[key], dict) else {}
        if (entry.get("dtype"), entry.get("shape")) != (dtype, list(shape)):
            claimed = f"{entry.get('dtype')} {entry.get('shape')}"[:80]
            raise ModelError(f"{where}: array {key!r} is {claimed}, wanted {dtype} {list(shape)}", HINT)


def open_folder(path: Path, *, kind: str, max_bytes: int, hold: bool = True) -> Folder:
    """Read a folder and verify every file in it.

    Args:
        path: The folder.
        kind: What it must be.
        max_bytes: How much its files may take in all.
        hold: Whether its arrays stay in memory as they are in the files; if not they are read, and verified, once more
            when they are asked for.

    Returns:
        The folder.

    Raises:
        ModelError: Something is missing, too large, of another kind or version, a link, unlisted, or altered.
    """
    for _ in range(OPEN_TRIES):
        before = _identify(path)
        try:
            return _open_once(path, kind, max_bytes, hold)
        except ModelError:
            # If it is another folder by now, then a part was read of one save and a part of the next.
            if before == _identify(path):
                raise
        except FileNotFoundError as error:
            # If it is there, then it was aside for a moment.
            if not atomic.exists(path):
                raise ModelError(f"there is no {kind} at {path}", "is the name right?") from error
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise ModelError(f"cannot read the {kind} {path}: {reason}", "may you read it?") from error
    raise ModelError(f"{path} kept being replaced while it was read", "try again")


def _identify(path: Path) -> tuple[int, int] | None:
    atomic.recover(path)
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_ino, state.st_mtime_ns


def _open_once(path: Path, kind: str, max_bytes: int, hold: bool) -> Folder:
    present = set(os.listdir(path))
    where = path / MANIFEST
    if MANIFEST not in present:
        raise ModelError(f"{path} has no {MANIFEST}, so it is no {kind}", "is this the right folder?")
    if (size := _count_file_bytes(where)) > MAX_JSON_BYTES:
        raise ModelError(f"{where} has {size} bytes, wanted at most {MAX_JSON_BYTES}", HINT)
    written = where.read_bytes()
    manifest = strict_json(written, str(where))
    _check_manifest(manifest, kind, where)
    if "sum" in manifest:  # The first voices had none.
        summed = {key: value for key, value in manifest.items() if key != "sum"}
        if manifest["sum"] != _sha256(atomic.to_json(summed)) or written != atomic.to_json(manifest):
            raise ModelError(f"{where} was changed after it was written", HINT)
    listed: dict[str, dict[str, Any]] = manifest["files"]
    if missing := sorted(listed.keys() - present):
        raise ModelError(f"{path} lacks {missing[0][:80]!r}", HINT)
    if extra := sorted(present - listed.keys() - {MANIFEST}):
        raise ModelError(f"{path} holds {extra[0][:80]!r}, which {MANIFEST} does not list", HINT)
    sizes = {name: _count_file_bytes(path / name) for name in listed}
    if sum(sizes.values()) > max_bytes:
        raise ModelError(f"{path} has {sum(sizes.values())} bytes, wanted at most {max_bytes}", HINT)
    for name, entry in listed.items():
        if sizes[name] != entry["bytes"]:
            raise ModelError(f"{path / name} has {sizes[name]} bytes, wanted {entry['bytes']}", HINT)
    files = {}
    for name, entry in listed.items():
        data = (path / name).read_bytes()
        sha256, listed_sha256 = _sha256(data), entry["sha256"]
        if sha256 != listed_sha256:
            raise ModelError(f"{path / name} has sha256 {sha256[:12]}..., wanted {listed_sha256[:12]}...", HINT)
        if hold or not name.endswith(ARRAYS):
            files[name] = data
    return Folder(path, manifest, files)


def _check_manifest(manifest: Any, kind: str, where: Path) -> None:
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise ModelError(f"{where} lists no files", HINT)
    if manifest.get("schema_version") != SCHEMA_VERSION:
        version = str(manifest.get("schema_version"))[:40]
        raise ModelError(f"{where} has schema_version {version}, wanted {SCHEMA_VERSION}", "update voiceswap")
    if manifest.get("kind") != kind:
        other_kind = str(manifest.get("kind"))[:40]
        raise ModelError(f"{where.parent} is a {other_kind!r}, wanted a {kind}", "is this the right folder?")
    if different := sorted((manifest.keys() - {"sum"}) ^ MANIFEST_KEYS):
        raise ModelError(f"{where} lacks or should not have {different[0][:80]!r}", HINT)
    for name, entry in manifest["files"].items():
        types = [type(entry.get(key)) for key in ("sha256", "bytes")] if isinstance(entry, dict) else []
        # Names are data: one that is a path must never be joined to a folder.
        if types != [str, int] or name in {"", "..", MANIFEST} or re.search(r"[/\\:\0]", name):
            raise ModelError(f"{where} has an invalid entry {name[:80]!r}", HINT)


def _count_file_bytes(path: Path) -> int:
    state = path.lstat()
    if not stat.S_ISREG(state.st_mode):
        raise ModelError(f"{path} is a link or a device, wanted a plain file", HINT)
    return state.st_size


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def strict_json(text: bytes, where: str) -> Any:
    """Read JSON that has one meaning: no key twice, no NaN or infinity, no nesting beyond 32, at most 4 MB.

    Args:
        text: UTF-8.
        where: What to call it in the message.

    Returns:
        Plain values.

    Raises:
        ModelError: It is anything else.
    """
    try:
        if len(text) > MAX_JSON_BYTES:
            raise ValueError(f"{len(text)} bytes, wanted at most {MAX_JSON_BYTES}")
        decoded = text.decode()
        value = json.loads(decoded, parse_constant=_parse_finite, parse_float=_parse_finite, object_pairs_hook=_to_dict)
        if _measure_depth(value) > MAX_JSON_DEPTH:
            raise RecursionError
    except RecursionError as error:  # The parser's own, too.
        raise ModelError(f"{where} is not valid JSON: nested deeper than {MAX_JSON_DEPTH}", HINT) from error
    except ValueError as error:
        raise ModelError(f"{where} is not valid JSON: {str(error)[:120]}", HINT) from error
    return value


def _parse_finite(number: str) -> float:
    if not math.isfinite(value := float(number)):
        raise ValueError(f"holds the number {number[:40]}")
    return value


def _to_dict(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for key, inner in pairs:
        if key in value:
            raise ValueError(f"holds the key {key[:40]!r} twice")
        value[key] = inner
    return value


def _measure_depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_measure_depth, inner), default=0)


def step_path(run: Path, step: int) -> Path:
    """Where a run keeps the checkpoint of a step."""
    return run / f"step-{step:08d}"


def find_latest(
    run: Path, *, kind: str, max_bytes: int, skipped: list[ModelError] | None = None
) -> tuple[int, Folder] | None:
    """The newest checkpoint of a run that is whole.

    Args:
        run: The run's folder; it may be missing.
        kind: As `open_folder`.
        max_bytes: As `open_folder`.
        skipped: Gets what is wrong with each newer checkpoint that was passed over.

    Returns:
        Its step and the opened folder, or None if there is none.
    """
    for step in reversed(_steps(run)):
        try:
            return step, open_folder(step_path(run, step), kind=kind, max_bytes=max_bytes)
        except ModelError as error:
            if skipped is not None:
                skipped.append(error)
    return None


def prune(run: Path, keep: int = 2) -> None:
    """Delete a run's checkpoints but for the newest `keep`."""
    steps = _steps(run)
    for step in steps[: max(0, len(steps) - keep)]:
        shutil.rmtree(step_path(run, step), ignore_errors=True)


def _steps(run: Path) -> list[int]:
    names = os.listdir(run) if run.is_dir() else []
    steps = sorted(int(match[1]) for match in map(STEP_NAME.fullmatch, names) if match)
    return [step for step in steps if step_path(run, step).name in names]
