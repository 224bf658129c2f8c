"""The report command: where the page is, and how large."""

import json
from pathlib import Path

import pytest

from voiceswap.errors import VoiceswapError
from voiceswap.shell.cli import app
from voiceswap.storage import paths
from voiceswap.web.report import Page


def test_the_page_is_named_with_its_size(home, monkeypatch, capsys):
    monkeypatch.setattr(paths, "find_voice", lambda name, folder: folder / name)
    monkeypatch.setattr("voiceswap.web.report.report", lambda voice, **options: Page(Path("a [b].html"), 2340000, None))
    assert not app(["report", "anna"], standalone_mode=False)
    assert capsys.readouterr().out == "a [b].html  2.3 MB\n"
    assert not app(["report", "anna", "--json"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out) == {"path": "a [b].html", "n_bytes": 2340000, "evaluation": None}


def test_a_misspelt_voice_is_told_before_networks_are_loaded(home, monkeypatch):
    monkeypatch.setattr("voiceswap.model.runtime.open_session", lambda *given: pytest.fail("networks are loaded"))
    with pytest.raises(VoiceswapError, match="no voice 'nobody'") as refused:
        app(["report", "nobody"], standalone_mode=False)
    assert refused.value.exit_code == 4
