"""The detect command: one line a recording, and its exit code."""

import json
import re

import numpy as np

from conftest import save
from voiceswap.provenance.watermark import Watermarker
from voiceswap.shell.cli import app
from voiceswap.signal import synthetic


def test_a_name_of_several_lines_passes_for_no_line_of_ours(home, capsys):
    path = save(home / "a.wav: yes (p = 1e-30), voice tag 7\nz.wav", np.zeros(22050))
    app(["detect", str(path)], standalone_mode=False)
    said = capsys.readouterr().out
    assert said.startswith(str(path).replace("\n", "\\x0a") + ": ") and said.count("\n") == 1


def test_whether_recordings_are_marked_is_said_and_the_exit_code_too(home, capsys):
    plain = synthetic.speech(synthetic.BORIS, 12.0, seed=3).samples
    marker = Watermarker(22050, 1, 4711)
    ours = save(home / "ours.wav", [*marker.push(plain[:, None]), *marker.finish()])
    other = save(home / "other.wav", plain)
    for files, code in (([ours], 0), ([other], 1), ([ours, other], 1)):
        assert (app(["detect", *map(str, files)], standalone_mode=False) or 0) == code
        said = capsys.readouterr().out.splitlines()
        for file, line in zip(files, said, strict=True):
            tag = r"yes \(p = .*\), voice tag 4711  0-1\d s" if file == ours else r"no \(p = .*\)"
            assert re.fullmatch(f"{re.escape(str(file))}: {tag}", line)


def test_json_holds_every_recording(home, capsys):
    paths = [str(save(home / f"{name}.wav", np.zeros(22050))) for name in "ab"]
    assert app(["detect", *paths, "--json"], standalone_mode=False) == 1
    told = json.loads(capsys.readouterr().out)
    assert [one["path"] for one in told] == paths
    assert {one["detection"]["decision"] for one in told} == {"no"}
