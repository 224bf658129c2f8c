"""Device and threads: what is said holds, then the environment, then the machine; a child forgets what cannot run."""

import os

import pytest

from voiceswap import compute
from voiceswap.errors import UsageError


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    monkeypatch.delenv(compute.DEVICE_VARIABLE, raising=False)
    monkeypatch.delenv(compute.THREADS_VARIABLE, raising=False)
    yield
    compute.set_device(None)
    compute.set_threads(None)


def test_what_is_said_holds_then_the_environment_then_the_machine(monkeypatch):
    assert (compute.get_device(), compute.get_threads()) == ("auto", compute.count_cores())
    monkeypatch.setenv(compute.DEVICE_VARIABLE, "cpu")
    monkeypatch.setenv(compute.THREADS_VARIABLE, "3")
    assert (compute.get_device(), compute.get_threads()) == ("cpu", 3)
    compute.set_device("cuda")
    compute.set_threads(1)
    assert (compute.get_device(), compute.get_threads()) == ("cuda", 1)


def test_cores_are_those_that_this_process_may_use(monkeypatch):
    if hasattr(os, "sched_getaffinity"):
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 5, 7})
        assert compute.count_cores() == 3
        monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert compute.count_cores() == 1


@pytest.mark.parametrize("threads", [0, -1, 257, True, 2.0, "2"])
def test_other_numbers_of_threads_are_refused(threads):
    with pytest.raises(UsageError, match="threads is "):
        compute.set_threads(threads)


def test_what_the_environment_gets_wrong_is_told(monkeypatch):
    with pytest.raises(UsageError, match="unknown device 'tpu'"):
        compute.set_device("tpu")
    monkeypatch.setenv(compute.DEVICE_VARIABLE, "gpu")
    with pytest.raises(UsageError, match="VOICESWAP_DEVICE is 'gpu'"):
        compute.get_device()
    for text in ("0", "two", "-1", "999"):
        monkeypatch.setenv(compute.THREADS_VARIABLE, text)
        with pytest.raises(UsageError, match="VOICESWAP_THREADS is"):
            compute.get_threads()


def test_a_session_that_is_never_ended_outlives_its_last_name():
    ended = []

    class Session:
        def __del__(self):
            ended.append(True)

    session = Session()
    compute.never_end(session)
    del session
    assert not ended


def test_freed_memory_can_be_returned_twice():
    compute.return_freed_memory()
    compute.return_freed_memory()
