"""Two voices trained with the shipped base, once for all tests of this folder."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from conftest import save
from voiceswap.signal import synthetic


@dataclass(frozen=True)
class Studio:
    """Recordings, the voices made of them, and a song: not to be changed.

    speakerA/ and speakerB/ hold recordings, voices/ their voices, song.wav a melody, song.speakerA.wav and
    song.speakerB.wav its conversions.
    """

    folder: Path
    cache: Path
    speakers: dict[str, synthetic.Speaker]
    trained: list[dict] = field(default_factory=list)
    converted: list[dict] = field(default_factory=list)

    def run(self, *arguments):
        """The stdout of a command, as a user calls it."""
        command = [sys.executable, "-m", "voiceswap", *map(str, arguments)]
        places = {"VOICESWAP_VOICES": str(self.folder / "voices"), "VOICESWAP_CACHE": str(self.cache)}
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, env=os.environ | places)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="session")
def studio(tmp_path_factory, features_cache):
    if "PYTEST_XDIST_WORKER" in os.environ:
        # What takes minutes is made once a run, not once a process: this folder must not be there yet.
        (tmp_path_factory.getbasetemp().parent / "studio").mkdir()
    folder = tmp_path_factory.mktemp("studio")
    speakers = {"speakerA": synthetic.ANNA, "speakerB": synthetic.BORIS}
    for name, speaker in speakers.items():
        for take in range(4):
            save(folder / name / f"take{take}.wav", synthetic.speech(speaker, 11.0, seed=take).samples)
    save(folder / "song.wav", synthetic.song(synthetic.CLARA).samples)
    made = Studio(folder, features_cache, speakers)
    made.trained.extend(json.loads(made.run("train", *speakers, "--minutes", "0.5", "--json")))
    for name in speakers:
        made.converted.extend(json.loads(made.run("convert", "song.wav", "--as", name, "--dry", "--json")))
    return made
