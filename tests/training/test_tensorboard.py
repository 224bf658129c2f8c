"""A training for TensorBoard: curves, sound and pictures, and no bit of the voice changed."""

import importlib.util
import math

import pytest

import voiceswap
from voiceswap.errors import UsageError
from voiceswap.training import tensorboard, timelapse
from voiceswap.training.timelapse import list_frames


def test_tensorboard_gets_curves_sound_and_pictures(recordings, use_tiny, home, monkeypatch):
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed: pip install voiceswap[tensorboard]")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setattr(timelapse, "MAX_SHARE", math.inf)
    (result,) = voiceswap.train(recordings, tensorboard=True)
    frames = [step for step, _ in list_frames(home / "voices" / ".runs" / "speakerA" / "timelapse")]
    events = EventAccumulator(str(home / "voices" / ".runs" / "speakerA" / "tensorboard"), {"tensors": 0}).Reload()
    written = {tag: [event.step for event in events.Tensors(tag)] for tag in events.Tags()["tensors"]}
    assert written["held-out error"] == [0, 4, 8, 12] and written["loss"] == [4, 8, 12]
    assert written["timelapse/sound"] == written["timelapse/spectrogram"] == frames
    name = "weights.safetensors"
    (without,) = voiceswap.train(recordings, voices=home / "without")
    assert (result.path / name).read_bytes() == (without.path / name).read_bytes()


def test_tensorboard_that_is_missing_is_one_clear_line(recordings, use_tiny, home, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(tensorboard, "find_spec", lambda name: None if name == "tensorboard" else found(name))
    with pytest.raises(UsageError, match="TensorBoard is not installed") as caught:
        voiceswap.train(recordings, tensorboard=True)
    assert caught.value.hint == 'pip install "voiceswap[tensorboard]"' and not (home / "voices").exists()
