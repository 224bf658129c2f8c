"""The doctor: finds nothing wrong with the shipped base, and says what is wrong where something is."""

import subprocess
import sys

import pytest

from voiceswap.jobs import doctor
from voiceswap.shell.cli import app
from voiceswap.signal import f0 as pitch


def test_the_shipped_base_works_here(home):
    checks = doctor.examine(home / "voices")
    assert [c.name for c in checks if not c.ok] == []
    assert {
        "python",
        "onnxruntime",
        "tensorflow",
        "runtime",
        "voices folder",
        "cache folder",
        "weights",
        "conversion",
    } <= {c.name for c in checks}


def test_a_damaged_base_is_found(home, use_tiny):
    (use_tiny / "decoder.safetensors").rename(use_tiny / "kept")
    try:
        last = doctor.examine(home / "voices")[-1]
    finally:
        (use_tiny / "kept").rename(use_tiny / "decoder.safetensors")
    assert not last.ok and last.name == "weights" and "decoder.safetensors" in last.found and last.advice


def test_networks_that_make_nonsense_are_found(home, use_tiny):
    last = doctor.examine(home / "voices")[-1]
    assert not last.ok and last.name == "conversion"


@pytest.mark.parametrize("missing", ["pkg_resources", "numpy", "soundfile"])
def test_a_package_that_cannot_be_imported_is_told_after_what_is_installed(missing, home):
    code = f"import sys; sys.modules[{missing!r}] = None; sys.argv[0] = 'voiceswap'\n"
    code += "from voiceswap.shell.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, "doctor"], capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert lines[0].startswith("ok  python") and any("setuptools" in line for line in lines)
    bad = next(i for i, line in enumerate(lines) if line.startswith("BAD imports: ") and missing in line)
    assert lines[bad + 1] == f"    {doctor.ANEW}"
    assert any(line.startswith("BAD runtime: ") for line in lines) == (missing == "numpy")


def test_a_runtime_that_cannot_be_imported_is_named(home):
    code = "import sys; sys.modules['onnxruntime'] = None; sys.argv[0] = 'voiceswap'\n"
    code += "from voiceswap.shell.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, "doctor"], capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    bad = next(i for i, line in enumerate(lines) if line.startswith("BAD runtime: ") and "onnxruntime" in line)
    assert lines[bad + 1] == "    pip install onnxruntime"


def test_a_tracker_that_cannot_be_imported_is_named(home, use_tiny, monkeypatch):
    monkeypatch.setitem(sys.modules, "swift_f0", None)
    monkeypatch.setattr(pitch, "_trackers", {})
    last = doctor.examine(home / "voices")[-1]
    assert not last.ok and last.name == "melody" and "swift_f0" in last.found and last.advice


@pytest.mark.parametrize("installed", ["80.9.0", "81.0.0"])
def test_a_setuptools_that_breaks_pyworld_is_named(installed, monkeypatch):
    monkeypatch.setattr(doctor, "version", lambda name: installed)
    check = next(c for c in doctor._check_packages() if c.name == "setuptools")
    assert check.ok == installed.startswith("80")
    assert ("setuptools<81" in check.advice) == (not check.ok)


@pytest.mark.parametrize(
    ("name", "installed", "ok"),
    [
        ("tensorflow", "2.19.1", False),
        ("tensorflow", "2.20.0rc0", True),
        ("keras", "3.9.0", False),
        ("numpy", "9", True),
    ],
)
def test_versions_that_are_too_old_are_named(name, installed, ok, monkeypatch):
    monkeypatch.setattr(doctor, "version", lambda package: installed if package == name else "80.1")
    check = next(c for c in doctor._check_packages() if c.name == name)
    assert check.ok == ok
    assert (f'pip install "{name}>=' in check.advice) == (not ok)


def test_folders_that_cannot_be_written_to_are_named(home, monkeypatch, capsys):
    monkeypatch.setattr(doctor, "_check_stages", list)
    monkeypatch.setenv("VOICESWAP_CACHE", "/dev/null/cache")
    assert app(["doctor", "--voices", "/dev/null/voices"], standalone_mode=False) == 1
    lines = capsys.readouterr().out.splitlines()
    for kind, variable in (("voices", "VOICESWAP_VOICES"), ("cache", "VOICESWAP_CACHE")):
        bad = lines.index(f"BAD {kind} folder: /dev/null/{kind}: Not a directory")
        assert variable in lines[bad + 1]
    assert lines[-1] == "2 things are wrong: see the lines below each BAD"
    (long,) = [c for c in doctor.examine(home / ("x" * 300)) if c.name == "voices folder"]
    assert not long.ok and long.found.endswith("x: File name too long") and "VOICESWAP_VOICES" in long.advice
    monkeypatch.setenv("VOICESWAP_CACHE", str(home))
    app(["doctor"], standalone_mode=False)
    assert capsys.readouterr().out.splitlines()[-1] == "everything works"
