"""What TensorFlow writes about itself is left out, and nothing else."""

import os
import subprocess
import sys

import pytest

from voiceswap.shell import quiet


def test_native_lines_about_itself_are_held_back(capfd):
    with quiet.without_lines(quiet.ABOUT_ITSELF):
        os.write(2, b"I0000 00:00:1795477520.723592   29618 port.cc:153] oneDNN custom operations are on.\n")
        os.write(2, b"2026-05-03 14:44:05.157831: I external/cudart_stub.cc:32] Could not find cuda drivers\n")
        os.write(2, b"Out of memory\n")
        os.write(2, b"WARNING: the disk is full\n")
    os.write(2, b"I0000 00:00:1 later\n")
    assert capfd.readouterr().err == "Out of memory\nWARNING: the disk is full\nI0000 00:00:1 later\n"


def test_what_was_written_before_a_failure_is_shown(capfd):
    try:
        with quiet.without_lines(quiet.ABOUT_ITSELF):
            os.write(2, b"no such library\n")
            raise ImportError
    except ImportError:
        assert capfd.readouterr().err == "no such library\n"


# A voice that is there as far as its name goes, so that each command comes as far as it can.
COMMANDS = (
    ["check", "nothere"],
    ["train", "nothere"],
    ["evaluate", "./fake", "--source", "nothere"],
    ["report", "./fake"],
    ["info", "./fake"],
)


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: arguments[0])
def test_a_command_says_what_it_has_to_say_and_nothing_else(arguments, tmp_path):
    env = {k: v for k, v in os.environ.items() if k != quiet.LOG_LEVEL}
    (tmp_path / "fake").mkdir()
    (tmp_path / "fake" / "manifest.json").write_text("{}")
    command = [sys.executable, "-m", "voiceswap", *arguments]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    wanted = "no such folder or recording: nothere" if "nothere" in arguments else "fake/manifest.json lists no files"
    assert done.returncode in (2, 4) and done.stdout == ""
    assert done.stderr.splitlines()[0] == f"error: {wanted}"
    assert len(done.stderr.splitlines()) == 3


def test_that_functions_are_traced_again_is_no_news():
    code = "from voiceswap.shell import quiet; quiet.load_tensorflow(); import logging; "
    code += "print(logging.getLogger('tensorflow').isEnabledFor(logging.WARNING))"
    env = {k: v for k, v in os.environ.items() if k != quiet.LOG_LEVEL}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("False\n", "")
