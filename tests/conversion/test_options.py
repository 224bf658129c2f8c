"""One declaration of options: checked when made, to JSON and back, the same for every face."""

import inspect
import json
import math
import os
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceswap.conversion.options import PATHS, SWITCHES, ConvertOptions
from voiceswap.conversion.voice import Voice
from voiceswap.errors import UsageError
from voiceswap.jobs.convert import convert
from voiceswap.model.base import VOCODERS

NAMES = [field.name for field in fields(ConvertOptions)]
names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
paths = st.none() | names.map(lambda name: Path("/") / name.replace("/", "_"))
options = st.builds(
    ConvertOptions,
    as_=names,
    out=paths,
    pitch_semitones=st.none() | st.floats(-48, 48),
    formant_semitones=st.floats(-12, 12),
    protect=st.floats(0, 1),
    vocoder=st.sampled_from(VOCODERS),
    f0=paths,
    stems=paths,
    c2pa=st.none() | st.tuples(paths.filter(bool), paths.filter(bool)),
    mark=st.booleans(),
    force=st.booleans(),
    jobs=st.integers(1, 64),
    track=st.integers(1, 99),
)


def test_python_has_the_same_options_with_the_same_defaults():
    keywords = inspect.signature(convert).parameters
    assert [name for name in keywords if name not in ("inputs", "on_event", "stopped")] == NAMES
    for field in fields(ConvertOptions):
        if field.name != "as_":
            assert keywords[field.name].default == field.default, field.name
    of_samples = inspect.signature(Voice.convert).parameters
    shared = [name for name in of_samples if name not in ("self", "samples", "sample_rate_hz")]
    assert shared == ["pitch_semitones", "formant_semitones", "protect", "vocoder", "mark"]
    assert all(of_samples[name].default == keywords[name].default for name in shared)


@given(options)
def test_json_there_and_back(made):
    text = json.dumps(made.to_json(), allow_nan=False)
    assert ConvertOptions.from_json(json.loads(text)) == made


def test_json_means_the_same_in_another_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    values = ConvertOptions(Path("anna"), out="x.wav", c2pa=("c.pem", "k.pem")).to_json()
    monkeypatch.chdir(os.sep)
    made = ConvertOptions.from_json(values)
    assert made.out == tmp_path / "x.wav" and made.as_ == str(tmp_path / "anna")
    assert made.c2pa == (tmp_path / "c.pem", tmp_path / "k.pem")


def test_what_is_left_out_of_json_has_its_default():
    assert ConvertOptions.from_json({"as_": "anna", "protect": 0.5}) == ConvertOptions("anna", protect=0.5)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([], r"the options of a conversion are '\[\]'"),
        ({}, "no voice was given"),
        ({"as_": "a", "ptich": 1}, "unknown option: ptich"),
        ({"as_": 3}, "as_ is '3'"),
        ({"as_": "a", "out": 3}, "out is '3'"),
        ({"as_": "a", "mark": "yes"}, "mark is 'yes'"),
        ({"as_": "a", "protect": "x"}, "protect is 'x'"),
        ({"as_": "a", "protect": True}, "protect is 'True'"),
        ({"as_": "a", "c2pa": ["only"]}, "c2pa is"),
        ({"as_": "a", "jobs": 1.5}, "jobs is 1.5, wanted 1 to 64"),
    ],
)
def test_json_from_anyone_is_refused_by_name(values, says):
    with pytest.raises(UsageError, match=says) as caught:
        ConvertOptions.from_json(values)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"pitch_semitones": 48.5}, "pitch is 48.5 semitones, wanted -48 to 48"),
        ({"pitch_semitones": math.nan}, "pitch is nan"),
        ({"formant_semitones": -12.5}, "formant is -12.5 semitones, wanted -12 to 12"),
        ({"protect": 1.1}, "protect is 1.1, wanted 0 to 1"),
        ({"vocoder": "better"}, "unknown vocoder 'better'"),
        ({"f0_method": "crepe"}, "unknown F0 method 'crepe'"),
        ({"mode": "band"}, "unknown mode 'band'"),
        ({"vocal_gain_db": 41}, "the vocal gain is 41 dB, wanted -40 to 40"),
        ({"backing_gain_db": math.inf}, "the backing gain is inf dB"),
        ({"jobs": 0}, "jobs is 0, wanted 1 to 64"),
        ({"backing": "b.wav", "mode": "song"}, "`backing` and `mode=song` exclude each other"),
    ],
)
def test_what_no_conversion_can_have_is_refused(given, says):
    with pytest.raises(UsageError, match=says) as caught:
        ConvertOptions("anna", **given)
    assert caught.value.hint


def test_what_belongs_to_one_recording_is_refused_for_many():
    one = ConvertOptions("anna", f0="f0.csv")
    assert one.check_inputs(1, is_folder=False) is False
    for n_inputs, is_folder in ((2, False), (1, True)):
        with pytest.raises(UsageError, match="are for one recording at a time"):
            one.check_inputs(n_inputs, is_folder=is_folder)
        with pytest.raises(UsageError, match="`score` takes one recording at a time"):
            replace(one, f0=None, score=True).check_inputs(n_inputs, is_folder=is_folder)
        assert replace(one, f0=None).check_inputs(n_inputs, is_folder=is_folder) is True
    with pytest.raises(UsageError, match="nothing to convert"):
        one.check_inputs(0, is_folder=False)


def test_each_option_is_of_one_kind():
    kinds = [*PATHS, *SWITCHES]
    assert len(kinds) == len(set(kinds)) and set(kinds) <= set(NAMES)
