"""tests/ mirrors the package: who reads voiceswap/audio/read.py finds its tests in tests/audio/test_read.py."""

import re
from pathlib import Path

import voiceswap

TESTS = Path(__file__).parent
ROOT = TESTS.parent
PACKAGE = Path(voiceswap.__file__).parent
# Here lies what no module owns: whole commands, and faults that cross rooms.
CROSSING = {"end_to_end", "robustness"}
ABOUT_THE_REPOSITORY = {"docs", "static", "mirror"}
DECLARATIONS = {"version", "errors"}


def modules():
    paths = (path.relative_to(PACKAGE).with_suffix("") for path in PACKAGE.rglob("*.py"))
    return {path.as_posix() for path in paths if not path.name.startswith("__")}


def named_after():
    """What the test files are named after, as their paths from tests/ on without "test_"."""
    paths = [path.relative_to(TESTS) for path in TESTS.rglob("test_*.py")]
    names = {path.with_name(path.stem.removeprefix("test_")).as_posix() for path in paths}
    return {name for name in names if name.split("/")[0] not in CROSSING} - ABOUT_THE_REPOSITORY


def test_every_test_file_is_named_after_a_module():
    assert sorted(named_after() - modules()) == []


def test_every_module_has_a_test_file_of_its_name():
    without = modules() - named_after() - DECLARATIONS
    assert sorted(without) == [], "a module comes with its tests"


def test_every_file_that_the_documents_name_exists():
    named = {
        (document.name, path)
        for document in [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
        for path in re.findall(r"`((?:[a-z_0-9]+/)+[a-z_0-9]+\.py)", document.read_text("utf-8"))
    }
    assert len(named) > 60
    assert [
        each for each in sorted(named) if not any((folder / each[1]).exists() for folder in (ROOT, PACKAGE, TESTS))
    ] == []
