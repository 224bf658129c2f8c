"""R38: the built wheel in empty environments, newest and oldest versions of what it needs."""

import json
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from conftest import save
from voiceswap.signal import synthetic

ROOT = Path(__file__).parents[2]
PYTHONS = ("3.11", "3.12", "3.13")


def oldest():
    """The lower bound of each dependency, as pip's constraints."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        wanted = tomllib.load(file)["project"]["dependencies"]
    return [
        f"{name}=={version}"
        for name, version in (re.fullmatch(r"([\w-]+)>=([\d.]+)", w).groups() for w in wanted if ">=" in w)
    ]


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("versions", ["newest", "oldest"])
@pytest.mark.parametrize("python", PYTHONS)
def test_r38_the_wheel_trains_and_converts_in_an_empty_environment(python, versions, tmp_path, monkeypatch):
    # pip may ask for connections.
    monkeypatch.delenv("PYTHONPATH")
    interpreter = shutil.which(f"python{python}")
    if not interpreter or subprocess.run([interpreter, "--version"], capture_output=True).returncode:
        pytest.skip(f"there is no Python {python} here; one behind pyenv must be named in PYENV_VERSION")
    subprocess.check_call([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", tmp_path, ROOT])
    (wheel,) = tmp_path.glob("voiceswap-*.whl")
    subprocess.check_call([interpreter, "-m", "venv", tmp_path / "venv"])
    (tmp_path / "constraints.txt").write_text("\n".join(oldest() if versions == "oldest" else []))
    pip = [
        tmp_path / "venv" / "bin" / "python",
        "-m",
        "pip",
        "install",
        "-q",
        "-c",
        tmp_path / "constraints.txt",
        wheel,
    ]
    subprocess.check_call(pip)
    for take in range(3):
        save(tmp_path / "anna" / f"{take}.wav", synthetic.speech(synthetic.ANNA, 16.0, seed=take).samples)
    source = save(tmp_path / "b.wav", synthetic.speech(synthetic.BORIS, 3.0, seed=3).samples)
    command = [tmp_path / "venv" / "bin" / "voiceswap"]
    env = {
        "VOICESWAP_VOICES": str(tmp_path / "voices"),
        "VOICESWAP_CACHE": str(tmp_path / "cache"),
        "PATH": "/usr/bin:/bin",
    }
    began = time.monotonic()
    for arguments in (["train", tmp_path / "anna", "--minutes", "0.2"], ["convert", source, "--as", "anna", "--json"]):
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, cwd=tmp_path, env=env)
        print(python, versions, arguments[0], f"until {time.monotonic() - began:.0f} s")
        assert done.returncode == 0, done.stderr[-2000:]
    assert time.monotonic() - began < 90
    assert json.loads(done.stdout)[0]["status"] == "converted"
    assert (tmp_path / "b.anna.wav").exists()
