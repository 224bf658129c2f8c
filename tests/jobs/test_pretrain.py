"""A tiny base made from two synthesised people: resumable, whole, and a start for the next one."""

import errno
import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import TINY, save
from voiceswap.audio.read import read_mono
from voiceswap.errors import ModelError, StoppedError, UsageError
from voiceswap.events import Note, Progress, ignore_events
from voiceswap.jobs import check, pretrain
from voiceswap.jobs.pretrain import principal_components
from voiceswap.model import base
from voiceswap.model.base import load_base
from voiceswap.model.weights import to_arrays
from voiceswap.signal import synthetic
from voiceswap.training import dataset

N_STEPS = 6


@pytest.fixture
def people(home, spoken, use_tiny, monkeypatch):
    """A folder of two people; what is made has tiny networks."""
    monkeypatch.setattr(pretrain, "DecoderConfig", lambda: TINY.decoder)
    train = TINY.train.model_copy(update={"steps": N_STEPS, "adversary": 0.0})
    monkeypatch.setattr(pretrain, "BASE_TRAIN", train)
    monkeypatch.setattr(pretrain, "SLIM_TRAIN", train.model_copy(update={"crop_frames": 40, "batch": 2}))
    monkeypatch.setattr(pretrain, "SAID_FRAMES", 60)
    for name in ("anna", "bert"):
        shutil.copytree(spoken, home / "people" / name)
    return home / "people"


def made(people, out, **options):
    events = []
    result = pretrain.pretrain(people, out=out, **{"report": events.append} | options)
    return result, [e.text for e in events if isinstance(e, Note)]


def stopped_at(stage, step):
    """Options of a pretraining that someone stops there."""
    seen = []

    def report(event):
        seen.append(isinstance(event, Progress) and (event.stage, event.step) == (stage, step))

    return {"report": report, "stopped": lambda: any(seen)}


def test_a_stopped_pretraining_goes_on_to_the_same_base(people, home):
    stopped, _ = made(people, home / "work", **stopped_at("training", 3))
    assert stopped.path is None and stopped.parts == ("encoder", "units")
    # As a save that was killed leaves it.
    (home / "work" / "run" / f".step-1.{10**30}.0123abcd.tmp").mkdir()
    resumed, _ = made(people, home / "work", parts=("decoder", "vocoder", "slim_vocoder"))
    assert not list(home.rglob("*.tmp*"))
    whole, _ = made(people, home / "other")
    assert load_base(resumed.path).id == load_base(whole.path).id
    sums = [json.loads((made_base.path / "manifest.json").read_text())["files"] for made_base in (resumed, whole)]
    assert sums[0]["slim_vocoder.safetensors"] == sums[1]["slim_vocoder.safetensors"]
    card = json.loads((whole.path / "card.json").read_text())
    assert card["decoder"]["steps"] == N_STEPS and card["decoder"]["speakers"] == 2
    log = [json.loads(line)["step"] for line in (whole.path / "training.jsonl").read_text().splitlines()]
    assert log[-1] == N_STEPS


def test_a_stop_is_heard_wherever_recordings_are_read(people, home, monkeypatch):
    made(people, home / "work", parts=["encoder", "vocoder"])
    before = {path: path.is_dir() or path.read_bytes() for path in home.rglob("*")}
    for part, stage, step in [
        ("encoder", "listening", 0),
        ("units", "listening", 0),
        ("decoder", "preparing", 0),
        ("vocoder", "listening", 0),
        ("slim_vocoder", "listening", 0),
        # Both were listened to: the ranks come next.
        ("slim_vocoder", "listening", 1),
    ]:
        with pytest.raises(StoppedError, match="stopped while the recordings of the people were read"):
            made(people, home / "work", parts=[part], **stopped_at(stage, step))
    assert {path: path.is_dir() or path.read_bytes() for path in home.rglob("*")} == before
    read = []
    monkeypatch.setenv("VOICESWAP_CACHE", str(home / "cold"))
    monkeypatch.setattr(dataset._Extraction, "add", lambda self, path, i: read.append(path) or 0)
    with pytest.raises(StoppedError):
        made(people, home / "work", parts=["decoder"], stopped=lambda: bool(read))
    assert len(read) == 1


def test_what_was_begun_otherwise_says_how_to_begin_anew(people, home):
    made(people, home / "work", **stopped_at("training", 3))
    with pytest.raises(ModelError, match="differs in seed") as caught:
        made(people, home / "work", parts=("decoder",), seed=7)
    # `pretrain` has no --fresh.
    assert caught.value.hint.endswith(f"or remove {home / 'work' / 'run'} to begin anew")


def test_a_stopped_slim_vocoder_goes_on_to_the_same(people, home):
    whole, _ = made(people, home / "whole")
    shutil.copytree(home / "whole", home / "again")
    for name in ("slim_vocoder", "slim_run", "run", "base"):
        shutil.rmtree(home / "again" / name)
    stopped, _ = made(people, home / "again", parts=["slim_vocoder"], **stopped_at("training", 2))
    assert stopped.path is None and "slim_vocoder" not in stopped.parts
    resumed, notes = made(people, home / "again", parts=["slim_vocoder"])
    assert any("going on from step 2" in text for text in notes)
    # The decoder's run was removed, and its log with it.
    logs = [{path.name for path in made_base.path.glob("*.jsonl")} for made_base in (whole, resumed)]
    assert logs == [{"training.jsonl", "slim_training.jsonl"}, {"slim_training.jsonl"}]
    slim = [load_base(made_base.path).low_rank_vocoder() for made_base in (whole, resumed)]
    for ours, theirs in zip(*(to_arrays(of.network.model).values() for of in slim), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert whole.card["slim_vocoder"]["held_out"]["best"] <= whole.card["slim_vocoder"]["held_out"]["first"]


def test_a_base_is_a_start_for_the_next_one(people, home):
    # The tiny base has two speakers, so that it is no start for a decoder of one.
    first, notes = made(people, home / "first", leave_out=["bert"])
    assert not any("goes on" in text for text in notes)
    second, notes = made(people, home / "second", leave_out=["bert"], start=first.path)
    assert any("goes on" in text for text in notes)
    rates = [r.card["decoder"]["settings"]["learning_rate"] for r in (first, second)]
    assert rates[1] == pytest.approx(pretrain.FURTHER_RATE * rates[0])
    assert second.card["start_sha256"] == load_base(first.path).id


def test_a_wider_content_starts_from_what_the_decoder_heard_before(people, home):
    narrow, _ = made(people, home / "narrow")
    wide, notes = made(people, home / "wide", content_dim=12, start=narrow.path)
    assert load_base(wide.path).config.encoder.content_dim == 12
    assert load_base(wide.path).arrays("encoder")["content/kernel"].shape == (TINY.encoder.width, 12)
    assert any("goes on" in text for text in notes)
    with pytest.raises(UsageError, match="content_dim is 17"):
        made(people, home / "wider", content_dim=TINY.encoder.width + 1)


def test_in_more_components_a_first_layer_says_the_same():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(400, 16)) * np.arange(1, 17) + 3
    encoders, contents = [], []
    for n_components in (5, 9):
        kernel, bias, _ = pretrain.principal_components(vectors, n_components)
        encoders.append(dict(zip(pretrain.COMPONENTS, (kernel, bias), strict=True)))
        contents.append(vectors @ kernel + bias)
    first = dict(zip(pretrain.FIRST_LAYER, (rng.normal(size=(5, 4)), rng.normal(size=4)), strict=True))
    kernel, bias = pretrain.in_other_components(first, *encoders).values()
    said = contents[0] @ first["content_in/kernel"] + first["content_in/bias"]
    np.testing.assert_allclose(contents[1] @ kernel + bias, said, atol=0.02)


def test_a_base_knows_the_sounds_that_it_was_made_of(people, home, monkeypatch):
    made(people, home / "work")
    assert load_base(home / "work" / "base").units.shape == (base.N_UNITS, TINY.encoder.content_dim)
    monkeypatch.setattr(base, "SHIPPED", home / "work" / "base")
    excerpts = [(read_mono(path, 22050, max_s=8.0), 22050) for path in sorted((people / "anna").iterdir())]
    some, all_of_it = check.units_heard(excerpts[:1]), check.units_heard(excerpts)
    assert 0 < some < all_of_it <= 1
    assert check.units_heard([]) == 0


def test_parts_made_from_another_encoder_are_not_put_together(people, home, monkeypatch):
    made(people, home / "work")
    before = load_base(home / "work" / "base").id
    save(people / "bert" / "take0.wav", synthetic.speech(synthetic.BORIS, 16.0, seed=5).samples)
    result, notes = made(people, home / "work", parts=["encoder"])
    assert result.path is None and result.parts == ("encoder", "vocoder", "slim_vocoder")
    run = home / "work" / "run"
    assert "units: made from another encoder; make it again with --part units" in notes
    assert f"decoder: made from another encoder; delete {run}, then make it again with --part decoder" in notes
    assert load_base(home / "work" / "base").id == before
    shutil.rmtree(run)
    with monkeypatch.context() as patch:
        patch.setattr(pretrain, "MADE_FROM", {"decoder": "encoder"})
        made(people, home / "work", parts=["units"])
    result, notes = made(people, home / "work", parts=["decoder"])
    assert result.path is not None and load_base(result.path).id != before
    assert [text for text in notes if "made from" in text] == [
        "units: not known which encoder it was made from, as it is of an earlier version"
    ]


def test_credits_are_read_before_the_work(people, home):
    with pytest.raises(UsageError, match=r"cannot read the credits .*CREDIT: .*[Nn]o such file"):
        made(people, home / "work", credits=home / "CREDIT")
    assert not (home / "work").exists()


def test_people_that_are_left_out_are_not_heard(people, home):
    alone, _ = made(people, home / "work", leave_out=["bert"])
    assert alone.card["decoder"]["speakers"] == 1
    with pytest.raises(UsageError, match="nobody"):
        made(people, home / "none", leave_out=["anna", "bert"])


def test_two_people_of_one_name_are_not_taken_for_one(people, home):
    for name in ("anna", "carl"):
        shutil.copytree(people / "anna", home / "corpus" / name)
    with pytest.raises(UsageError, match=f"one name: {people / 'anna'} and {home / 'corpus' / 'anna'}$"):
        pretrain.pretrain(people, home / "corpus", out=home / "work")
    assert sorted(pretrain._people([people, home / "corpus"], ["anna"])) == ["bert", "carl"]


def test_nobody_is_left_out_who_is_not_there(people, home):
    with pytest.raises(UsageError, match=r"nobody to leave out: bart, cora$") as caught:
        made(people, home / "work", leave_out=["bart", "anna", "cora"])
    assert str(people) in caught.value.hint


def test_people_who_may_not_be_looked_into_are_told(people, monkeypatch):
    def refused(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "listdir", refused)
    with pytest.raises(UsageError, match=f"cannot look into {people}: permission denied"):
        pretrain._people([people], [])


@pytest.mark.parametrize("minutes", [float("nan"), float("inf"), 0, -3, 10_001])
def test_minutes_that_no_training_can_take_are_refused_before_the_work(minutes, people, home):
    with pytest.raises(UsageError, match=rf"minutes is {minutes}, wanted more than 0 and at most 10000"):
        made(people, home / "work", minutes=minutes)
    assert not (home / "work").exists()


@pytest.mark.parametrize(("durations_s", "heard"), [((0.8, 0.9), "0.0"), ((0.8, 1.2), "1.2")])
def test_first_recordings_in_which_too_little_is_said_are_refused(durations_s, heard, people, home):
    for name, duration_s in zip(("anna", "bert"), durations_s, strict=True):
        save(people / name / "take0.wav", synthetic.speech(synthetic.ANNA, 2.0).samples[: round(22050 * duration_s)])
    with pytest.raises(UsageError, match=f"first recordings have {heard} s in all, wanted at least 2 s"):
        made(people, home / "work", parts=["encoder"])


def test_recordings_too_short_for_any_part_are_refused(people, home):
    made(people, home / "work", parts=["encoder"])
    for name, n_samples in (("anna", 10), ("bert", 200)):
        save(home / "short" / name / "take0.wav", np.full(n_samples, 0.1))
    for part, says in [
        ("encoder", "have 0.0 s"),
        ("units", "have 0.0 s"),
        ("decoder", "nobody has 10 clips"),
        ("vocoder", "nobody's first recording"),
    ]:
        with pytest.raises(UsageError, match=says):
            made(home / "short", home / "work", parts=[part])


@given(st.sets(st.integers(0, pretrain.SAID_SPEAKERS - 1), max_size=pretrain.SAID_SPEAKERS // 3))
def test_the_slim_vocoder_is_ranked_and_judged_by_each_speed_that_it_hears_often(short):
    """Whoever speaks for too short a time is left out, which must not leave out speeds."""

    def played(path, speed, config):
        return np.full((pretrain.SAID_FRAMES - (int(path.name) in short), 1), speed)

    people = {str(i): [Path(str(i))] for i in range(pretrain.SAID_SPEAKERS)}
    model = SimpleNamespace(predict_on_batch=lambda mels: np.zeros((1, 1)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretrain, "_played", played)
        said, sources = pretrain._said_by(model, people, TINY, ignore_events)
    assert sorted(int(path.name) for path in sources) == sorted(set(range(pretrain.SAID_SPEAKERS)) - short)
    speeds = said.mel[:, 0, 0]
    for every in (pretrain.SAID_HELD_OUT, pretrain.SAID_RANKED):
        often = {speed for speed in speeds if np.sum(speeds == speed) >= every}
        assert often <= set(speeds[::every])


def test_principal_components_are_those_of_an_svd():
    random = np.random.default_rng(0)
    vectors = random.normal(size=(500, 12)) @ random.normal(size=(12, 12)) + 3.0
    kernel, bias, kept = principal_components(vectors, 4)
    _, singular, directions = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    assert kept == pytest.approx((singular[:4] ** 2).sum() / (singular**2).sum())
    made = vectors @ kernel + bias
    assert np.abs(made.mean(axis=0)).max() < 1e-9
    cosines = np.abs(np.sum(kernel / np.linalg.norm(kernel, axis=0) * directions[:4].T, axis=0))
    np.testing.assert_allclose(cosines, 1.0, atol=1e-6)
    # Half-whitened: variances fall with the square root of what they were.
    np.testing.assert_allclose(made.std(axis=0) ** 2 / made.std(axis=0)[0] ** 2, singular[:4] / singular[0], rtol=1e-6)
