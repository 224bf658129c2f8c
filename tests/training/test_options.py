"""The options of a training: the same for all who give them, refused by name, and back from JSON as they went."""

import inspect
import json
import math
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import voiceswap
from voiceswap.errors import UsageError
from voiceswap.training import options
from voiceswap.training.options import TrainOptions

# What `train` takes beside options: what to train, and whom to tell.
NO_OPTIONS = {"sources", "on_event", "stopped"}
TEXTS = st.text(max_size=40)
PATHS = st.builds(Path, st.text("ab./ ", min_size=1, max_size=20))
OPTIONS = st.builds(
    lambda switches, **others: TrainOptions(**others, more=switches == "more", fresh=switches == "fresh"),
    st.sampled_from(["", "more", "fresh"]),
    voices=st.none() | PATHS,
    minutes=st.none() | st.floats(0, options.MAX_MINUTES, exclude_min=True) | st.integers(1, options.MAX_MINUTES),
    seed=st.integers(0, options.MAX_SEED),
    base=st.none() | PATHS,
    consent=st.none() | TEXTS | PATHS | st.dictionaries(TEXTS, TEXTS | PATHS, max_size=3),
    licence=st.none() | st.text(max_size=options.MAX_LICENCE_CHARACTERS),
    timelapse=st.booleans(),
    tensorboard=st.booleans(),
)


def test_they_are_those_that_train_takes_with_the_same_defaults():
    taken = inspect.signature(voiceswap.train).parameters
    assert {name: taken[name].default for name in taken.keys() - NO_OPTIONS} == {
        field.name: field.default for field in fields(TrainOptions)
    }


@given(OPTIONS)
def test_they_come_back_from_json_as_they_went(chosen):
    text = json.dumps(chosen.to_json(), allow_nan=False)
    back = TrainOptions.from_json(json.loads(text))
    assert back == chosen
    for name in ("consent", "voices", "base"):
        assert type(getattr(back, name)) is type(getattr(chosen, name))


def test_what_is_left_out_of_json_has_its_default():
    assert TrainOptions.from_json({}) == TrainOptions()
    assert TrainOptions.from_json({"minutes": 5, "voices": "v"}) == TrainOptions(minutes=5, voices=Path("v"))


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"more": True, "fresh": True}, "`more` and `fresh` exclude each other"),
        *(({"minutes": m}, f"minutes is {m}, ") for m in (math.nan, math.inf, 0, -1, 10_001, True, "5")),
        *(({"seed": s}, f"seed is {s!r}") for s in (-1, 2**32, 0.5, True, "0", None)),
        *(({name: 1}, f"{name} is 1") for name in options.SWITCHES),
        *(({name: 1}, f"{name} is 1") for name in options.FOLDERS),
        ({"licence": "x" * 501}, "the licence has 501 characters, wanted at most 500"),
        ({"licence": 1}, "licence is 1"),
        *(({"consent": c}, "consent is ") for c in (1, ["x"], {"anna": "x"}, {"by_voice": {"a": None}}, {"file": 1})),
        ({"consent": {"by_voice": {"a": {"by_voice": {}}}}}, "consent is "),
        ({"minute": 5, "steps": 1}, "unknown option: minute, steps"),
        ([], r"the options of a training are '\[\]'"),
        (None, "the options of a training are 'None'"),
    ],
)
def test_what_no_training_can_have_is_refused_by_name(value, says):
    with pytest.raises(UsageError, match=says) as caught:
        TrainOptions.from_json(value)
    assert caught.value.hint and caught.value.exit_code == 2


def test_they_do_not_change():
    with pytest.raises(FrozenInstanceError):
        TrainOptions().seed = 1
