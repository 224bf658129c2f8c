"""The main job with the shipped base: two synthesised speakers, a song, each command as a user calls it."""

import json
import subprocess
import sys

import numpy as np
import pytest

from conftest import save
from voiceswap.config import FeatureConfig
from voiceswap.jobs import metrics
from voiceswap.shell import synthetic

FEATURES = FeatureConfig()


def voiceswap(*arguments, cwd):
    command = [sys.executable, "-m", "voiceswap", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


@pytest.mark.timeout(900)
def test_train_two_voices_and_convert_a_song(home):
    speakers = {"speakerA": synthetic.ANNA, "speakerB": synthetic.BORIS}
    for name, speaker in speakers.items():
        for take in range(4):
            save(home / name / f"take{take}.wav", synthetic.speech(speaker, 11.0, seed=take).samples)
    song = synthetic.song(synthetic.CLARA).samples
    save(home / "song.wav", song)
    trained = voiceswap("train", "speakerA", "speakerB", "--minutes", "0.8", "--json", cwd=home)
    assert trained.returncode == 0, trained.stderr
    results = json.loads(trained.stdout)
    assert [r["name"] for r in results] == ["speakerA", "speakerB"]
    assert all(r["scores"]["best"] < 0.8 * r["scores"]["first"] for r in results)
    assert all(sum(f.stat().st_size for f in (home / "voices" / n).iterdir()) <= 10_000_000 for n in speakers)
    for name, speaker in speakers.items():
        converted = voiceswap("convert", "song.wav", "--as", name, "--dry", "--json", cwd=home)
        assert converted.returncode == 0, converted.stderr
        import soundfile

        made, rate = soundfile.read(home / f"song.{name}.wav", dtype="float32")
        assert (len(made), rate) == (len(song), 22050)
        timbre = metrics.timbre(made, FEATURES)
        target = synthetic.speech(speaker, 20.0, seed=99).samples
        to_target = metrics.timbre_distance_db(timbre, metrics.timbre(target, FEATURES))
        to_source = metrics.timbre_distance_db(timbre, metrics.timbre(song, FEATURES))
        assert to_target < to_source
        melody = metrics.melody_correlation(song, made, FEATURES)
        print(f"{name}: to target {to_target:.2f} dB, to source {to_source:.2f} dB, melody {melody:.3f}")
        assert melody > 0.9
        assert abs(metrics.level_db(made, 22050) - metrics.level_db(song, 22050)) < 1.5
        assert np.isfinite(made).all()
