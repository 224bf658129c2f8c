"""The main job with the shipped base: two synthesised speakers, a song, each command as a user calls it."""

import numpy as np
import pytest
import soundfile

from voiceswap.config import FeatureConfig
from voiceswap.scoring import scores
from voiceswap.signal import synthetic
from voiceswap.signal.f0 import estimate_f0

FEATURES = FeatureConfig()


@pytest.mark.timeout(900)
def test_train_two_voices_and_convert_a_song(studio):
    assert [r["name"] for r in studio.trained] == ["speakerA", "speakerB"]
    assert all(r["scores"]["best"] < 0.8 * r["scores"]["first"] for r in studio.trained)
    voices = studio.folder / "voices"
    assert all(sum(f.stat().st_size for f in (voices / n).iterdir()) <= 10_000_000 for n in studio.speakers)
    song = synthetic.song(synthetic.CLARA).samples
    for name, speaker in studio.speakers.items():
        made, rate = soundfile.read(studio.folder / f"song.{name}.wav", dtype="float32")
        assert (len(made), rate) == (len(song), 22050)
        timbre = scores.timbre(made, FEATURES)
        target = synthetic.speech(speaker, 20.0, seed=99).samples
        to_target = scores.timbre_distance_db(timbre, scores.timbre(target, FEATURES))
        to_source = scores.timbre_distance_db(timbre, scores.timbre(song, FEATURES))
        assert to_target < to_source
        melody = scores.melody_correlation(song, made, FEATURES)
        print(f"{name}: to target {to_target:.2f} dB, to source {to_source:.2f} dB, melody {melody:.3f}")
        assert melody > 0.9
        assert abs(scores.level_db(made, 22050) - scores.level_db(song, 22050)) < 1.5
        assert np.isfinite(made).all()


@pytest.mark.timeout(900)
def test_r35_the_melody_lies_where_it_is_told(studio):
    song = estimate_f0(synthetic.song(synthetic.CLARA).samples, FEATURES)
    assert [r["voice"] for r in studio.converted] == list(studio.speakers)
    for told in studio.converted:
        made, _ = soundfile.read(studio.folder / f"song.{told['voice']}.wav", dtype="float32")
        made = estimate_f0(made, FEATURES)
        both = (song > 0) & (made > 0)
        moved = float(np.median(12 * np.log2(made[both] / song[both])))
        print(f"{told['voice']}: told {told['pitch_semitones']:.2f}, moved by {moved:.2f} semitones")
        assert both.mean() > 0.5
        assert abs(moved - told["pitch_semitones"]) < 0.5
