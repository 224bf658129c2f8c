"""R3: the power fails at every moment of a save, and what was not synced is gone, halved or zeroed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from voiceswap.errors import ModelError
from voiceswap.storage import atomic, folder
from voiceswap.storage.folder import find_latest

Event = tuple[str, Path, Any]


def save(path: Path, number: int) -> None:
    arrays = {"state": {"a": np.full(200, number, np.float32)}, "best": {"b": np.full(50, number, np.float32)}}
    folder.write_folder(path, kind="checkpoint", documents={"run": {"number": number}}, arrays=arrays)


def number_in(opened: folder.Folder) -> int:
    number = int(opened.document("run")["number"])
    assert np.all(opened.arrays("state", {"a": ((200,), "F32")})["a"] == number)
    assert np.all(opened.arrays("best", {"b": ((50,), "F32")})["b"] == number)
    return number


class Recorder:
    """What a save asks of the file system, in its order."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.events: list[Event] = []
        write_bytes, mkdir, sync, rename, remove = (
            Path.write_bytes,
            Path.mkdir,
            atomic._sync,
            os.replace,
            atomic._remove,
        )

        def record(kind: str, path: Path, more: Any = None) -> None:
            self.events.append((kind, Path(path), more))

        def recorded_write(path: Path, data: bytes) -> int:
            record("write", path, data)
            return write_bytes(path, data)

        def recorded_mkdir(path: Path, *arguments: Any, **options: Any) -> None:
            if not path.exists():
                record("mkdir", path)
            mkdir(path, *arguments, **options)

        def recorded_sync(path: Path) -> None:
            record("sync", path)
            sync(path)

        def recorded_rename(source: Path, target: Path, **options: Any) -> None:
            record("rename", source, Path(target))
            rename(source, target, **options)

        def recorded_remove(path: Path) -> None:
            if path.exists():
                record("remove", path)
            remove(path)

        patch.setattr(Path, "write_bytes", recorded_write)
        patch.setattr(Path, "mkdir", recorded_mkdir)
        patch.setattr(atomic, "_sync", recorded_sync)
        patch.setattr(os, "replace", recorded_rename)
        patch.setattr(atomic, "_remove", recorded_remove)


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "kept": lambda data: data,
    "dropped": lambda data: b"",
    "halved": lambda data: data[: len(data) // 2],
    "zeroed": lambda data: bytes(len(data)),
}


def disks(start: dict[Path, bytes], events: list[Event]) -> Iterator[tuple[str, dict[Path, bytes | None]]]:
    """Every disk that may be found: after each event, with as many of the names not yet synced as have arrived."""
    for n_done in range(len(events) + 1):
        synced_data = {path for kind, path, _ in events[:n_done] if kind == "sync"}
        names = [i for i, (kind, _, _) in enumerate(events[:n_done]) if kind in ("mkdir", "write", "rename", "remove")]
        # A name is safe once its folder was synced after it.
        safe = {i for i in names if any(k == "sync" and p == parent(events[i]) for k, p, _ in events[i + 1 : n_done])}
        pending = [i for i in names if i not in safe]
        for n_arrived in range(len(pending) + 1):
            arrived = safe | set(pending[:n_arrived])
            for damage, spoil in DAMAGES.items():
                tree: dict[Path, bytes | None] = dict(start)
                for i in sorted(arrived):
                    apply(tree, events[i], spoil, synced_data)
                yield f"after {n_done} of {len(events)}, {n_arrived} of {len(pending)} names, {damage}", tree


def parent(event: Event) -> Path:
    kind, path, more = event
    return more.parent if kind == "rename" else path.parent


def apply(tree: dict[Path, bytes | None], event: Event, spoil: Callable[[bytes], bytes], synced: set[Path]) -> None:
    kind, path, more = event
    if kind == "mkdir":
        tree[path] = None
    elif kind == "write":
        tree[path] = more if path in synced else spoil(more)
    elif kind == "remove":
        for inner in [p for p in tree if p == path or path in p.parents]:
            del tree[inner]
    else:
        for inner in [p for p in tree if p == path or path in p.parents]:
            tree[more / inner.relative_to(path)] = tree.pop(inner)


def put(tree: dict[Path, bytes | None], place: Path, root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for path, data in tree.items():
        target = root / path.relative_to(place)
        if data is None:
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)


def files(place: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}


def recorded(place: Path, action: Callable[[], None]) -> tuple[dict[Path, bytes], list[Event]]:
    start = files(place)
    with pytest.MonkeyPatch.context() as patch:
        recorder = Recorder(patch)
        action()
    return start, recorder.events


def test_r3_a_checkpoint_is_the_new_or_the_one_before(tmp_path: Path) -> None:
    run = tmp_path / "run"
    save(folder.step_path(run, 1), 1)
    start, events = recorded(run, lambda: save(folder.step_path(run, 2), 2))
    seen, n_cases = [], 0
    for label, tree in disks(start, events):
        put(tree, run, tmp_path / "after")
        found = find_latest(tmp_path / "after", kind="checkpoint", max_bytes=1 << 20)
        assert found is not None, label
        assert number_in(found[1]) == found[0], label
        seen.append(found[0])
        atomic.sweep(tmp_path / "after")
        n_cases += 1
    assert n_cases >= 100
    assert set(seen) == {1, 2}
    assert seen[-1] == 2


def test_r3_a_replaced_voice_is_the_new_or_the_former(tmp_path: Path) -> None:
    place = tmp_path / "voices"
    save(place / "zoe", 1)
    start, events = recorded(place, lambda: save(place / "zoe", 2))
    seen, n_cases = [], 0
    for label, tree in disks(start, events):
        put(tree, place, tmp_path / "after")
        try:
            opened = folder.open_folder(tmp_path / "after" / "zoe", kind="checkpoint", max_bytes=1 << 20)
        except ModelError as error:
            pytest.fail(f"{label}: {error.message}")
        seen.append(number_in(opened))
        n_cases += 1
    assert n_cases >= 100
    assert set(seen) == {1, 2}
    assert seen[-1] == 2


def test_r3_the_simulation_notices_a_save_that_does_not_sync(tmp_path: Path) -> None:
    """The oracle's own test: without its syncs the protocol fails in this simulation."""
    run = tmp_path / "run"
    save(folder.step_path(run, 1), 1)
    start, events = recorded(run, lambda: save(folder.step_path(run, 2), 2))
    careless = [event for event in events if event[0] != "sync"]
    skipped: list[ModelError] = []
    for _, tree in disks(start, careless):
        put(tree, run, tmp_path / "after")
        find_latest(tmp_path / "after", kind="checkpoint", max_bytes=1 << 20, skipped=skipped)
    assert skipped
