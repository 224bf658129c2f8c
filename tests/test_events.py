"""What jobs tell, and how a reading is stopped that loses nothing."""

import pytest

from voiceswap.errors import StoppedError
from voiceswap.events import Note, ignore_events, until_stopped


def test_events_pass_until_the_reading_is_stopped():
    heard, stopped = [], [False]
    on_event = until_stopped(lambda: stopped[0], heard.append, "anna")
    on_event(Note("a"))
    stopped[0] = True
    with pytest.raises(StoppedError, match="stopped while the recordings of anna were read"):
        on_event(Note("b"))
    assert heard == [Note("a")]


def test_who_wants_no_events_hears_none():
    assert ignore_events(Note("a")) is None
