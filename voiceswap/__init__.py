"""Voice conversion on a laptop: train a voice from minutes of speech, convert any recording into it.

    import voiceswap
    voiceswap.train("speakerA", "speakerB")
    voiceswap.convert("song.wav", as_="speakerB")

Names are imported when they are first used: `import voiceswap` itself loads nothing heavy, and only training loads
TensorFlow.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from voiceswap.version import __version__

if TYPE_CHECKING:
    from voiceswap.compute import set_device as set_device
    from voiceswap.compute import set_threads as set_threads
    from voiceswap.config import Config as Config
    from voiceswap.conversion.voice import Voice as Voice
    from voiceswap.conversion.voice import load as load
    from voiceswap.errors import VoiceswapError as VoiceswapError
    from voiceswap.jobs.convert import convert as convert
    from voiceswap.jobs.detect import detect as detect
    from voiceswap.jobs.evaluate import evaluate as evaluate
    from voiceswap.jobs.train import train as train
    from voiceswap.web.report import report as report

__all__ = [
    "Config",
    "Voice",
    "VoiceswapError",
    "__version__",
    "convert",
    "detect",
    "evaluate",
    "load",
    "report",
    "set_device",
    "set_threads",
    "train",
]

_HOMES = {
    "Config": "config",
    "VoiceswapError": "errors",
    "Voice": "conversion.voice",
    "convert": "jobs.convert",
    "detect": "jobs.detect",
    "evaluate": "jobs.evaluate",
    "load": "conversion.voice",
    "report": "web.report",
    "set_device": "compute",
    "set_threads": "compute",
    "train": "jobs.train",
}


def __getattr__(name: str) -> Any:
    if name == "events":
        # For `on_event=voiceswap.events.progress`, whatever was imported before.
        return import_module("voiceswap.events")
    if name not in _HOMES:
        raise AttributeError(f"module 'voiceswap' has no attribute {name!r}")
    return getattr(import_module(f"voiceswap.{_HOMES[name]}"), name)
