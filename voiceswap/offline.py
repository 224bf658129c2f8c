"""Offline is promised, also of what is built in: the one place that tells other people's libraries so."""

from __future__ import annotations

import os


def silence_onnxruntime() -> None:
    """Keep onnxruntime from telling its maker of this process; to be called before anything imports it.

    From 1.29 on it does so of each process, and keeps an identifier in the home folder. It looks for this variable
    once, when it is imported; what the user has set stays.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
