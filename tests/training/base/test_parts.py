"""The table of parts: each fits what it was made from, and one more is one more row."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from conftest import run_pretrain, save
from voiceswap.errors import UsageError
from voiceswap.jobs import pretrain
from voiceswap.model.base import load_base
from voiceswap.signal import synthetic
from voiceswap.training.base import parts
from voiceswap.training.base.context import PartWeights
from voiceswap.training.base.parts import Part


def test_each_part_comes_after_what_it_is_made_from_and_keeps_its_log_if_it_learns():
    names = [part.name for part in parts.PARTS]
    assert names == ["encoder", "units", "decoder", "vocoder", "slim_vocoder", "quick_vocoder"]
    for i, part in enumerate(parts.PARTS):
        assert part.made_from is None or part.made_from in names[:i]
        assert (part.run is None) == (part.log is None)
    runs = [part.run for part in parts.PARTS if part.run is not None]
    assert [part.name for part in parts.PARTS if not part.is_needed] == ["quick_vocoder"]
    assert runs == ["run", "slim_run", "quick_run"] and not set(runs) & {*names, "base"}


def test_a_new_part_is_one_row(people, pretrained, home, monkeypatch):
    expected = {"w": ((3,), "F16")}
    seen = []

    def make(context):
        seen.append(sorted(context.speakers))
        return PartWeights(context.config, {"w": np.full(3, context.seed, np.float16)}, {"n": len(context.speakers)})

    row = Part("ears", make, lambda config, card: expected, made_from="encoder")
    monkeypatch.setattr(parts, "PARTS", (*parts.PARTS, row))
    monkeypatch.setattr(pretrain, "PARTS", tuple(part.name for part in parts.PARTS))
    shutil.copytree(pretrained, home / "work")
    result, _ = run_pretrain(people, home / "work", parts=["ears"], seed=7)
    assert seen == [["anna", "bert"]] and result.parts[-1] == "ears" and result.card["ears"]["n"] == 2
    assert "ears.safetensors" in json.loads((result.path / "manifest.json").read_text())["files"]
    np.testing.assert_array_equal(load_base(result.path)._folder.arrays("ears", expected)["w"], np.full(3, 7))
    save(people / "bert" / "take0.wav", synthetic.speech(synthetic.BORIS, 16.0, seed=5).samples)
    result, notes = run_pretrain(people, home / "work", parts=["encoder"])
    assert "ears" not in result.parts and "ears: made from another encoder; make it again with `parts` ears" in notes


def test_parts_made_from_another_encoder_are_not_put_together(people, pretrained, home, monkeypatch):
    shutil.copytree(pretrained, home / "work")
    before = load_base(home / "work" / "base").id
    save(people / "bert" / "take0.wav", synthetic.speech(synthetic.BORIS, 16.0, seed=5).samples)
    result, notes = run_pretrain(people, home / "work", parts=["encoder"])
    assert result.path is None and result.parts == ("encoder", "vocoder", "slim_vocoder")
    run = home / "work" / "run"
    assert "units: made from another encoder; make it again with `parts` units" in notes
    assert f"decoder: made from another encoder; delete {run}, then make it again with `parts` decoder" in notes
    assert load_base(home / "work" / "base").id == before
    shutil.rmtree(run)
    with monkeypatch.context() as patch:
        # As an earlier version did, which did not keep what it was made from.
        without = tuple(replace(part, made_from=None) if part.name == "units" else part for part in parts.PARTS)
        patch.setattr(parts, "PARTS", without)
        run_pretrain(people, home / "work", parts=["units"])
    result, notes = run_pretrain(people, home / "work", parts=["decoder"])
    assert result.path is not None and load_base(result.path).id != before
    assert [text for text in notes if "made from" in text] == [
        "units: not known which encoder it was made from, as it is of an earlier version"
    ]


def test_recordings_too_short_for_any_part_are_refused(people, home):
    run_pretrain(people, home / "work", parts=["encoder"])
    for name, n_samples in (("anna", 10), ("bert", 200)):
        save(home / "short" / name / "take0.wav", np.full(n_samples, 0.1))
    for part, says in [
        ("encoder", "have 0.0 s"),
        ("units", "have 0.0 s"),
        ("decoder", "nobody has 10 clips"),
        ("vocoder", "nobody's first recording"),
        ("quick_vocoder", "no recording is long enough"),
    ]:
        with pytest.raises(UsageError, match=says):
            run_pretrain(home / "short", home / "work", parts=[part])
