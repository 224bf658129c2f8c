"""What is decided for a voice, in each case there is; the trainings themselves: tests/jobs/test_train.py."""

from itertools import product

import pytest

from voiceswap.training.voice_training import Action, decide

CASES = ("ready", "begun", "same", "ended", "more", "fresh")
ALWAYS = (False, True)


def expected(ready, begun, same, ended, more, fresh):
    """The same, as a list of who is asked for what; the first that fits."""
    return next(
        action
        for action, fits in [
            (Action.TRAIN, fresh),
            (Action.TRAIN, not ready),
            (Action.TRAIN, begun and not (same and ended)),
            (Action.EXTEND, begun and more),
            (Action.KEEP, begun),
            (Action.REPEAT, more),
            (Action.KEEP, same),
            (Action.REPLACE, True),
        ]
        if fits
    )


@pytest.mark.parametrize("case", list(product(ALWAYS, repeat=len(CASES))))
def test_each_case_has_its_action(case):
    assert decide(**dict(zip(CASES, case, strict=True))) is expected(*case)


@pytest.mark.parametrize(
    ("ready", "begun", "same", "ended", "more", "fresh", "action"),
    [
        # Nothing there: a new voice, or one that was begun and stopped.
        (0, 0, 0, 0, 0, 0, Action.TRAIN),
        (0, 1, 0, 0, 0, 0, Action.TRAIN),
        (0, 0, 0, 0, 1, 0, Action.TRAIN),
        # A voice that is ready, with its checkpoints.
        (1, 1, 1, 1, 0, 0, Action.KEEP),
        (1, 1, 1, 1, 1, 0, Action.EXTEND),
        (1, 1, 1, 1, 0, 1, Action.TRAIN),
        # Without them.
        (1, 0, 1, 0, 0, 0, Action.KEEP),
        (1, 0, 1, 0, 1, 0, Action.REPEAT),
        # Its further training was stopped: it goes on, with --more or without.
        (1, 1, 1, 0, 0, 0, Action.TRAIN),
        (1, 1, 1, 0, 1, 0, Action.TRAIN),
        # It was trained on other recordings; a training on these was not begun, or was stopped.
        (1, 0, 0, 0, 0, 0, Action.REPLACE),
        (1, 0, 0, 0, 1, 0, Action.REPEAT),
        (1, 1, 0, 0, 0, 0, Action.TRAIN),
        (1, 1, 0, 1, 0, 0, Action.TRAIN),
    ],
)
def test_the_cases_that_people_meet(ready, begun, same, ended, more, fresh, action):
    answers = [bool(answer) for answer in (ready, begun, same, ended, more, fresh)]
    assert decide(**dict(zip(CASES, answers, strict=True))) is action


def test_every_action_is_taken_in_some_case():
    assert {decide(**dict(zip(CASES, case, strict=True))) for case in product(ALWAYS, repeat=len(CASES))} == set(Action)
