"""Options from JSON are known or refused by name."""

from dataclasses import dataclass

import pytest

from voiceswap.errors import UsageError
from voiceswap.options import check_options


@dataclass
class Options:
    speed: int = 1
    colour: str = "red"


def test_known_options_pass_and_others_are_named():
    assert check_options({"speed": 2}, Options, "a ride") == {"speed": 2}
    assert check_options({}, Options, "a ride") == {}
    with pytest.raises(UsageError, match="unknown option: 7, spede") as caught:
        check_options({"spede": 2, 7: 1, "colour": "blue"}, Options, "a ride")
    assert caught.value.hint == "wanted some of speed, colour"
    for odd in (None, [], "speed", 3):
        with pytest.raises(UsageError, match="the options of a ride are"):
            check_options(odd, Options, "a ride")
