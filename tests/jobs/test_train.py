"""Training and converting with tiny networks: resumed, refused, whole, exact."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
import soundfile

import voiceswap
from conftest import save
from voiceswap.errors import AudioError, ModelError, UsageError
from voiceswap.jobs.events import Found, Note, Plan, Progress
from voiceswap.shell import synthetic
from voiceswap.storage import folder


def weights(path):
    return (path / "weights.safetensors").read_bytes()


def test_a_voice_is_trained_kept_ready_and_trained_further(recordings, use_tiny):
    events = []
    (result,) = voiceswap.train(recordings, report=events.append)
    assert (result.name, result.status, result.steps) == ("speakerA", "trained", 12)
    assert result.scores["best"] <= result.scores["first"]
    found = next(e for e in events if isinstance(e, Found))
    assert found.n_files == 3 and 36 < found.speech_s < 48
    assert any(isinstance(e, Plan) for e in events)
    assert [e.step for e in events if isinstance(e, Progress) and e.stage == "training"] == list(range(1, 13))
    assert any(isinstance(e, Note) and e.warning and "3 minutes" in e.text for e in events)
    card = voiceswap.load("speakerA").card
    assert 180 < card["f0_range"]["mid_hz"] < 240
    (again,) = voiceswap.train(recordings)
    assert again.status == "ready"
    (more,) = voiceswap.train(recordings, more=True)
    assert more.status == "trained" and more.steps == 24


def test_a_stopped_training_goes_on_to_the_same_weights(recordings, use_tiny, home):
    (whole,) = voiceswap.train(recordings, voices=home / "one")
    asked = iter(range(100))
    (stopped,) = voiceswap.train(recordings, voices=home / "two", stopped=lambda: next(asked) >= 6)
    assert stopped.status == "stopped" and stopped.steps == 7
    with pytest.raises(ModelError, match="no voice"):
        voiceswap.load("speakerA", voices=home / "two")
    (resumed,) = voiceswap.train(recordings, voices=home / "two")
    assert resumed.status == "trained"
    assert weights(whole.path) == weights(resumed.path)


def test_a_killed_training_goes_on_to_the_same_weights(recordings, use_tiny, home):
    """R1: kill -9 in the middle, then the same command again."""
    code = textwrap.dedent(
        """
        import sys, time
        from pathlib import Path
        from voiceswap.model import base
        base.SHIPPED = Path(sys.argv[1])
        from voiceswap.jobs.events import Progress
        import voiceswap
        def slow(event):
            if isinstance(event, Progress) and event.stage == "training":
                print(event.step, flush=True)
                time.sleep(0.3)
        voiceswap.train(sys.argv[2], voices=sys.argv[3], report=slow)
        """
    )
    (whole,) = voiceswap.train(recordings, voices=home / "one")
    command = [sys.executable, "-c", code, str(use_tiny), str(recordings), str(home / "two")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if int(line) == 7:
                time.sleep(0.1)
                process.send_signal(signal.SIGKILL)
                break
    kept = [p.name for p in (home / "two" / ".runs" / "speakerA").glob("step-*")]
    assert kept
    (resumed,) = voiceswap.train(recordings, voices=home / "two")
    assert weights(whole.path) == weights(resumed.path)


def test_a_damaged_checkpoint_is_passed_over_with_a_warning(recordings, use_tiny, home):
    asked = iter(range(100))
    voiceswap.train(recordings, stopped=lambda: next(asked) >= 6)
    newest = max((home / "voices" / ".runs" / "speakerA").glob("step-*"))
    (newest / "state.safetensors").write_bytes(b"torn")
    events = []
    (result,) = voiceswap.train(recordings, report=events.append)
    assert result.status == "trained"
    assert any(isinstance(e, Note) and e.warning and "state.safetensors" in e.text for e in events)
    assert any(isinstance(e, Note) and "going on from step 6" in e.text for e in events)


def test_other_recordings_or_base_are_not_mixed_up(recordings, use_tiny, home):
    asked = iter(range(100))
    voiceswap.train(recordings, stopped=lambda: next(asked) >= 3)
    save(recordings / "take9.wav", synthetic.speech(synthetic.ANNA, 8.0, seed=9).samples)
    with pytest.raises(ModelError, match="differs in data"):
        voiceswap.train(recordings)
    (fresh,) = voiceswap.train(recordings, fresh=True)
    assert fresh.status == "trained"


def test_too_little_speech_is_refused(home, use_tiny):
    save(home / "few" / "a.wav", synthetic.speech(synthetic.ANNA, 8.0).samples)
    (home / "few" / "b.wav").write_bytes(b"")
    with pytest.raises(AudioError, match=r"few has \d s of speech in 2 files, wanted at least 30 s; b.wav: .*empty"):
        voiceswap.train(home / "few")
    save(home / "silent" / "a.wav", np.zeros(22050 * 40))
    with pytest.raises(AudioError, match="silent has 0 s of speech"):
        voiceswap.train(home / "silent")


def test_wrong_calls(home, use_tiny, recordings):
    for call, says in [
        (lambda: voiceswap.train(), "nothing to train"),
        (lambda: voiceswap.train(home / "nobody"), "no such folder"),
        (lambda: voiceswap.train(recordings, recordings), "two sources"),
        (lambda: voiceswap.train(recordings, minutes=-1), "minutes is -1"),
        (lambda: voiceswap.train(recordings, more=True, fresh=True), "exclude"),
    ]:
        with pytest.raises(UsageError, match=says):
            call()


@pytest.fixture
def voice(recordings, use_tiny):
    voiceswap.train(recordings)
    return voiceswap.load("speakerA")


@pytest.mark.parametrize(("rate", "channels", "n"), [(8000, 1, 8001), (44100, 2, 70001), (192000, 1, 50000)])
def test_converted_files_have_rate_channels_and_length_of_the_source(voice, home, rate, channels, n):
    samples = np.random.default_rng(0).normal(0, 0.1, (n, channels))
    source = save(home / "song.wav", samples, rate)
    (made,) = voiceswap.convert(source, as_="speakerA")
    assert made.output == home / "song.speakerA.wav"
    result, result_rate = soundfile.read(made.output, always_2d=True)
    assert (result_rate, result.shape) == (rate, (n, channels))
    assert np.isfinite(result).all() and np.abs(result).max() <= 1


def test_silence_stays_silent_and_the_shift_is_found(voice, home):
    spoken = synthetic.speech(synthetic.BORIS, 6.0, seed=3).samples
    samples = np.concatenate([np.zeros(22050), spoken, np.zeros(22050)]).astype(np.float32)
    made = voice.convert(samples, 22050)
    assert made.shape == samples.shape
    assert np.abs(made[:22050]).max() < 1e-3 and np.abs(made[-22050:]).max() < 1e-3
    source = save(home / "boris.wav", samples)
    (result,) = voiceswap.convert(source, as_="speakerA")
    assert 9 < result.pitch_semitones < 14
    (told,) = voiceswap.convert(source, as_="speakerA", pitch=-3, force=True)
    assert told.pitch_semitones == -3
    assert not voice.convert(np.zeros(44100, np.float32), 44100).any()


def test_protect_keeps_what_is_unvoiced_and_formant_changes_the_timbre(voice):
    noise = np.random.default_rng(0).normal(0, 0.05, 22050).astype(np.float32)
    spoken = synthetic.speech(synthetic.BORIS, 3.0, seed=3).samples
    source = np.concatenate([noise, spoken])
    plain = voice.convert(source, 22050, pitch=0)
    kept = voice.convert(source, 22050, pitch=0, protect=1.0)
    inner = slice(4000, 18000)
    np.testing.assert_allclose(kept[inner], source[inner], atol=0.01)
    assert np.corrcoef(plain[inner], source[inner])[0, 1] < 0.5
    assert np.corrcoef(kept[22050:], source[22050:])[0, 1] < 0.8
    assert np.abs(voice.convert(source, 22050, pitch=0, formant=3.0) - plain).max() > 1e-4
    for options, says in [
        ({"pitch": 49}, "pitch is 49"),
        ({"formant": 13}, "formant is 13"),
        ({"protect": 2}, "0 to 1"),
    ]:
        with pytest.raises(UsageError, match=says):
            voice.convert(source, 22050, **options)


def test_a_curve_is_written_edited_and_followed(voice, home):
    source = save(home / "song.wav", synthetic.speech(synthetic.BORIS, 4.0, seed=3).samples)
    (plain,) = voiceswap.convert(source, as_="speakerA", f0_out=home / "f0.csv")
    header, *rows = (home / "f0.csv").read_text().splitlines()
    assert len(rows) == 4 * 22050 // 256
    higher = [f"{t},{float(f) * 1.5:.2f}" for t, f in (row.split(",") for row in rows)]
    (home / "edited.csv").write_text("\n".join([header, *higher]))
    (edited,) = voiceswap.convert(source, as_="speakerA", f0=home / "edited.csv", force=True)
    assert edited.pitch_semitones == pytest.approx(plain.pitch_semitones - 12 * np.log2(1.5), abs=0.05)
    (home / "edited.csv").write_text("\n".join([header, *higher[:9], "hello"]))
    before = plain.output.read_bytes()
    with pytest.raises(UsageError, match="row 11"):
        voiceswap.convert(source, as_="speakerA", f0=home / "edited.csv", force=True)
    assert plain.output.read_bytes() == before
    with pytest.raises(UsageError, match="unknown F0 method 'crepe'"):
        voiceswap.convert(source, as_="speakerA", f0_method="crepe", force=True)
    with pytest.raises(UsageError, match="one F0 curve and 2 recordings"):
        voiceswap.convert(source, source, as_="speakerA", f0=home / "f0.csv")


def test_stereo_keeps_its_sides(voice):
    spoken = synthetic.speech(synthetic.BORIS, 3.0, seed=3).samples
    made = voice.convert(np.stack([spoken, np.zeros_like(spoken)], axis=-1), 22050)
    assert made[:, 0].any() and not made[:, 1].any()


def test_a_long_file_comes_out_in_one_piece(voice):
    spoken = synthetic.speech(synthetic.BORIS, 14.0, seed=3).samples
    made = voice.convert(spoken, 22050)
    assert len(made) == len(spoken)
    # No click at the seams between windows of 5.12 s.
    steps = np.abs(np.diff(made))
    for seam in (5.12, 10.24):
        at = int(seam * 22050)
        assert steps[at - 40 : at + 40].max() <= 3 * np.percentile(steps[at - 4000 : at + 4000], 99.5)


def test_outputs_are_never_overwritten_by_mistake(voice, home):
    source = save(home / "song.wav", np.random.default_rng(0).normal(0, 0.1, 22050))
    before = source.read_bytes()
    with pytest.raises(UsageError, match="is the input itself"):
        voiceswap.convert(source, as_="speakerA", out=source, force=True)
    voiceswap.convert(source, as_="speakerA")
    with pytest.raises(UsageError, match="exists"):
        voiceswap.convert(source, as_="speakerA")
    assert source.read_bytes() == before
    with pytest.raises(AudioError, match="20 ms long"):
        voice.convert(np.zeros(441, np.float32), 22050)


def test_a_voice_of_another_base_is_refused_in_one_line(voice, home, tiny_base, monkeypatch):
    card = json.loads((voice.path / "card.json").read_text()) | {"base": "0123456789ab"}
    arrays = folder.open_folder(voice.path, kind="voice", max_bytes=10**7)
    config = arrays.document("config")
    from safetensors.numpy import load

    kept = load((voice.path / "weights.safetensors").read_bytes())
    folder.write_folder(voice.path, kind="voice", documents={"config": config, "card": card}, arrays={"weights": kept})
    with pytest.raises(ModelError, match="was made with base 0123456789ab"):
        voiceswap.load("speakerA").convert(np.zeros(22050, np.float32), 22050)


def test_nothing_is_left_behind(voice, home):
    assert not [p for p in home.rglob("*") if ".tmp" in p.name]
    assert os.environ["VOICESWAP_CACHE"].startswith(str(home))
