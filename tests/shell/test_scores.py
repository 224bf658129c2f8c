"""Scores as a person reads them: a line each, and nothing of what was not measured."""

from pathlib import Path

from voiceswap.jobs.batch import Conversion
from voiceswap.jobs.evaluate import Evaluation
from voiceswap.scoring.scores import Scores
from voiceswap.shell.scores import conversion_lines, evaluation_lines, score_lines, word_error_lines
from voiceswap.text import ROWS

NAN = float("nan")
NOTHING = {key: NAN for key, *_ in ROWS}
GOOD = Scores(Path("in/a.wav"), 2.0, 0.81, 0.42, 0.987, 21.4, clipped_share=0.00125, words=20, word_errors=3)


def test_a_score_is_a_line_with_its_unit_and_one_that_is_nan_is_none():
    assert list(score_lines(NOTHING)) == []
    assert list(score_lines(NOTHING | {"to_target": 0.8149, "f0_rmse_cents": 21.4, "clipped_share": 0.00125})) == [
        "similarity to the target              0.81",
        "melody: off by                          21 cents",
        "samples clipped                      0.125 %",
    ]


def test_words_are_told_only_where_there_are_any():
    assert list(word_error_lines(0, 0)) == []
    assert list(word_error_lines(3, 20)) == ["word errors                           15.0 % (3 of 20)"]


def test_a_conversion_nobody_asked_to_score_has_no_lines():
    assert list(conversion_lines(Conversion(Path("a.wav"), Path("b.wav"), "anna", missing=("x",)))) == []


def test_a_conversion_says_whom_it_sounds_like_after_its_scores_and_then_what_is_missing():
    made = Conversion(Path("a.wav"), Path("b.wav"), "anna", scores=GOOD, missing=("DNSMOS: not installed",))
    *scores, verdict, missing = conversion_lines(made)
    assert [line.split("  ")[0] for line in scores] == [
        "similarity to the target",
        "similarity to the source",
        "melody: correlation of log F0",
        "melody: off by",
        "samples clipped",
    ]
    assert verdict == "nearer to anna than to the source: similarity 0.81 to anna, 0.42 to the source"
    assert missing == "DNSMOS: not installed"


def test_an_evaluation_is_a_table_then_the_means_then_what_they_come_to():
    found = Evaluation(
        voice="anna",
        clips=(GOOD, Scores(Path("in/b [x].wav"), dnsmos_ovrl=3.2)),
        means=NOTHING | {"to_target": 0.81},
        word_error_rate=0.15,
        target="its card",
        target_own=0.9,
        nearer_to_source=(Path("in/a.wav"),),
        verdict="nearer to anna",
        failed=((Path("in/c.wav"), "in/c.wav is empty (0 bytes)"),),
        missing=("words: no recogniser",),
    )
    assert list(evaluation_lines(found)) == [
        "target  source  melody   cents  DNSMOS  recording",
        "  0.81    0.42    0.99      21       -  a.wav",
        "     -       -       -       -    3.20  b [x].wav",
        "",
        "means of 2",
        "similarity to the target              0.81",
        "word errors                           15.0 % (3 of 20)",
        "real recordings among each other      0.90 (its card)",
        "",
        "nearer to anna",
        "  nearer to the source: in/a.wav",
        "  left out in/c.wav: is empty (0 bytes)",
        "words: no recogniser",
    ]
