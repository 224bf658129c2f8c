"""What the commands print, refuse and exit with."""

import json
import subprocess
import sys

import pytest

import voiceswap
from voiceswap.errors import AudioError
from voiceswap.shell import console


def run(*arguments, cwd=None):
    command = [sys.executable, "-m", "voiceswap", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, stdin=subprocess.DEVNULL, check=False)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["train", "--help"], ["convert"], ["voices"]])
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
        "load",
        "train",
    }
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = voiceswap.nothing


def test_version():
    assert run("--version").stdout == f"voiceswap {voiceswap.__version__}\n"


def test_no_voices_yet(home):
    done = run("voices")
    assert done.returncode == 0
    assert "no voices in" in done.stdout
    assert json.loads(run("voices", "--json").stdout)["voices"] == []


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


def test_control_characters_never_reach_the_terminal(capsys):
    def fail():
        raise AudioError("a\x1b[31mb\u202e.wav is empty", "x\x07")

    assert console.guarded(fail) == 3
    assert capsys.readouterr().err == "error: a\\x1b[31mb\\x202e.wav is empty\n\nhint: x\\x07\n"


def test_json_is_valid_whatever_the_values(capsys):
    shell = console.Shell(as_json=True)
    shell.say("not this")
    shell.result({"a": float("nan"), "b": (1, 2)})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [1, 2]}
