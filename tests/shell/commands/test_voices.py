"""The voices command: their names, or how to come to one."""

import json

from voiceswap.shell.cli import app


def test_no_voices_yet(home, capsys):
    assert not app(["voices"], standalone_mode=False)
    assert capsys.readouterr().out == f"no voices in {home / 'voices'}; train one: voiceswap train FOLDER\n"
    assert not app(["voices", "--json"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out) == {"voices_folder": str(home / "voices"), "voices": []}


def test_the_voices_that_are_there_are_listed(voice, home, capsys):
    app(["voices"], standalone_mode=False)
    assert capsys.readouterr().out == "speakerA\n"
    app(["voices", "--voices", str(home / "none")], standalone_mode=False)
    assert capsys.readouterr().out == f"no voices in {home / 'none'}; train one: voiceswap train FOLDER\n"
