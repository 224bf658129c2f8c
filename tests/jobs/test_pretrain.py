"""A tiny base made from two synthesised people: resumable, whole, and a start for the next one."""

import json

import pytest

from conftest import TINY, run_pretrain, stopped_at
from voiceswap.errors import ModelError, StoppedError, UsageError
from voiceswap.jobs.pretrain import PARTS
from voiceswap.model.base import load_base
from voiceswap.training import dataset
from voiceswap.training.base import decoder


def test_a_stopped_pretraining_goes_on_to_the_same_base(people, pretrained, home):
    stopped, _ = run_pretrain(people, home / "work", **stopped_at("training", 3))
    assert stopped.path is None and stopped.parts == ("encoder", "units")
    # As a save that was killed leaves it.
    (home / "work" / "run" / f".step-1.{10**30}.0123abcd.tmp").mkdir()
    resumed, _ = run_pretrain(people, home / "work", parts=("decoder", "vocoder", "slim_vocoder"))
    assert not list(home.rglob("*.tmp*"))
    whole = pretrained / "base"
    assert load_base(resumed.path).id == load_base(whole).id
    sums = [json.loads((path / "manifest.json").read_text())["files"] for path in (resumed.path, whole)]
    assert sums[0]["slim_vocoder.safetensors"] == sums[1]["slim_vocoder.safetensors"]
    card = json.loads((whole / "card.json").read_text())
    assert card["decoder"]["steps"] == 6 and card["decoder"]["speakers"] == 2
    log = [json.loads(line)["step"] for line in (whole / "training.jsonl").read_text().splitlines()]
    assert log[-1] == 6


def test_a_stop_is_heard_wherever_recordings_are_read(people, home, monkeypatch):
    run_pretrain(people, home / "work", parts=["encoder", "vocoder"])
    before = {path: path.is_dir() or path.read_bytes() for path in home.rglob("*")}
    for part, stage, step in [
        ("encoder", "listening", 0),
        ("units", "listening", 0),
        ("decoder", "preparing", 0),
        ("vocoder", "listening", 0),
        ("slim_vocoder", "listening", 0),
        # Both were listened to: the ranks come next.
        ("slim_vocoder", "listening", 1),
        ("quick_vocoder", "preparing", 0),
    ]:
        with pytest.raises(StoppedError, match="stopped while the recordings of the people were read"):
            run_pretrain(people, home / "work", parts=[part], **stopped_at(stage, step))
    assert {path: path.is_dir() or path.read_bytes() for path in home.rglob("*")} == before
    read = []
    monkeypatch.setenv("VOICESWAP_CACHE", str(home / "cold"))
    monkeypatch.setattr(dataset._Extraction, "add", lambda self, path, i: read.append(path) or 0)
    with pytest.raises(StoppedError):
        run_pretrain(people, home / "work", parts=["decoder"], stopped=lambda: bool(read))
    assert len(read) == 1


def test_what_was_begun_otherwise_says_how_to_begin_anew(people, home):
    run_pretrain(people, home / "work", **stopped_at("training", 3))
    with pytest.raises(ModelError, match="differs in seed") as caught:
        run_pretrain(people, home / "work", parts=("decoder",), seed=7)
    # `pretrain` has no --fresh.
    assert caught.value.hint.endswith(f"or remove {home / 'work' / 'run'} to start over")


# Two whole bases, for a command that only developers use.
@pytest.mark.slow
def test_a_base_is_a_start_for_the_next_one(people, home):
    # The tiny base has two speakers, so that it is no start for a decoder of one.
    first, notes = run_pretrain(people, home / "first", leave_out=["bert"])
    assert not any("goes on" in text for text in notes)
    second, notes = run_pretrain(people, home / "second", leave_out=["bert"], start=first.path)
    assert any("goes on" in text for text in notes)
    rates = [r.card["decoder"]["settings"]["learning_rate"] for r in (first, second)]
    assert rates[1] == pytest.approx(decoder.FURTHER_RATE * rates[0])
    assert second.card["start_sha256"] == load_base(first.path).id


# A whole base with wider networks, for an option that only developers use.
@pytest.mark.slow
def test_a_wider_content_starts_from_what_the_decoder_heard_before(people, pretrained, home):
    wide, notes = run_pretrain(people, home / "wide", content_dim=12, start=pretrained / "base")
    assert load_base(wide.path).config.encoder.content_dim == 12
    assert load_base(wide.path).arrays("encoder")["content/kernel"].shape == (TINY.encoder.width, 12)
    assert any("goes on" in text for text in notes)
    with pytest.raises(UsageError, match="content_dim is 17"):
        run_pretrain(people, home / "wider", content_dim=TINY.encoder.width + 1)


def test_credits_are_read_before_the_work(people, home):
    with pytest.raises(UsageError, match=r"cannot read the credits .*CREDIT: .*[Nn]o such file"):
        run_pretrain(people, home / "work", credits=home / "CREDIT")
    assert not (home / "work").exists()


def test_people_that_are_left_out_are_not_heard(people, home):
    alone, _ = run_pretrain(people, home / "work", leave_out=["bert"])
    assert alone.card["decoder"]["speakers"] == 1
    with pytest.raises(UsageError, match="nobody"):
        run_pretrain(people, home / "none", leave_out=["anna", "bert"])


@pytest.mark.parametrize("minutes", [float("nan"), float("inf"), 0, -3, 10_001])
def test_minutes_that_no_training_can_take_are_refused_before_the_work(minutes, people, home):
    with pytest.raises(UsageError, match=rf"minutes is {minutes}, wanted more than 0 and at most 10000"):
        run_pretrain(people, home / "work", minutes=minutes)
    assert not (home / "work").exists()


def test_a_part_that_there_is_not_is_refused_before_the_work(people, home):
    with pytest.raises(UsageError, match=r"unknown part: ears, eyes$") as caught:
        run_pretrain(people, home / "work", parts=["encoder", "eyes", "ears"])
    assert caught.value.hint == "wanted some of encoder, units, decoder, vocoder, slim_vocoder, quick_vocoder"
    assert (
        PARTS == ("encoder", "units", "decoder", "vocoder", "slim_vocoder", "quick_vocoder")
        and not (home / "work").exists()
    )
