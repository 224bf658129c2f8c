"""Training and converting with tiny networks: resumed, refused, whole, exact."""

import shutil

import numpy as np
import pytest

import voiceswap
from conftest import save, stopped_at
from voiceswap.errors import AudioError, ModelError, UsageError
from voiceswap.events import Found, Note, Plan, Progress
from voiceswap.signal import synthetic
from voiceswap.training import loop, voice_training
from voiceswap.training.learner import DecoderLearner


def test_a_voice_is_trained_kept_ready_and_trained_further(recordings, use_tiny):
    events = []
    (result,) = voiceswap.train(recordings, on_event=events.append)
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


def test_a_stopped_training_goes_on_to_the_same_weights(recordings, trained, use_tiny):
    (stopped,) = voiceswap.train(recordings, **stopped_at("training", 7))
    assert stopped.status == "stopped" and stopped.steps == 7
    with pytest.raises(ModelError, match="speakerA is not ready: its first training was stopped"):
        voiceswap.load("speakerA")
    (resumed,) = voiceswap.train(recordings)
    assert resumed.status == "trained"
    name = "weights.safetensors"
    assert (resumed.path / name).read_bytes() == (trained / "speakerA" / name).read_bytes()


def at_step(n, events):
    return lambda: any(isinstance(e, Progress) and e.stage == "training" and e.step >= n for e in events)


def going_on(events):
    return [e.text for e in events if isinstance(e, Note) and "continuing from" in e.text]


def test_a_stopped_training_of_a_ready_voice_goes_on(voice, recordings, use_tiny, home):
    events = []
    quick = {"timelapse": False, "on_event": events.append}
    voiceswap.train(recordings, fresh=True, seed=1, stopped=at_step(7, events), **quick)
    events.clear()
    (result,) = voiceswap.train(recordings, seed=1, **quick)
    assert (result.status, result.steps) == ("trained", 12)
    assert going_on(events) == ["speakerA: continuing from step 7"]
    save(recordings / "take9.wav", synthetic.speech(synthetic.ANNA, 8.0, seed=9).samples)
    events.clear()
    voiceswap.train(recordings, stopped=at_step(4, events), **quick)
    assert any(isinstance(e, Note) and "trained on other recordings" in e.text for e in events)
    events.clear()
    (result,) = voiceswap.train(recordings, **quick)
    assert (result.status, result.steps) == ("trained", 12)
    assert going_on(events) == ["speakerA: continuing from step 4"]
    assert voiceswap.train(recordings, **quick)[0].status == "ready"


def test_a_voice_is_trained_further_each_time_by_as_much_again(recordings, use_tiny, home, monkeypatch):
    events = []
    quick = {"timelapse": False, "on_event": events.append}
    voiceswap.train(recordings, **quick)
    (first,) = voiceswap.train(recordings, more=True, minutes=10, stopped=at_step(16, events), **quick)
    assert (first.status, first.steps) == ("stopped", 16)
    (second,) = voiceswap.train(recordings, more=True, minutes=10, **quick)
    assert (second.status, second.steps) == ("trained", 24)
    # Never again better, so that it ends early.
    monkeypatch.setattr(DecoderLearner, "score", lambda self, batch: 99.0)
    monkeypatch.setattr(loop.RunState, "ended", patient(loop.RunState.ended, 1))
    assert [voiceswap.train(recordings, more=True, **quick)[0].steps for _ in range(2)] == [28, 32]
    shutil.rmtree(home / "voices" / ".runs")
    events.clear()
    (anew,) = voiceswap.train(recordings, more=True, **quick)
    assert anew.status == "trained"
    assert any(isinstance(e, Note) and e.warning and "its checkpoints are gone" in e.text for e in events)


def patient(ended, patience):
    return lambda state, train: ended(state, train.model_copy(update={"patience": patience}))


def test_a_damaged_checkpoint_is_passed_over_with_a_warning(recordings, use_tiny, home):
    voiceswap.train(recordings, **stopped_at("training", 7))
    newest = max((home / "voices" / ".runs" / "speakerA").glob("step-*"))
    (newest / "state.safetensors").write_bytes(b"torn")
    events = []
    (result,) = voiceswap.train(recordings, on_event=events.append)
    assert result.status == "trained"
    assert any(isinstance(e, Note) and e.warning and "state.safetensors" in e.text for e in events)
    assert any(isinstance(e, Note) and "continuing from step 6" in e.text for e in events)


def test_other_recordings_or_base_are_not_mixed_up(recordings, use_tiny, home):
    voiceswap.train(recordings, **stopped_at("training", 4))
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


def test_speech_without_any_voice_is_refused_before_the_training(recordings, use_tiny, home, monkeypatch):
    monkeypatch.setattr(voice_training, "measure_f0_range", lambda f0_hz: None)
    with pytest.raises(AudioError, match="speakerA has no voiced sound"):
        voiceswap.train(recordings)
    assert not list(home.rglob("step-*"))


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


@pytest.mark.parametrize("fresh", [False, True])
def test_a_voice_never_takes_the_place_of_recordings(recordings, use_tiny, home, fresh):
    inner = shutil.copytree(recordings, home / "boris" / "boris")
    (home / "voices" / "take0").mkdir(parents=True)
    before = sorted(home.rglob("*"))
    for sources, voices, says in [
        ([recordings], home, "these are its recordings"),
        ([inner], home, "these are its recordings"),
        ([inner, recordings], home / "boris", "these are its recordings"),
        ([recordings / "take0.wav"], home / "voices", "that is no voice"),
    ]:
        with pytest.raises(UsageError, match=f"would replace .*: {says}$"):
            voiceswap.train(*sources, voices=voices, fresh=fresh)
    assert sorted(home.rglob("*")) == before


def test_nothing_is_left_behind(recordings, use_tiny, home, monkeypatch):
    # Nor what killed processes left.
    for place in ("voices", "voices/.runs/speakerA", "voices/.runs/speakerA/timelapse", "cache"):
        (home / place).mkdir(parents=True, exist_ok=True)
        (home / place / f".a.flac.{10**30}.0123abcd.tmp.flac").write_bytes(b"half")
    monkeypatch.setenv("VOICESWAP_CACHE", str(home / "cache"))
    voiceswap.train(recordings)
    assert not [p for p in home.rglob("*") if ".tmp" in p.name]


@pytest.mark.parametrize("sign", [",", "="])
def test_a_new_voice_may_not_be_called_like_several(recordings, use_tiny, home, sign):
    folder = recordings.rename(recordings.with_name(f"a{sign}b"))
    with pytest.raises(UsageError, match="a new voice cannot be called"):
        voiceswap.train(folder)
    assert not (home / "voices").exists() or not any((home / "voices").iterdir())
