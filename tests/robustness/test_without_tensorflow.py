"""Nothing but training needs TensorFlow, Keras, librosa or numba: every other command works where none can be imported."""

import json
import os
import subprocess
import sys

import pytest

from conftest import save
from voiceswap.signal import synthetic

# None makes an import fail.
BLOCKED = ("tensorflow", "keras", "librosa", "numba")
PREFACE = f"""
import sys
sys.modules.update(dict.fromkeys({BLOCKED!r}))
from pathlib import Path
from voiceswap.model import base
base.SHIPPED = Path(sys.argv.pop(1))
"""
COMMAND = PREFACE + "sys.argv[0] = 'voiceswap'\nfrom voiceswap.shell.cli import main\nmain()\n"
LIBRARY = (
    PREFACE
    + """
import json
import numpy as np
import voiceswap
tone = np.sin(2 * np.pi * 200 * np.arange(22050) / 22050).astype(np.float32) * 0.1
made = voiceswap.load("speakerA").convert(tone, 22050)
print(json.dumps([len(made), bool(np.isfinite(made).all())]))
"""
)


def run(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, check=False)


@pytest.fixture
def said(home):
    return save(home / "said.wav", synthetic.speech(synthetic.BORIS, 3.0).samples)


# Songs are listened to by the shipped separator, so that `convert` without --dry runs it.
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["convert", "said.wav", "--as", "speakerA", "-o", "made.wav", "--score"], 0),
        (["convert", "said.wav", "--as", "speakerA", "--dry", "--vocoder", "best", "--jobs", "1"], 0),
        (["evaluate", "speakerA", "--source", "said.wav"], 0),
        (["report", "speakerA", "-o", "page.html"], 0),
        (["detect", "said.wav"], 1),
        (["info", "speakerA"], 0),
        (["info", "said.wav"], 0),
        (["voices"], 0),
        (["check", "speakerA"], 0),
    ],
    ids=lambda given: given[0] if isinstance(given, list) else "",
)
def test_a_command_works_without_tensorflow(arguments, code, voice, recordings, said, use_tiny, monkeypatch):
    monkeypatch.chdir(said.parent)
    done = run(COMMAND, use_tiny, *arguments)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr and not any(name in done.stderr for name in BLOCKED)


def test_the_library_converts_without_tensorflow(voice, use_tiny):
    done = run(LIBRARY, use_tiny)
    assert json.loads(done.stdout) == [22050, True], done.stderr


def test_the_doctor_finds_conversion_to_work_without_tensorflow(home):
    from voiceswap.model import base

    done = run(COMMAND, base.SHIPPED, "doctor", "--json")
    checks = {check["name"]: check for check in json.loads(done.stdout)}
    assert checks["conversion"]["ok"] and checks["runtime"]["ok"], done.stdout


def test_training_says_in_one_line_what_it_lacks(recordings, use_tiny):
    done = run(COMMAND, use_tiny, "train", recordings)
    assert done.returncode != 0 and "Traceback" not in done.stderr, done.stderr
    assert "tensorflow" in done.stderr or "keras" in done.stderr
