"""Settings of any value are accepted, or refused by name (R26)."""

import math
import random

import pytest

from conftest import TINY
from voiceswap.config import Config
from voiceswap.errors import ModelError

# R26

ODD = (
    None, True, False, 0, -1, 1, 8192, 8193, 2**63, -(2**63), 10**400, 0.5, -0.0, 1e308, 5e-324, math.nan, math.inf, -math.inf,
    "", "8", "x", "\x1b[31m", "日本", [], [1], [[]], ["1"], [0], [8192] * 33, {}, {"a": 1}, [None], 1e16, "1e3", "nan", b"x",
)  # fmt: skip


def leaves(value, path=()):
    for key, inner in value.items():
        if isinstance(inner, dict):
            yield (*path, key)
            yield from leaves(inner, (*path, key))
        else:
            yield (*path, key)


def test_r26_any_value_of_any_setting_is_accepted_or_refused_by_name(tier):
    draw = random.Random(26)
    fields = list(leaves(Config().to_json()))
    n_refused = n_accepted = 0
    for _ in range(tier(1500, 5000)):
        value = draw.choice((Config(), TINY)).to_json()
        path = draw.choice(fields)
        inner = value
        for key in path[:-1]:
            inner = inner[key]
        odd = draw.choice(ODD)
        if draw.random() < 0.1:
            path = (*path[:-1], "unknown_key")
        inner[path[-1]] = odd
        try:
            made = Config.from_json(value)
        except ModelError as error:
            n_refused += 1
            assert path[0] in error.message or "the whole" in error.message, (path, odd, error.message)
            assert error.hint and len(error.message) < 400 and "\n" not in error.message
        else:
            n_accepted += 1
            assert Config.from_json(made.to_json()) == made
            assert made.decoder.context_frames >= 1 and made.vocoder.context_frames >= 1
            assert made.features.hop_samples % made.quick_vocoder.step_samples == 0
            assert math.isfinite(made.features.frames_per_s + made.features.content_per_s)
    assert n_refused > 100 and n_accepted > 50


def test_settings_of_a_base_without_a_quick_vocoder_are_as_they_were():
    value = TINY.to_json()
    del value["quick_vocoder"]
    assert Config.from_json(value).quick_vocoder == Config().quick_vocoder


@pytest.mark.parametrize(
    ("sizes", "says"),
    [
        ({"step_samples": 96, "n_fft": 384}, "hop_samples 256 must be a multiple"),
        ({"step_samples": 128, "n_fft": 500}, "n_fft 500 must be a multiple of step_samples 128"),
        ({"step_samples": 128, "n_fft": 256}, "four times as much at least"),
    ],
)
def test_windows_of_the_quick_vocoder_overlap_and_fit_the_frames(sizes, says):
    value = Config().to_json()
    value["quick_vocoder"] |= sizes
    with pytest.raises(ModelError, match=says):
        Config.from_json(value)
