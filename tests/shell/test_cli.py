"""What the commands print, refuse and exit with."""

import re
import subprocess
import sys

import numpy as np
import pytest
import typer

import voiceswap
from conftest import save
from voiceswap.shell.cli import app


def run(*arguments, cwd=None):
    command = [sys.executable, "-m", "voiceswap", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, stdin=subprocess.DEVNULL, check=False)


COMMANDS = ["check", "train", "convert", "evaluate", "report", "detect", "voices", "info", "pretrain", "doctor", "demo"]
LIGHT = [["--help"], ["--version"], ["train", "--help"], ["convert"], ["convert", "none.wav", "--as", "b"], ["voices"]]
LIGHT += [["info", "b"], ["report", "b"], ["evaluate", "b", "--source", "."]]


@pytest.mark.parametrize("arguments", LIGHT)
def test_light_commands_import_nothing_heavy(arguments, home):
    """R36."""
    code = (
        "import sys\n"
        "from voiceswap.shell.cli import main\n"
        f"sys.argv = ['voiceswap', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'tensorflow', 'keras', 'librosa', 'numba', 'scipy'} & set(sys.modules)\n"
        "print('HEAVY', sorted(heavy))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "HEAVY []" in done.stdout


def test_the_help_of_every_command_needs_none_of_what_jobs_need(home):
    """So that it is quick, and the doctor runs where one of them is missing."""
    code = (
        "import sys\n"
        "from voiceswap.shell.cli import app\n"
        f"for arguments in {[*([name, '--help'] for name in COMMANDS), ['convert'], ['nonsense']]!r}:\n"
        "    try:\n        app(arguments)\n    except SystemExit as ended:\n        print('ENDED', ended.code)\n"
        "jobs = {'tensorflow', 'keras', 'librosa', 'numpy', 'soundfile', 'voiceswap.jobs'} & set(sys.modules)\n"
        "print('NEEDED', sorted(jobs))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert re.findall(r"ENDED (\d+)", done.stdout) == ["0"] * len(COMMANDS) + ["2", "2"]
    assert "NEEDED []" in done.stdout


def test_the_commands_are_listed_in_their_order():
    assert list(typer.main.get_command(app).commands) == COMMANDS


def test_the_package_itself_is_light():
    code = "import sys, voiceswap; print(sorted({'numpy', 'pydantic', 'tensorflow', 'rich'} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
    assert set(voiceswap.__all__) == {
        "Config",
        "Voice",
        "VoiceswapError",
        "__version__",
        "convert",
        "detect",
        "evaluate",
        "load",
        "report",
        "set_device",
        "set_threads",
        "train",
    }
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = voiceswap.nothing


def test_version():
    assert run("--version").stdout == f"voiceswap {voiceswap.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["convert", "none.wav", "--as", "b"], 2, "error: no such file: none.wav"),
        (["convert", "/dev/null", "--as", "b"], 3, "error: /dev/null is not a regular file"),
        (["train", "nobody"], 2, "error: no such folder or recording: nobody"),
        (["info", "nobody"], 4, "error: no voice 'nobody'"),
        (["train"], 2, "Missing argument"),
        (["convert", "x.wav"], 2, "Missing option '--as'"),
        (["nonsense"], 2, "No such command"),
    ],
)
def test_mistakes_get_one_line_and_their_exit_code(arguments, code, says, home):
    done = run(*arguments, cwd=home)
    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_letters_that_the_terminal_does_not_know_are_escaped(home, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "cp1252")
    done = run("info", save(home / "日本.wav", np.zeros(22050)))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"file: {home}/\\u65e5\\u672c.wav, WAV PCM_16")


def test_the_list_of_commands_is_whole_at_80_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    listed = run("--help").stdout.partition("Commands:")[2].splitlines()
    assert len(listed) > 10 and not [line for line in listed if line.endswith("...")]
