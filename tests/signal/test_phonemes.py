"""The tables of sounds agree with each other."""

import pytest

from voiceswap.signal.phonemes import CODAS, CONSONANTS, SHORT_VOWELS, SOUNDS, STEPS, VOWELS


def test_every_consonant_has_its_steps():
    assert {consonant.kind for consonant in CONSONANTS.values()} == STEPS.keys()
    for steps in STEPS.values():
        assert all(duration_s > 0 for duration_s, *_ in steps)
        assert all(0 <= level <= 1 for _, *levels in steps for level in levels)


def test_what_hisses_has_a_hiss():
    for consonant in CONSONANTS.values():
        hisses = any(step[-1] for step in STEPS[consonant.kind])
        assert hisses == (consonant.hiss_hz > 0) == (consonant.hiss_width_hz > 0) == (consonant.hiss_db < 0)


def test_formants_rise():
    for formants_hz in [*VOWELS.values(), *(consonant.formants_hz for consonant in CONSONANTS.values())]:
        assert list(formants_hz) == sorted(set(formants_hz))


def test_short_names_and_codas_are_known():
    assert set(SHORT_VOWELS.values()) <= VOWELS.keys() and set(CODAS) <= CONSONANTS.keys()
    assert not VOWELS.keys() & CONSONANTS.keys()


@pytest.mark.parametrize(("text", "sounds"), [("shan", ["sh", "a", "n"]), ("they", ["th", "ey"]), ("la", ["l", "a"])])
def test_the_longest_name_is_read_first(text, sounds):
    assert SOUNDS.findall(text) == sounds
