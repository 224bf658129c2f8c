"""The doctor: finds nothing wrong with the shipped base, and says what is wrong where something is."""

import pytest

from voiceswap.shell import doctor


def test_the_shipped_base_works_here(home):
    checks = doctor.examine(home / "voices")
    assert [c.name for c in checks if not c.ok] == []
    assert {"python", "tensorflow", "devices", "voices folder", "weights", "melody", "conversion"} <= {
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
