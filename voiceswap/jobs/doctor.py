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

from voiceswap import compute
from voiceswap.errors import UsageError, VoiceswapError
from voiceswap.storage import paths
from voiceswap.text import count

PACKAGES = (
    "onnxruntime",
    "tensorflow",
    "keras",
    "numpy",
    "librosa",
    "soundfile",
    "soxr",
    "pyworld",
    "swift-f0",
    "safetensors",
)
MIN_PYTHON = (3, 11)
BEYOND_PYTHON = (3, 14)
MIN_FREE_BYTES = 500_000_000
TEST_RATE_HZ = 22_050
TEST_SPEECH_S = 2.0
TRUE_F0_PERIOD_S = 0.005
MAX_ERROR_CENTS = 60.0
MIN_F0_CORRELATION = 0.8
# What a broken environment or base leads to.
BREAKDOWNS = (VoiceswapError, ArithmeticError, ImportError, OSError, RuntimeError, ValueError)
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
        _check_folder("voices folder", paths.voices_folder(voices), "VOICESWAP_VOICES"),
        _check_folder("cache folder", paths.cache_folder(), "VOICESWAP_CACHE"),
    ]
    return [_check_python(), *_check_packages(), _check_runtime(), *folders, *_check_stages()]


def _check_python() -> Check:
    ok = MIN_PYTHON <= sys.version_info[:2] < BEYOND_PYTHON
    return Check("python", ok, platform.python_version(), "" if ok else "install Python 3.11 to 3.13")


def _check_packages() -> list[Check]:
    checks = []
    min_versions = _read_min_versions()
    for name in PACKAGES:
        try:
            installed = version(name)
            min_version = min_versions.get(name, "")
            ok = _parse_release(installed) >= _parse_release(min_version)
            checks.append(Check(name, ok, installed, "" if ok else f'pip install "{name}>={min_version}"'))
        except PackageNotFoundError:
            checks.append(Check(name, False, "not installed", f"pip install {name}"))
    try:
        major_version = int(version("setuptools").split(".")[0])
        ok = major_version < 81
        advice = "" if ok else 'pyworld needs pkg_resources: pip install "setuptools<81"'
        checks.append(Check("setuptools", ok, str(major_version), advice))
    except PackageNotFoundError:
        checks.append(Check("setuptools", False, "not installed", 'pip install "setuptools<81"'))
    return checks


def _read_min_versions() -> dict[str, str]:
    """The oldest version of each package that voiceswap works with, from its own metadata if it is installed."""
    with suppress(PackageNotFoundError):
        matches = (re.match(r"([\w.-]+?)>=([\d.]+)", requirement) for requirement in requires("voiceswap") or ())
        return {match[1]: match[2] for match in matches if match is not None}
    return {}


def _parse_release(text: str) -> tuple[int, ...]:
    """2.20.0rc1 is (2, 20, 0)."""
    match = re.match(r"\d+(\.\d+)*", text)
    return tuple(map(int, match[0].split("."))) if match is not None else ()


def _check_runtime() -> Check:
    """What runs networks: onnxruntime, where, with how many threads."""
    try:
        from voiceswap.model.runtime import choose_providers

        provider = choose_providers(compute.get_device())[0].removesuffix("ExecutionProvider")
        return Check("runtime", True, f"onnxruntime, {provider}, {count(compute.get_threads(), 'thread')}")
    except UsageError as error:
        return Check("runtime", False, error.message, error.hint)
    except ImportError as error:
        return Check("runtime", False, str(error)[:200], "pip install onnxruntime")


def _check_folder(name: str, folder: Path, variable: str) -> Check:
    try:
        existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        with tempfile.TemporaryFile(dir=existing):
            free_bytes = shutil.disk_usage(existing).free
    except OSError as error:
        return Check(name, False, f"{folder}: {error.strerror}", f"choose another with {variable}")
    ok = free_bytes > MIN_FREE_BYTES
    state = f"{folder}, {free_bytes / 1e9:.1f} GB free"
    return Check(name, ok, state, "" if ok else "free some space")


def _check_stages() -> list[Check]:
    """Send a synthetic sentence through every stage, and compare each result with what it must be."""
    try:
        # Not at the top: where a package is missing these fail, and the checks before have to name it first.
        import numpy as np

        from voiceswap.audio.resample import resample
        from voiceswap.audio.source import array_source
        from voiceswap.conversion.analysis import analyse
        from voiceswap.conversion.engine import Settings
        from voiceswap.conversion.stream import convert_stream
        from voiceswap.conversion.voice import base_speaker, engine_of
        from voiceswap.model.base import load_base
        from voiceswap.signal import features, synthetic
        from voiceswap.signal.f0 import estimate_f0
    except BREAKDOWNS as error:
        return [Check("imports", False, str(error)[:200], ANEW)]
    utterance = synthetic.speech(synthetic.ANNA, TEST_SPEECH_S, sample_rate_hz=TEST_RATE_HZ)
    samples = utterance.samples
    source = array_source(samples[:, None], TEST_RATE_HZ)
    loaded: dict[str, Any] = {}

    def check_weights() -> str:
        loaded["base"] = load_base()
        return f"base {loaded['base'].id}"

    def check_f0() -> str:
        config = loaded["base"].config.features
        f0_hz = estimate_f0(samples, config)
        centres_s = (np.arange(len(f0_hz)) + 0.5) / config.frames_per_s
        nearest = np.round(centres_s / TRUE_F0_PERIOD_S).astype(int)
        true_f0_hz = utterance.f0_hz[np.minimum(nearest, len(utterance.f0_hz) - 1)]
        voiced = (f0_hz > 0) & (true_f0_hz > 0)
        errors_cents = 1200 * np.log2(f0_hz[voiced] / true_f0_hz[voiced])
        error_cents = float(np.median(np.abs(errors_cents))) if voiced.any() else np.inf
        return _require(error_cents < MAX_ERROR_CENTS, f"{error_cents:.0f} cents from the truth")

    def check_content() -> str:
        config = loaded["base"].config.features
        resampled = resample(samples, TEST_RATE_HZ, config.content_rate_hz)
        content = loaded["base"].encoder.encode_window(features.encoder_mel(resampled, config))
        return _require(bool(np.isfinite(content).all()), f"{len(content)} vectors")

    def check_conversion() -> str:
        base = loaded["base"]
        analysis = analyse(source, base.config)
        engine = engine_of(base, base_speaker(base))
        converted = np.concatenate(list(convert_stream(source, analysis, engine, Settings())))
        converted_hz = estimate_f0(converted[:, 0], base.config.features)
        source_hz = estimate_f0(samples, base.config.features)
        voiced = (converted_hz > 0) & (source_hz > 0)
        log_f0 = np.log(converted_hz[voiced]), np.log(source_hz[voiced])
        correlation = float(np.corrcoef(*log_f0)[0, 1]) if voiced.sum() > 9 else 0.0
        offsets_cents = 1200 * np.log2(converted_hz[voiced] / source_hz[voiced])
        offset_cents = float(np.median(offsets_cents)) if voiced.any() else np.inf
        ok = len(converted) == len(samples) and bool(np.isfinite(converted).all())
        ok = ok and correlation > MIN_F0_CORRELATION and abs(offset_cents) < MAX_ERROR_CENTS
        return _require(
            ok,
            f"{len(converted)} of {len(samples)} samples, melody kept {correlation:.2f} of 1, "
            f"{offset_cents:+.0f} cents off",
        )

    checks: list[Check] = []
    stages: dict[str, Callable[[], str]] = {
        "weights": check_weights,
        "melody": check_f0,
        "content": check_content,
        "conversion": check_conversion,
    }
    for name, check_stage in stages.items():
        started_s = time.monotonic()
        try:
            result = check_stage()
        except BREAKDOWNS as error:
            return [*checks, Check(name, False, str(error)[:200], ANEW)]
        checks.append(Check(name, True, result, seconds=round(time.monotonic() - started_s, 2)))
    return checks


def _require(ok: bool, result: str) -> str:
    if not ok:
        raise ArithmeticError(result)
    return result
