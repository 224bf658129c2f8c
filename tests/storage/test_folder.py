"""Tests of voice, base and checkpoint folders: round trips, damage, hostile makers, dying writers."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pickle
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save

import voiceswap
from voiceswap.errors import ModelError, WriteError
from voiceswap.storage import atomic, folder
from voiceswap.storage.folder import Folder, find_latest, open_folder, strict_json, write_folder

MAX_BYTES = 1_000_000
ARRAYS: dict[str, NDArray[Any]] = {
    "kernel": np.arange(24, dtype=np.float16).reshape(2, 3, 4),
    "bias": np.linspace(-1, 1, 5, dtype=np.float32),
    "step": np.array(7, np.int64),
}
EXPECTED: folder.Expected = {"kernel": ((2, 3, 4), "F16"), "bias": ((5,), "F32"), "step": ((), "I64")}
CONFIG = {"name": "Zoë", "sizes": [1, 2], "rate": 0.5, "nothing": None, "inner": {"on": True}}


def make(path: Path, kind: str = "voice", arrays: folder.Arrays = ARRAYS, **document: Any) -> Path:
    texts = {"LICENSE.txt": "free ©\n"}
    write_folder(path, kind=kind, documents={"config": document or CONFIG}, arrays={"weights": arrays}, texts=texts)
    return path


def opened(path: Path) -> Folder:
    return open_folder(path, kind="voice", max_bytes=MAX_BYTES)


def use(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Everything that a reader of a voice does."""
    voice = opened(path)
    return voice.document("config"), voice.arrays("weights", EXPECTED)


def reseal(path: Path, **changes: Any) -> None:
    """Make the manifest agree with the files again, as a hostile maker would."""
    files = {
        file.name: {"sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "bytes": file.stat().st_size}
        for file in path.iterdir()
        if file.is_file() and file.name != "manifest.json"
    }
    manifest = {"schema_version": 1, "kind": "voice", "voiceswap_version": "0.1.0", "files": files}
    (path / "manifest.json").write_text(json.dumps(manifest | changes))


# Round trips


def test_what_was_written_is_read(tmp_path: Path) -> None:
    voice = opened(make(tmp_path / "voices" / "zoe"))
    assert voice.document("config") == CONFIG
    arrays = voice.arrays("weights", EXPECTED)
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        assert arrays[name].shape == array.shape
        np.testing.assert_array_equal(arrays[name], array)
    assert (voice.path / "LICENSE.txt").read_text() == "free ©\n"


def test_manifest_says_what_is_there(tmp_path: Path) -> None:
    path = make(tmp_path / "zoe")
    manifest = json.loads((path / "manifest.json").read_text())
    assert {key: manifest[key] for key in ("schema_version", "kind", "voiceswap_version")} == {
        "schema_version": 1,
        "kind": "voice",
        "voiceswap_version": voiceswap.__version__,
    }
    assert manifest["files"].keys() == {"config.json", "weights.safetensors", "LICENSE.txt"}
    assert manifest["files"]["config.json"] == {
        "sha256": hashlib.sha256((path / "config.json").read_bytes()).hexdigest(),
        "bytes": (path / "config.json").stat().st_size,
    }


def test_same_content_is_the_same_bytes_and_order_in_memory_does_not_matter(tmp_path: Path) -> None:
    fortran = {name: np.asfortranarray(a) if a.ndim else a for name, a in ARRAYS.items()}
    first, second = make(tmp_path / "a"), make(tmp_path / "b", arrays=fortran)
    for file in first.iterdir():
        assert file.read_bytes() == (second / file.name).read_bytes()


def test_opened_folder_stays_what_it_was_when_another_takes_its_place(tmp_path: Path) -> None:
    voice = opened(make(tmp_path / "zoe", n=1))
    make(tmp_path / "zoe", n=2)
    assert voice.document("config") == {"n": 1}
    assert opened(tmp_path / "zoe").document("config") == {"n": 2}


def test_nothing_of_nan_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        make(tmp_path / "zoe", score=float("nan"))
    assert not list(tmp_path.iterdir())


def test_refused_write_keeps_the_former(tmp_path: Path) -> None:
    path = make(tmp_path / "zoe")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(WriteError, match=f"cannot write {path}: file too large"):
            make(path, arrays={"large": np.zeros(5000, np.float32)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert use(path)[0] == CONFIG
    assert os.listdir(tmp_path) == ["zoe"]


def test_half_of_a_surrogate_pair_is_kept_and_a_strangers_does_no_harm(tmp_path: Path) -> None:
    document = {"file": "take\udce9.wav", "text": "\\udce9"}
    assert opened(make(tmp_path / "zoe", **document)).document("config") == document
    path = make(tmp_path / "hostile")
    entry = {"sha256": "0", "bytes": 1}
    for name in ("\ud800", "\udce9"):
        reseal(path, files={name: entry}, sum="0")
        with pytest.raises(ModelError, match="was changed after it was written"):
            opened(path)


# Hostile makers: the sums in the manifest are right in all of these


class Payload:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("was-here",)


def tensors(header: Any, data: bytes = b"", *, size: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if size is None else size).to_bytes(8, "little") + text + data


def entry(dtype: str, shape: list[Any], first: int, last: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [first, last]}


STEP, BIAS, KERNEL = entry("I64", [], 0, 8), entry("F32", [5], 8, 28), entry("F16", [2, 3, 4], 28, 76)
SOUND = {"step": STEP, "bias": BIAS, "kernel": KERNEL}

WEIGHTS: dict[str, tuple[bytes, str]] = {
    "pickle": (pickle.dumps(Payload()), "claims a header|not valid JSON"),
    "keras zip": (b"PK\x03\x04" + bytes(200), "claims a header"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(200), "claims a header"),
    "empty": (b"", "claims a header"),
    "seven bytes": (bytes(7), "claims a header"),
    "no header": (bytes(8), "not valid JSON"),
    "huge header": (tensors(b" " * (1 << 20), bytes(8)), "not valid JSON|claims a header"),
    "header over 1 MB": (
        tensors(json.dumps(SOUND).encode().ljust(900_000) + b" " * 150_000),
        "claims a header",
    ),
    "header of 2^63": (tensors(SOUND, bytes(76), size=1 << 63), "claims a header of 9223372036854775808"),
    "header beyond the end": (tensors(SOUND, size=10_000), "claims a header of 10000"),
    "header is a list": (tensors([1]), "is a list, wanted an object"),
    "header nested deep": (tensors(b"[" * 100_000 + b"]" * 100_000), "not valid JSON"),
    "array twice": (tensors(b'{"a": 1, "a": 2}'), "holds the key 'a' twice"),
    "NaN in header": (tensors(b'{"a": NaN}'), "holds the number NaN"),
    "missing array": (save({k: v for k, v in ARRAYS.items() if k != "bias"}), "lacks the array 'bias'"),
    "extra array": (save(ARRAYS | {"extra": np.zeros(1)}), "unknown array 'extra'"),
    "array named as a path": (save(ARRAYS | {"../../x": np.zeros(1)}), "unknown array '../../x'"),
    "array with a very long name": (save(ARRAYS | {"x" * 9999: np.zeros(1)}), "unknown array 'x{80}' "),
    "other type": (
        save(ARRAYS | {"bias": np.zeros(5, np.float64)}),
        r"'bias' is F64 \[5\], wanted F32 \[5\]",
    ),
    "other shape": (
        save(ARRAYS | {"bias": np.zeros(6, np.float32)}),
        r"'bias' is F32 \[6\], wanted F32 \[5\]",
    ),
    "turned shape": (save(ARRAYS | {"kernel": np.zeros((4, 3, 2), np.float16)}), r"F16 \[4, 3, 2\]"),
    "step of shape 1": (
        save(ARRAYS | {"step": np.zeros(1, np.int64)}),
        r"'step' is I64 \[1\], wanted I64 \[\]",
    ),
    "10^9 elements": (
        tensors(SOUND | {"bias": entry("F32", [10**9], 8, 28)}, bytes(76)),
        r"F32 \[1000000000\]",
    ),
    "shape of text": (tensors(SOUND | {"bias": entry("F32", ["5"], 8, 28)}, bytes(76)), "'bias' is"),
    "shape of truth": (tensors(SOUND | {"bias": entry("F32", [5.0], 8, 28)}, bytes(76)), "cannot be read"),
    "entry is a number": (tensors(SOUND | {"bias": 5}, bytes(76)), "'bias' is None None"),
    "lying offsets": (tensors(SOUND | {"bias": entry("F32", [5], 8, 24)}, bytes(76)), "cannot be read"),
    "overlap": (tensors(SOUND | {"bias": entry("F32", [5], 0, 20)}, bytes(76)), "cannot be read"),
    "offsets beyond": (
        tensors(SOUND | {"bias": entry("F32", [5], 2**60, 2**60 + 20)}, bytes(76)),
        "cannot be read",
    ),
    "negative offsets": (tensors(SOUND | {"bias": entry("F32", [5], -20, 0)}, bytes(76)), "cannot be read"),
    "truncated": (save(ARRAYS)[:-1], "bytes, wanted"),
    "trailing bytes": (save(ARRAYS) + b"x", "bytes, wanted"),
}


@pytest.mark.parametrize(("data", "reason"), WEIGHTS.values(), ids=WEIGHTS)
def test_r22_hostile_weights_are_refused(data: bytes, reason: str, tmp_path: Path) -> None:
    path = make(tmp_path / "zoe")
    (path / "weights.safetensors").write_bytes(data)
    reseal(path)
    assert_refused(path, reason)


def assert_refused(path: Path, reason: str, max_bytes: int = 2 * MAX_BYTES) -> None:
    with contextlib.chdir(path.parent), pytest.raises(ModelError, match=reason) as caught:
        voice = open_folder(path, kind="voice", max_bytes=max_bytes)
        voice.document("config")
        voice.arrays("weights", EXPECTED)
    assert not (path.parent / "was-here").exists()
    assert str(path) in caught.value.message
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 400
    assert caught.value.hint
    assert caught.value.exit_code == 4


def test_a_sound_header_made_by_hand_is_read(tmp_path: Path) -> None:
    path = make(tmp_path / "zoe")
    (path / "weights.safetensors").write_bytes(tensors(SOUND | {"__metadata__": {"a": "b"}}, bytes(76)))
    reseal(path)
    assert use(path)[1].keys() == EXPECTED.keys()


DOCUMENTS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "not valid JSON"),
    "list": (b"[]", "holds a list, wanted an object"),
    "null": (b"null", "holds a NoneType"),
    "key twice": (b'{"a": 1, "a": 2}', "holds the key 'a' twice"),
    "inner key twice": (b'{"x": [{"a": 1, "a": 1}]}', "holds the key 'a' twice"),
    "NaN": (b'{"a": NaN}', "holds the number NaN"),
    "infinity": (b'{"a": [-Infinity]}', "holds the number -Infinity"),
    "number too large": (b'{"a": 1e999}', "holds the number 1e999"),
    "5000 digits": (b'{"a": ' + b"9" * 5000 + b"}", "not valid JSON"),
    "nested 33": (b'{"a":' * 32 + b"{}" + b"}" * 32, "nested deeper than 32"),
    "nested 900": (b'{"a":' + b"[" * 900 + b"]" * 900 + b"}", "nested deeper than 32"),
    "nested 100000": (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested deeper than 32"),
    "over 4 MB": (b'{"a": "' + b"x" * (4 << 20) + b'"}', "bytes, wanted at most 4194304"),
    "not UTF-8": (b'{"a": "\xff"}', "not valid JSON"),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "not valid JSON"),
    "byte order mark": (b'\xef\xbb\xbf{"a": 1}', "not valid JSON"),
    "truncated": (b'{"a": 1', "not valid JSON"),
    "two values": (b"{} {}", "not valid JSON"),
    "pickle": (pickle.dumps(Payload()), "not valid JSON"),
}


@pytest.mark.parametrize(("data", "reason"), DOCUMENTS.values(), ids=DOCUMENTS)
@pytest.mark.parametrize("name", ["config.json", "manifest.json"])
def test_r22_hostile_json_is_refused(data: bytes, reason: str, name: str, tmp_path: Path) -> None:
    path = make(tmp_path / "zoe")
    (path / name).write_bytes(data)
    if name == "config.json":
        reseal(path)
    elif data in (b"[]", b"null"):
        reason = "lists no files"
    elif len(data) > 4 << 20:
        reason = r"manifest.json has \d+ bytes, wanted at most 4194304"
    assert_refused(path, reason, max_bytes=5 << 20)


def test_json_as_deep_as_allowed_is_read() -> None:
    text = b'{"a":' * 31 + b"1.5e-3" + b"}" * 31
    assert json.dumps(strict_json(text, "x")) == json.dumps(json.loads(text))


def rewrite(name: str, data: bytes) -> Callable[[Path], object]:
    return lambda path: (path / name).write_bytes(data)


def remove(name: str, *, sealed: bool = False) -> Callable[[Path], object]:
    def spoil(path: Path) -> None:
        (path / name).unlink()
        if sealed:
            reseal(path)

    return spoil


def link(name: str) -> Callable[[Path], object]:
    return lambda path: (path / name).symlink_to(shutil.move(path / name, path.parent))


def sealed(**changes: Any) -> Callable[[Path], object]:
    return lambda path: reseal(path, **changes)


def swap(name: str, make_other: Callable[[Path], object]) -> Callable[[Path], object]:
    def spoil(path: Path) -> None:
        (path / name).unlink()
        make_other(path / name)

    return spoil


def enlarge(path: Path) -> None:
    (path / "large.bin").write_bytes(bytes(2 * MAX_BYTES))
    reseal(path)


SUM = {"sha256": "a", "bytes": 1}
FOLDERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "linked file": (link("config.json"), "config.json is a link or a device"),
    "linked manifest": (link("manifest.json"), "manifest.json is a link or a device"),
    "file is a FIFO": (swap("LICENSE.txt", os.mkfifo), "is a link or a device"),
    "file is a folder": (swap("LICENSE.txt", os.mkdir), "is a link or a device"),
    "missing file": (remove("LICENSE.txt"), "lacks 'LICENSE.txt'"),
    "unlisted file": (rewrite("model.keras", b"PK"), "holds 'model.keras', which manifest.json"),
    "unlisted hidden file": (rewrite(".x", b""), "holds '.x'"),
    "unlisted folder": (lambda path: (path / "__pycache__").mkdir(), "holds '__pycache__'"),
    "no manifest": (remove("manifest.json"), "has no manifest.json, so it is no voice"),
    "too large": (enlarge, "wanted at most 2000000"),
    "altered": (rewrite("LICENSE.txt", b"evil \xc2\xa9\n"), "LICENSE.txt has sha256"),
    "longer": (rewrite("LICENSE.txt", b"longer than it was"), "has 18 bytes, wanted 8"),
    "other schema": (sealed(schema_version=2), "schema_version 2, wanted 1"),
    "schema is text": (sealed(schema_version="x" * 999), "schema_version x{40}, wanted 1"),
    "other kind": (sealed(kind="base"), "is a 'base', wanted a voice"),
    "extra key": (sealed(run="rm"), "should not have 'run'"),
    "files is a list": (sealed(files=[]), "lists no files"),
    "no config": (remove("config.json", sealed=True), "has no config.json"),
    "no weights": (remove("weights.safetensors", sealed=True), "has no weights.safetensors"),
}
for value in (
    None,
    {"sha256": 1, "bytes": 1},
    {"sha256": "a", "bytes": True},
    {"sha256": "a", "bytes": "1"},
    {},
):
    FOLDERS[f"entry {value}"] = (sealed(files={"config.json": value}), "has an invalid entry 'config.json'")
for name in ("../x", "/etc/passwd", "a\\b", "..", "", "C:x", "a\0", "manifest.json"):
    FOLDERS[f"file name {name!r}"] = (sealed(files={name: SUM}), "has an invalid entry")


@pytest.mark.parametrize(("spoil", "reason"), FOLDERS.values(), ids=FOLDERS)
def test_r22_hostile_folders_are_refused(spoil: Callable[[Path], object], reason: str, tmp_path: Path) -> None:
    path = make(tmp_path / "zoe")
    spoil(path)
    assert_refused(path, reason)


WATCHED = """
import os, sys
from pathlib import Path
from voiceswap.errors import ModelError
from voiceswap.storage.folder import open_folder
import encodings.idna, encodings.utf_16, json.decoder
expected = {"kernel": ((2, 3, 4), "F16"), "bias": ((5,), "F32"), "step": ((), "I64")}
folders = sorted(Path(sys.argv[1]).glob("*/zoe"))
quiet = {"os.listdir", "object.__getattr__", "builtins.id"}
events, allowed = [], [""]

def watch(event, arguments):
    inside = event == "open" and str(arguments[0]).startswith(allowed[0])
    if allowed[0] and not inside and event not in quiet:
        events.append(f"{event} {arguments}")

sys.addaudithook(watch)
n_refused = 0
for folder in folders:
    allowed[0] = f"{folder}{os.sep}"
    try:
        voice = open_folder(folder, kind="voice", max_bytes=2_000_000)
        voice.document("config"), voice.arrays("weights", expected)
    except ModelError:
        n_refused += 1
allowed[0] = ""
print(n_refused, len(folders), events)
"""


def test_r22_reading_hostile_folders_opens_nothing_else_and_starts_nothing(tmp_path: Path) -> None:
    for i, (weights, _) in enumerate(WEIGHTS.values()):
        path = make(tmp_path / f"weights-{i}" / "zoe")
        (path / "weights.safetensors").write_bytes(weights)
        reseal(path)
    for i, (spoil, _) in enumerate(FOLDERS.values()):
        spoil(make(tmp_path / f"folder-{i}" / "zoe"))
    command = [sys.executable, "-c", WATCHED, str(tmp_path)]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout
    n_cases = len(WEIGHTS) + len(FOLDERS)
    assert n_cases >= 30
    assert said == f"{n_cases} {n_cases} []\n"


def test_missing_folder_file_in_its_place_and_loop(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("missing", "file", "loop", "file/inner"):
        with pytest.raises(ModelError, match=f"there is no voice at {tmp_path / name}|cannot read the voice"):
            opened(tmp_path / name)


def test_unreadable_folder_is_a_model_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    path = make(tmp_path / "zoe")
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(ModelError, match=f"cannot read the voice {path}: permission denied"):
        opened(path)


# Damage


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("victim") / "zoe")


def test_r6_every_flipped_bit_and_every_cut_is_noticed(victim: Path, tier: Callable[..., int]) -> None:
    draw = random.Random(6)
    for _ in range(tier(300, 2000)):
        file = draw.choice(sorted(victim.iterdir()))
        before = file.read_bytes()
        damaged = bytearray(before)
        if draw.random() < 0.5:
            del damaged[draw.randrange(len(before)) :]
        else:
            damaged[draw.randrange(len(before))] ^= 1 << draw.randrange(8)
        file.write_bytes(damaged)
        with pytest.raises(ModelError) as caught:
            opened(victim)
        assert caught.value.exit_code == 4
        file.write_bytes(before)
    opened(victim)


def test_r6_every_bit_of_a_manifest_counts(victim: Path) -> None:
    file = victim / "manifest.json"
    before = file.read_bytes()
    for at in range(len(before)):
        damaged = bytearray(before)
        damaged[at] ^= 1 << at % 8
        file.write_bytes(damaged)
        with pytest.raises(ModelError):
            opened(victim)
    file.write_bytes(before)


def test_a_folder_from_before_manifests_had_a_sum_is_read(tmp_path: Path) -> None:
    path = make(tmp_path / "zoe")
    reseal(path)
    assert "sum" not in json.loads((path / "manifest.json").read_text())
    assert use(path)[0] == CONFIG


# Dying and concurrent writers

SAVES = """
import sys
from pathlib import Path
import numpy as np
from voiceswap.storage.folder import write_folder
print("ready", flush=True)
for n in range(1, 10**9):
    arrays = {"weights": {"a": np.full(100_000, n, np.float32)}}
    write_folder(Path(sys.argv[1]), kind="voice", documents={"config": {"n": n}}, arrays=arrays)
"""


def saved_step(path: Path) -> int:
    voice = opened(path)
    array = voice.arrays("weights", {"a": ((100_000,), "F32")})["a"]
    step = int(voice.document("config")["n"])
    assert np.all(array == step)
    return step


def test_r2_killed_saves_never_leave_a_torn_folder(tmp_path: Path, tier: Callable[..., int]) -> None:
    path, rng = tmp_path / "voices" / "zoe", random.Random(1)
    for _ in range(tier(10, 300)):
        with subprocess.Popen([sys.executable, "-c", SAVES, path], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            deadline = time.monotonic() + 30
            while not path.exists() and time.monotonic() < deadline:
                time.sleep(0.005)
            time.sleep(rng.uniform(0, 0.03))
            process.send_signal(signal.SIGKILL)
        assert saved_step(path) >= 1
    atomic.sweep(path.parent)
    assert os.listdir(path.parent) == ["zoe"]
    assert saved_step(path) >= 1


def test_r8_reader_always_sees_a_whole_folder_while_another_saves(tmp_path: Path) -> None:
    path = tmp_path / "zoe"
    make(path, n=0)
    stop = threading.Event()
    failures: list[BaseException] = []

    def save_on() -> None:
        n_saved = 0
        try:
            while not stop.is_set():
                n_saved += 1
                make(path, n=n_saved)
        except BaseException as error:
            failures.append(error)

    writer = threading.Thread(target=save_on)
    writer.start()
    try:
        seen = [use(path)[0]["n"] for _ in range(100)]
    finally:
        stop.set()
        writer.join()
    assert not failures
    assert seen == sorted(seen)
    assert os.listdir(tmp_path) == ["zoe"]


def test_reading_gives_up_on_a_folder_that_never_stands_still(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make(tmp_path / "zoe")
    (path / "LICENSE.txt").unlink()
    identities = iter(range(1000))
    monkeypatch.setattr(folder, "_identify", lambda _: next(identities))
    with pytest.raises(ModelError, match="kept being replaced"):
        opened(path)


# Checkpoints


def checkpoint(run: Path, step: int) -> Path:
    return make(folder.step_path(run, step), "checkpoint", step=step)


def latest_step(run: Path, skipped: list[ModelError] | None = None) -> int | None:
    found = find_latest(run, kind="checkpoint", max_bytes=MAX_BYTES, skipped=skipped)
    if found is None:
        return None
    assert found[1].document("config") == {"step": found[0]}
    return found[0]


def test_latest_is_the_newest_whole_checkpoint(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert latest_step(run) is None
    for step in (450, 99, 1000, 123_456_789):
        checkpoint(run, step)
    assert folder.step_path(run, 450).name == "step-00000450"
    for name in ("step-", "step-x", "step-1", "step-99999999.old", ".step-99999999.1.0123abcd.tmp"):
        (run / name).mkdir()
    assert latest_step(run) == 123_456_789
    (folder.step_path(run, 123_456_789) / "LICENSE.txt").write_text("damaged")
    (folder.step_path(run, 1000) / "manifest.json").unlink()
    skipped: list[ModelError] = []
    assert latest_step(run, skipped) == 450
    for step, error in zip((123_456_789, 1000), skipped, strict=True):
        assert str(folder.step_path(run, step)) in error.message
    for step in (450, 99):
        shutil.rmtree(folder.step_path(run, step))
    assert latest_step(run) is None


@pytest.mark.parametrize(("keep", "left"), [(2, {4, 5}), (0, set()), (9, {1, 2, 3, 4, 5})])
def test_prune_keeps_the_newest(keep: int, left: set[int], tmp_path: Path) -> None:
    for step in range(1, 6):
        checkpoint(tmp_path, step)
    (tmp_path / "metrics.jsonl").write_text("x")
    folder.prune(tmp_path, keep)
    assert set(os.listdir(tmp_path)) == {f"step-{step:08d}" for step in left} | {"metrics.jsonl"}
