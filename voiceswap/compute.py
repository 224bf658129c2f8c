"""Which device and how many threads the networks of this process use, and what their sessions leave behind.

What `set_device` and `set_threads` say holds, then VOICESWAP_DEVICE and VOICESWAP_THREADS, then what the machine has.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from typing import Any

from voiceswap.errors import UsageError

DEVICES = ("auto", "cpu", "cuda")
DEVICE_VARIABLE = "VOICESWAP_DEVICE"
THREADS_VARIABLE = "VOICESWAP_THREADS"
MAX_THREADS = 256

_device: str | None = None
_threads: int | None = None


def set_device(device: str | None) -> None:
    """Choose where networks run, from their next run on.

    Args:
        device: "auto" takes a GPU if onnxruntime can use one; "cpu"; "cuda"; None leaves it to VOICESWAP_DEVICE, or
            else "auto".

    Raises:
        UsageError: An unknown device.
    """
    global _device
    if device is not None and device not in DEVICES:
        raise UsageError(f"unknown device {str(device)[:40]!r}", f"wanted one of {', '.join(DEVICES)}")
    _device = device


def set_threads(threads: int | None) -> None:
    """Choose how many threads each network may use, from its next run on.

    Args:
        threads: 1 to 256; None leaves it to VOICESWAP_THREADS, or else as many as there are cores for this process.

    Raises:
        UsageError: Another number, or none.
    """
    global _threads
    if threads is not None and not (type(threads) is int and 1 <= threads <= MAX_THREADS):
        raise UsageError(f"threads is {repr(threads)[:40]}, wanted 1 to {MAX_THREADS}", "leave it out to use all cores")
    _threads = threads


def get_device() -> str:
    """The device that holds now; raises UsageError if VOICESWAP_DEVICE names none."""
    device = _device or os.environ.get(DEVICE_VARIABLE) or DEVICES[0]
    if device not in DEVICES:
        raise UsageError(f"{DEVICE_VARIABLE} is {device[:40]!r}", f"wanted one of {', '.join(DEVICES)}")
    return device


def get_threads() -> int:
    """The number of threads that holds now; raises UsageError if VOICESWAP_THREADS is none."""
    if _threads is not None:
        return _threads
    text = os.environ.get(THREADS_VARIABLE)
    if not text:
        return count_cores()
    if not text.isdecimal() or not 1 <= int(text) <= MAX_THREADS:
        raise UsageError(f"{THREADS_VARIABLE} is {text[:40]!r}", f"wanted a number from 1 to {MAX_THREADS}")
    return int(text)


def count_cores() -> int:
    """How many cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def never_end(session: Any) -> None:
    """Keep a session that a fork copied: its threads stayed with the parent, and its end would wait for them."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(session))


def call_in_child(forget: Callable[[], None]) -> None:
    """Have this called in each child that this process forks."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=forget)


def return_freed_memory() -> None:
    """Have the C library give back what is free, where it is glibc: it would keep hundreds of megabytes."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
