"""The doctor command: a line a check, and how many are wrong."""

import json

import pytest

from voiceswap.jobs.doctor import Check
from voiceswap.shell.cli import app

GOOD = Check("python", True, "3.11")
TIMED = Check("melody", True, "440 Hz", seconds=0.26)
BAD = Check("weights", False, "damaged", "install it anew")


@pytest.mark.parametrize(
    ("checks", "code", "lines"),
    [
        ([GOOD, TIMED], 0, ["ok  python: 3.11", "ok  melody: 440 Hz, 0.3 s", "everything works"]),
        (
            [GOOD, BAD],
            1,
            [
                "ok  python: 3.11",
                "BAD weights: damaged",
                "    install it anew",
                "1 thing is wrong: see the lines below each BAD",
            ],
        ),
        ([BAD, BAD], 1, [*["BAD weights: damaged", "    install it anew"] * 2, "2 things are wrong: see the lines below each BAD"]),
    ],
)  # fmt: skip
def test_each_check_is_a_line_and_what_is_wrong_is_exit_code_1(checks, code, lines, monkeypatch, capsys):
    monkeypatch.setattr("voiceswap.jobs.doctor.examine", lambda voices: checks)
    assert (app(["doctor"], standalone_mode=False) or 0) == code
    assert capsys.readouterr().out.splitlines() == lines
    assert (app(["doctor", "--json"], standalone_mode=False) or 0) == code
    assert [one["ok"] for one in json.loads(capsys.readouterr().out)] == [check.ok for check in checks]
