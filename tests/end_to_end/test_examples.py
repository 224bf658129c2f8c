"""Each script in examples/, as a stranger runs it, on synthesised voices with the shipped base."""

import re
import runpy
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from conftest import save
from voiceswap.signal import synthetic

# The notebook's script has a test of its own: test_notebook.py.
FOLDER = Path(__file__).parents[2] / "examples"
EXAMPLES = sorted(path for path in FOLDER.glob("*.py") if not path.stem.endswith("_notebook"))
pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def run(studio, monkeypatch, capsys, tmp_path):
    """Runs an example with the studio's voices, in a folder of its own; gives what it printed."""
    monkeypatch.setenv("VOICESWAP_VOICES", str(studio.folder / "voices"))
    monkeypatch.setenv("VOICESWAP_CACHE", str(studio.cache))
    monkeypatch.chdir(tmp_path)

    def call(name, *arguments):
        (path,) = (path for path in EXAMPLES if path.stem == name)
        monkeypatch.setattr(sys, "argv", [str(path), *map(str, arguments)])
        runpy.run_path(str(path), run_name="__main__")
        return capsys.readouterr().out

    return call


def test_there_are_at_most_six_of_at_most_60_lines():
    assert 0 < len(EXAMPLES) <= 6
    assert all(len(path.read_text(encoding="utf-8").splitlines()) <= 60 for path in EXAMPLES)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_without_arguments_they_say_how_they_are_called(path, run):
    with pytest.raises(SystemExit) as caught:
        run(path.stem)
    assert f"python examples/{path.name} " in str(caught.value.code)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("convert_folder", ("a", "speakerA", "b")),
        ("detect_mark", ("none.wav",)),
        ("score", ("speakerA", "none", "none")),
    ],
)
def test_a_mistake_is_one_line_and_what_to_do(name, arguments, run):
    with pytest.raises(SystemExit) as caught:
        run(name, *arguments)
    assert re.fullmatch(r"error: no such .+\nhint: .+", caught.value.code)


def test_train_and_convert(run, studio):
    save(Path("boris.wav"), synthetic.speech(synthetic.BORIS, 3.0, seed=7).samples)
    said = run("train_and_convert", studio.folder / "speakerA", "boris.wav", "made.wav")
    assert " s of speech in 4 files\n" in said and "speakerA is ready: held-out error" in said
    assert "made.wav: 3.0 s" in said
    made, rate_hz = soundfile.read("made.wav")
    assert (rate_hz, len(made)) == (22050, 3 * 22050) and np.abs(made).max() > 0.05


@pytest.mark.parametrize(("name", "told"), [("borsi.wav", "no such file"), ("boris.wav", "not recognised")])
def test_a_recording_that_cannot_be_read_is_told_before_the_training(name, told, run):
    Path("boris.wav").write_bytes(b"ftypM4A " * 9)
    with pytest.raises(SystemExit, match=told) as caught:
        run("train_and_convert", "no folder to train on", name, "made.wav")
    assert name in caught.value.code


def test_the_python_of_the_readme_runs_as_typed(run, studio):
    (code,) = re.findall(r"```python\n(.*?)```", (EXAMPLES[0].parents[1] / "README.md").read_text("utf-8"), re.DOTALL)
    for speaker in ("speakerA", "speakerB"):
        shutil.copytree(studio.folder / speaker, speaker)
    song, rate_hz = soundfile.read(studio.folder / "song.wav", dtype="float32")
    save(Path("song.wav"), song[: 3 * rate_hz])
    names = {}
    exec(code, names)
    assert names["converted"].shape == names["samples"].shape and Path("song.speakerA.wav").is_file()


def test_convert_folder(run, studio):
    for take in range(2):
        samples = synthetic.speech(synthetic.CLARA, 2.0, seed=take).samples
        save(Path("in") / f"day{take}" / "take.wav", samples)
    (Path("in") / "torn.wav").write_bytes(b"RIFF")
    said = run("convert_folder", "in", "speakerB", "out")
    assert "2 of 3 converted into out" in said and re.search(r"torn\.wav +failed .+", said)
    assert len(list(Path("out").rglob("take.speakerB.wav"))) == 2
    assert len(re.findall(r"\d\.0 s +-\d+\.\d st", said)) == 2, "Boris speaks lower than Clara"
    assert "0 of 3 converted" in run("convert_folder", "in", "speakerB", "out")


def test_convert_song(run, studio):
    song, rate_hz = soundfile.read(studio.folder / "song.wav", dtype="float32")
    times_s = np.arange(len(song)) / rate_hz
    chord = sum(np.sign(np.sin(2 * np.pi * f0 * times_s)) for f0 in (87.3, 130.8, 174.6)).astype(np.float32)
    save(Path("song.wav"), 0.7 * song + 0.03 * chord)
    said = run("convert_song", "song.wav", "speakerA", "made.wav", "stems")
    assert re.search(r"moved by [+-]\d octaves", said) and "speakerA speaks around" in said
    levels = [float(level) for level in re.findall(r"^\w+ +(-\d+\.\d) dB", said, re.MULTILINE)]
    assert len(levels) == 3 and all(-60 < level < 0 for level in levels)
    parts = [soundfile.read(Path("stems") / f"{part}.wav")[0] for part in ("vocals", "accompaniment")]
    mix = soundfile.read("song.wav")[0]
    assert np.abs(sum(parts) - mix).max() < 1e-3
    assert len(soundfile.read("made.wav")[0]) == len(mix)


def test_blend_melody(run, studio):
    samples, rate_hz = soundfile.read(studio.folder / "song.wav", dtype="float32")
    save(Path("song.wav"), samples[: 3 * rate_hz])
    said = run("blend_melody", "song.wav", "speakerA", "0.75", "blended")
    before, after = map(int, re.search(r"off the notes by (\d+) cents as sung, (\d+) blended", said).groups())
    assert 3 <= before <= 50 and abs(after - before / 4) <= 1
    curves = [np.loadtxt(Path("blended") / f"{n}.csv", delimiter=",", skiprows=1) for n in ("as_sung", "blended")]
    assert np.array_equal(*(curve[:, 1] > 0 for curve in curves))
    made = [soundfile.read(Path("blended") / f"{n}.wav")[0] for n in ("as_sung", "blended")]
    assert len(made[0]) == len(made[1]) == 3 * rate_hz and np.abs(made[0] - made[1]).max() > 0.01


def test_score(run, studio):
    for take in range(2):
        save(Path("in") / f"take{take}.wav", synthetic.speech(synthetic.BORIS, 3.0, seed=take).samples)
    (Path("in") / "torn.wav").write_bytes(b"RIFF")
    said = run("score", "speakerA", "in", studio.folder / "speakerA")
    assert len(re.findall(r"^take\d\.wav( +-?[\d.]+){4} cents", said, re.MULTILINE)) == 2
    assert re.search(r"^torn\.wav +left out: .+", said, re.MULTILINE)
    assert "real recordings of speakerA among each other: 0." in said and "to the source" in said


def test_detect_mark(run, studio):
    said = run("detect_mark", studio.folder / "song.wav", studio.folder / "song.speakerA.wav")
    plain, marked = said.split("song.speakerA.wav: ")
    assert "song.wav: no (p = " in plain and "voice tag" not in plain
    assert marked.startswith("yes (p = ") and ": speakerA\n" in marked and "marked  ####" in marked
