"""A base's vocoder, and its low-rank form: resumable, of speakers of all speeds, and no worse than it began."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import TINY, run_pretrain, save, stopped_at
from voiceswap.events import ignore_events
from voiceswap.model.base import load_base
from voiceswap.signal import synthetic
from voiceswap.training.base import vocoder


def test_a_stopped_slim_vocoder_goes_on_to_the_same(people, pretrained, home):
    shutil.copytree(pretrained, home / "again")
    for name in ("slim_vocoder", "slim_run", "run", "base"):
        shutil.rmtree(home / "again" / name)
    stopped, _ = run_pretrain(people, home / "again", parts=["slim_vocoder"], **stopped_at("training", 2))
    assert stopped.path is None and "slim_vocoder" not in stopped.parts
    resumed, notes = run_pretrain(people, home / "again", parts=["slim_vocoder"])
    assert any("continuing from step 2" in text for text in notes)
    # The decoder's run was removed, and its log with it.
    logs = [{path.name for path in made.glob("*.jsonl")} for made in (pretrained / "base", resumed.path)]
    assert logs == [{"training.jsonl", "slim_training.jsonl"}, {"slim_training.jsonl"}]
    ours, theirs = ((made / "slim_vocoder.safetensors").read_bytes() for made in (pretrained / "base", resumed.path))
    assert ours == theirs
    assert load_base(resumed.path).get_vocoder("fast") is not load_base(resumed.path).get_vocoder("best")
    held_out = json.loads((pretrained / "base" / "card.json").read_text())["slim_vocoder"]["held_out"]
    assert held_out["best"] <= held_out["first"]


@given(st.sets(st.integers(0, vocoder.EXAMPLE_SPEAKERS - 1), max_size=vocoder.EXAMPLE_SPEAKERS // 3))
def test_it_is_ranked_and_judged_by_each_speed_that_it_hears_often(short):
    """Whoever speaks for too short a time is left out, which must not leave out speeds."""

    def read(path, speed, config):
        return np.full((vocoder.EXAMPLE_FRAMES - (int(path.name) in short), 1), speed)

    speakers = {str(i): [Path(str(i))] for i in range(vocoder.EXAMPLE_SPEAKERS)}
    model = SimpleNamespace(predict_on_batch=lambda mels: np.zeros((1, 1)))
    context = SimpleNamespace(speakers=speakers, until_stopped=lambda: ignore_events)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vocoder, "_read_mel_at_speed", read)
        examples, sources = vocoder._make_examples(model, TINY, context)
    assert sorted(int(path.name) for path in sources) == sorted(set(range(vocoder.EXAMPLE_SPEAKERS)) - short)
    speeds = examples.mel[:, 0, 0]
    for every in (vocoder.HELD_OUT_EVERY, vocoder.RANKED_EVERY):
        often = {speed for speed in speeds if np.sum(speeds == speed) >= every}
        assert often <= set(speeds[::every])


@pytest.mark.parametrize("speed", [0.75, 1.0, 2.0])
def test_a_recording_that_is_played_faster_is_higher(speed, tmp_path):
    path = save(tmp_path / "a.wav", synthetic.speech(synthetic.ANNA, 8.0, seed=1).samples)
    mel = vocoder._read_mel_at_speed(path, speed, TINY)
    assert mel.shape == (vocoder.EXAMPLE_FRAMES, TINY.features.n_mels) and mel.dtype == np.float32
    plain = vocoder._read_mel_at_speed(path, 1.0, TINY)
    bands = np.arange(TINY.features.n_mels)
    centre, plain_centre = ((np.exp(m).mean(axis=0) * bands).sum() / np.exp(m).mean(axis=0).sum() for m in (mel, plain))
    assert np.sign(round(centre - plain_centre, 6)) == np.sign(speed - 1)
