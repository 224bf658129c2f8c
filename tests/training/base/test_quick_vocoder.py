"""The part of a base that is the quick vocoder: made, stopped and gone on with, from a start, and put into a base."""

import json
import shutil

import numpy as np
import pytest

from conftest import TINY, run_pretrain, stopped_at
from voiceswap.model.base import load_base
from voiceswap.model.vocoders import Melody


def test_a_stopped_quick_vocoder_goes_on_to_the_same(people, pretrained, home):
    shutil.copytree(pretrained, home / "work")
    shutil.copytree(pretrained, home / "again")
    whole, notes = run_pretrain(people, home / "work", parts=["quick_vocoder"])
    assert any("people" in text for text in notes) and not any("goes on" in text for text in notes)
    stopped, _ = run_pretrain(people, home / "again", parts=["quick_vocoder"], **stopped_at("training", 2))
    assert "quick_vocoder" not in stopped.parts
    resumed, notes = run_pretrain(people, home / "again", parts=["quick_vocoder"])
    assert any("continuing from step 2" in text for text in notes)
    ours, theirs = ((made.path / "quick_vocoder.safetensors").read_bytes() for made in (whole, resumed))
    assert ours == theirs
    base, before = load_base(whole.path), load_base(pretrained / "base")
    assert base.id == before.id and (whole.path / "quick_training.jsonl").is_file()
    sound = base.get_vocoder("quick")
    melody = Melody.of(np.full(40, 200.0), np.ones(40, bool), TINY.features)
    assert np.isfinite(sound(np.full((40, 80), -4.0, np.float32), melody)).all()
    card = json.loads((whole.path / "card.json").read_text())["quick_vocoder"]
    assert card["steps"] == 6 and card["speakers"] == 2 and card["held_out"]["best"] <= card["held_out"]["first"]


# One more training, for what two lines do.
@pytest.mark.slow
def test_a_base_with_a_quick_vocoder_is_a_start_for_the_next_one(people, quick_base, home):
    further, notes = run_pretrain(people, home / "further", parts=["quick_vocoder"], start=quick_base)
    assert "quick_vocoder: goes on from that of the base it starts from" in notes
    assert further.path is None and further.parts == ("quick_vocoder",)
