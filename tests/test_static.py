"""Rules that the source itself keeps (R23), settings of any value (R26)."""

import math
import re
from pathlib import Path

import pytest

import voiceswap
from voiceswap.errors import VoiceswapError

PACKAGE = Path(voiceswap.__file__).parent


FORBIDDEN = (
    r"\bpickle\b", r"\bmarshal\b", r"\beval\(", r"\bexec\(", r"\ballow_pickle\b", r"\bload_model\b", r"\byaml\.load\b",
    r"shell\s*=\s*True", r"\bextractall\b", r"\bos\.system\b", r"\bjoblib\b", r"\bdill\b", r"\bsave_weights\b",
)  # fmt: skip


@pytest.mark.parametrize("pattern", FORBIDDEN)
def test_r23_nothing_in_the_package_runs_data(pattern):
    hits = [
        f"{path.relative_to(PACKAGE)}:{i}: {line.strip()}"
        for path in PACKAGE.rglob("*.py")
        for i, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(pattern, line) and not line.lstrip().startswith("#")
    ]
    assert hits == []


def test_r23_the_rules_see_what_they_forbid():
    bad = "pickle.loads(x); eval(x); exec(x); np.load(allow_pickle=True); run(shell=True); z.extractall()"
    assert sum(bool(re.search(pattern, bad)) for pattern in FORBIDDEN) == 6


def test_signal_takes_arrays_and_gives_arrays_and_touches_nothing_else():
    outside = r"\bopen\(|\bPath\b|\bThread|\bProcess|\bos\.|\bimport os\b|\bsubprocess\b"
    hits = [
        f"{path.name}: {line.strip()}"
        for path in (PACKAGE / "signal").glob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(outside, line)
    ]
    assert hits == []


def test_r26_any_value_of_any_option_is_accepted_or_refused(voice, home):
    from voiceswap.jobs.convert import convert

    numbers = (math.nan, math.inf, -math.inf, 1e308, -1e308, 49, -49, -0.0)
    for option in ("pitch_semitones", "formant_semitones", "protect", "vocal_gain_db", "backing_gain_db"):
        for number in numbers:
            with pytest.raises(VoiceswapError) as caught:
                convert(home / "none.wav", as_="speakerA", **{option: number})
            assert caught.value.exit_code == 2
    for number in (math.nan, math.inf, 0, -1, 1e308):
        with pytest.raises(VoiceswapError, match="minutes is"):
            voiceswap.train(home, minutes=number)
