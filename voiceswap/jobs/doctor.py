"""`voiceswap doctor`: does everything that a conversion needs work here, and how fast?"""

from __future__ import annotations

import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from voiceswap.errors import VoiceswapError
from voiceswap.storage import paths

PACKAGES = ("tensorflow", "keras", "numpy", "librosa", "soundfile", "soxr", "pyworld", "swift-f0", "safetensors")
PYTHONS = ((3, 11), (3, 14))
ENOUGH_BYTES = 500_000_000
RATE_HZ = 22_050
SPOKEN_S = 2.0
TRUTH_PERIOD_S = 0.005
MAX_CENTS, MIN_CORRELATION = 60.0, 0.8
# What a broken environment or base leads to.
BROKEN = (VoiceswapError, ArithmeticError, ImportError, OSError, RuntimeError, ValueError)
ANEW = "reinstall voiceswap in a new environment"


@dataclass(frozen=True)
class Check:
    """One thing looked at.

    Attributes:
        name: What.
        ok: Whether it is as it should be.
        found: What was found.
        advice: What to do if it is not.
        seconds: Time it took, where that says something.
    """

    name: str
    ok: bool
    found: str
    advice: str = ""
    seconds: float | None = None


def examine(voices: Path | None = None) -> list[Check]:
    """Look at everything.

    Args:
        voices: The voices folder; VOICESWAP_VOICES or the user's data directory if not given.

    Returns:
        What was found; a stage that breaks down is a check that is not ok, and those after it are left out.
    """
    folders = [
        _folder("voices folder", paths.voices_folder(voices), "VOICESWAP_VOICES"),
        _folder("cache folder", paths.cache_folder(), "VOICESWAP_CACHE"),
    ]
    return [_python(), *_packages(), _device(), *folders, *_stages()]


def _python() -> Check:
    ok = PYTHONS[0] <= sys.version_info[:2] < PYTHONS[1]
    return Check("python", ok, platform.python_version(), "" if ok else "install Python 3.11 to 3.13")


def _packages() -> list[Check]:
    checks, wanted = [], _least()
    for name in PACKAGES:
        try:
            found, least = version(name), wanted.get(name, "")
            ok = _release(found) >= _release(least)
            checks.append(Check(name, ok, found, "" if ok else f'pip install "{name}>={least}"'))
        except PackageNotFoundError:
            checks.append(Check(name, False, "not installed", f"pip install {name}"))
    try:
        setuptools = int(version("setuptools").split(".")[0])
        ok = setuptools < 81
        advice = "" if ok else 'pyworld needs pkg_resources: pip install "setuptools<81"'
        checks.append(Check("setuptools", ok, str(setuptools), advice))
    except PackageNotFoundError:
        checks.append(Check("setuptools", False, "not installed", 'pip install "setuptools<81"'))
    return checks


def _least() -> dict[str, str]:
    """The least version of each package that voiceswap works with, as it says itself when it is installed."""
    with suppress(PackageNotFoundError):
        found = (re.match(r"([\w.-]+?)>=([\d.]+)", wanted) for wanted in requires("voiceswap") or ())
        return {match[1]: match[2] for match in found if match is not None}
    return {}


def _release(text: str) -> tuple[int, ...]:
    """2.20.0rc1 is (2, 20, 0)."""
    match = re.match(r"\d+(\.\d+)*", text)
    return tuple(map(int, match[0].split("."))) if match is not None else ()


def _device() -> Check:
    try:
        import tensorflow as tf
    except ImportError as error:
        return Check("devices", False, str(error)[:200], "reinstall tensorflow")
    devices = [device.name.removeprefix("/physical_device:") for device in tf.config.list_physical_devices()]
    return Check("devices", bool(devices), ", ".join(devices), "" if devices else "reinstall tensorflow")


def _folder(name: str, folder: Path, variable: str) -> Check:
    try:
        above = next(p for p in (folder, *folder.absolute().parents) if p.exists())
        with tempfile.TemporaryFile(dir=above):
            free = shutil.disk_usage(above).free
    except OSError as error:
        return Check(name, False, f"{folder}: {error.strerror}", f"choose another with {variable}")
    ok = free > ENOUGH_BYTES
    found = f"{folder}, {free / 1e9:.1f} GB free"
    return Check(name, ok, found, "" if ok else "free some space")


def _stages() -> list[Check]:
    """A synthesised sentence through every stage, each held against what it must give."""
    try:
        # Only now: where a package is missing these fail, and what is missing is to be named before.
        import numpy as np
        import tensorflow  # noqa: F401 - what networks run on is imported as late as with the first of them

        from voiceswap.audio.resample import resample
        from voiceswap.audio.source import array_source
        from voiceswap.conversion.analysis import analyse
        from voiceswap.conversion.engine import Settings
        from voiceswap.conversion.stream import convert_stream
        from voiceswap.conversion.voice import base_speaker, engine_of
        from voiceswap.model.base import load_base
        from voiceswap.signal import features, synthetic
        from voiceswap.signal.f0 import estimate_f0
    except BROKEN as error:
        return [Check("imports", False, str(error)[:200], ANEW)]
    spoken = synthetic.speech(synthetic.ANNA, SPOKEN_S, sample_rate_hz=RATE_HZ)
    samples = spoken.samples
    made: dict[str, Any] = {}

    def base() -> str:
        made["base"] = load_base()
        return f"base {made['base'].id}"

    def melody() -> str:
        config = made["base"].config.features
        f0 = estimate_f0(samples, config)
        at_s = (np.arange(len(f0)) + 0.5) / config.frames_per_s
        truth = spoken.f0_hz[np.minimum(np.round(at_s / TRUTH_PERIOD_S).astype(int), len(spoken.f0_hz) - 1)]
        both = (f0 > 0) & (truth > 0)
        cents = float(np.median(np.abs(1200 * np.log2(f0[both] / truth[both])))) if both.any() else np.inf
        return _sound(cents < MAX_CENTS, f"{cents:.0f} cents from the truth")

    def content() -> str:
        config = made["base"].config.features
        at_rate = resample(samples, RATE_HZ, config.content_rate_hz)
        heard = made["base"].encoder.encode_window(features.encoder_mel(at_rate, config))
        return _sound(bool(np.isfinite(heard).all()), f"{len(heard)} vectors")

    def conversion() -> str:
        found = analyse(array_source(samples[:, None], RATE_HZ), made["base"].config)
        engine = engine_of(made["base"], base_speaker(made["base"]))
        result = np.concatenate(
            list(convert_stream(array_source(samples[:, None], RATE_HZ), found, engine, Settings()))
        )
        ours, theirs = (estimate_f0(x, made["base"].config.features) for x in (result[:, 0], samples))
        both = (ours > 0) & (theirs > 0)
        kept = float(np.corrcoef(np.log(ours[both]), np.log(theirs[both]))[0, 1]) if both.sum() > 9 else 0.0
        cents = float(np.median(1200 * np.log2(ours[both] / theirs[both]))) if both.any() else np.inf
        ok = len(result) == len(samples) and bool(np.isfinite(result).all())
        ok = ok and kept > MIN_CORRELATION and abs(cents) < MAX_CENTS
        return _sound(
            ok, f"{len(result)} of {len(samples)} samples, melody kept {kept:.2f} of 1, {cents:+.0f} cents off"
        )

    checks: list[Check] = []
    stages: dict[str, Callable[[], str]] = {
        "weights": base,
        "melody": melody,
        "content": content,
        "conversion": conversion,
    }
    for name, stage in stages.items():
        began = time.monotonic()
        try:
            found = stage()
        except BROKEN as error:
            return [*checks, Check(name, False, str(error)[:200], ANEW)]
        checks.append(Check(name, True, found, seconds=round(time.monotonic() - began, 2)))
    return checks


def _sound(ok: bool, found: str) -> str:
    if not ok:
        raise ArithmeticError(found)
    return found
