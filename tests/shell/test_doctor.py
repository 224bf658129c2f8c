"""The doctor: finds nothing wrong with the shipped base, and says what is wrong where something is."""

import pytest

from voiceswap.shell import doctor
from voiceswap.shell.cli import app


def test_the_shipped_base_works_here(home):
    checks = doctor.examine(home / "voices")
    assert [c.name for c in checks if not c.ok] == []
    assert {"python", "tensorflow", "devices", "voices folder", "cache folder", "weights", "conversion"} <= {
        c.name for c in checks
    }


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


@pytest.mark.parametrize("found", ["80.9.0", "81.0.0"])
def test_a_setuptools_that_breaks_pyworld_is_named(found, monkeypatch):
    monkeypatch.setattr(doctor, "version", lambda name: found)
    check = next(c for c in doctor._packages() if c.name == "setuptools")
    assert check.ok == found.startswith("80")
    assert ("setuptools<81" in check.advice) == (not check.ok)


@pytest.mark.parametrize(
    ("name", "found", "ok"),
    [
        ("tensorflow", "2.19.1", False),
        ("tensorflow", "2.20.0rc0", True),
        ("keras", "3.9.0", False),
        ("numpy", "9", True),
    ],
)
def test_versions_that_are_too_old_are_named(name, found, ok, monkeypatch):
    monkeypatch.setattr(doctor, "version", lambda package: found if package == name else "80.1")
    check = next(c for c in doctor._packages() if c.name == name)
    assert check.ok == ok
    assert (f'pip install "{name}>=' in check.advice) == (not ok)


def test_folders_that_cannot_be_written_to_are_named(home, monkeypatch, capsys):
    monkeypatch.setattr(doctor, "_stages", list)
    monkeypatch.setenv("VOICESWAP_CACHE", "/dev/null/cache")
    assert app(["doctor", "--voices", "/dev/null/voices"], standalone_mode=False) == 1
    said = capsys.readouterr().out.splitlines()
    for kind, variable in (("voices", "VOICESWAP_VOICES"), ("cache", "VOICESWAP_CACHE")):
        bad = said.index(f"BAD {kind} folder: /dev/null/{kind}: Not a directory")
        assert variable in said[bad + 1]
    assert said[-1] == "2 things are wrong: see the lines below each BAD"
    monkeypatch.setenv("VOICESWAP_CACHE", str(home))
    app(["doctor"], standalone_mode=False)
    assert capsys.readouterr().out.splitlines()[-1] == "everything works"
