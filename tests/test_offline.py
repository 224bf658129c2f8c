"""R39: nothing asks for a connection unnoticed, whoever catches the error and in whichever process it is."""

import os
import socket
import subprocess
import sys
from contextlib import suppress

from voiceswap.offline import silence_onnxruntime

ASKS = "import socket\ntry:\n    socket.create_connection(('127.0.0.1', 9))\nexcept BaseException:\n    pass\n"


def test_r39_a_connection_that_is_hushed_up_fails_its_test(offline):
    with suppress(AssertionError):
        socket.create_connection(("127.0.0.1", 9))
    # Left in this list, it fails the test when that is over.
    assert offline.pop() == (("127.0.0.1", 9),)


def test_r39_no_process_that_a_test_starts_gets_a_connection(mother, home):
    done = subprocess.run([sys.executable, "-c", ASKS], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (99, "a connection was asked for: socket.getaddrinfo\n")
    command = mother.run("voices", before=ASKS)
    assert (command.wait(), command.out()) == (99, "")
    assert mother.run("voices").wait() == 0


def test_r39_onnxruntime_is_told_to_be_quiet_unless_the_user_says_otherwise(monkeypatch):
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    silence_onnxruntime()
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    silence_onnxruntime()
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "0"


def test_importing_the_package_changes_no_environment():
    code = "import os; before = dict(os.environ); import voiceswap.signal.f0, voiceswap.audio.read, voiceswap.scoring.external; assert before == dict(os.environ)"
    subprocess.run([sys.executable, "-c", code], check=True)
