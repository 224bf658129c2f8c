"""Stages side by side: the same items in the same order, one ahead and no more, and no thread left behind."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceswap.audio.prefetch import prefetch

WAIT_S = 30.0


@given(st.lists(st.one_of(st.none(), st.integers())), st.integers(1, 3))
def test_the_same_items_come_in_the_same_order(items, depth):
    stages = iter(items)
    for _ in range(depth):
        stages = prefetch(stages)
    assert list(stages) == items


def test_the_next_is_made_while_one_is_used_and_no_more():
    made, second = [], threading.Event()

    def items():
        for i in range(5):
            made.append(i)
            if i == 1:
                second.set()
            yield i, threading.get_ident()

    stage = prefetch(items())
    (first, thread) = next(stage)
    assert second.wait(WAIT_S)
    assert (first, made) == (0, [0, 1]) and thread != threading.get_ident()
    assert next(stage)[0] == 1
    stage.close()
    assert len(made) == 3


def test_what_an_item_raises_is_raised_in_its_place():
    def items():
        yield 1
        raise ValueError("the second")

    stage = prefetch(items())
    assert next(stage) == 1
    with pytest.raises(ValueError, match="the second"):
        next(stage)
    with pytest.raises(StopIteration):
        next(stage)


@pytest.mark.parametrize("n_used", [1, 3])
def test_who_leaves_ends_the_thread_and_what_it_asks(n_used):
    before, closed, left = threading.active_count(), [], threading.Event()

    def items():
        try:
            yield from range(3)
        finally:
            closed.append(left.is_set())

    stage = prefetch(items(), left)
    for _ in range(n_used):
        next(stage)
    assert threading.active_count() == before + 1 and not left.is_set()
    stage.close()
    assert threading.active_count() == before and left.is_set() and len(closed) == 1


def test_what_makes_an_item_may_give_up_when_nobody_waits():
    left = threading.Event()

    def items():
        yield 0
        # As long as a window takes; who left must not wait for all of it.
        yield left.wait(WAIT_S)

    stage = prefetch(items(), left)
    assert next(stage) == 0
    stage.close()
    assert left.is_set()
