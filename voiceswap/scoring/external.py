"""Instruments that are not ours: DNSMOS (naturalness) and a recogniser (words), where they are installed."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from voiceswap.arrays import Array
from voiceswap.errors import UsageError
from voiceswap.offline import silence_onnxruntime

EXTRA = "pip install 'voiceswap[eval]'"
SAMPLE_RATE_HZ = 16_000
# Of a model folder; without the last, the recogniser would ask the network for one.
MODEL_FILES = ("model.bin", "config.json", "tokenizer.json")
# Whisper now and then stops after a few words. Where it hears less than so many a second it is asked again, in halves.
FEW_WORDS_PER_S = 1.0
SHORTEST_PART_S = 3.0


class Mos(Protocol):
    """Says how natural samples `(n,)` at 16 kHz sound: "ovrl_mos" and "p808_mos", 1 to 5."""

    def __call__(self, samples: Array) -> dict[str, float]:
        """The answer."""


Words = Callable[[Array], list[str]]


def load_dnsmos() -> Mos | None:
    """DNSMOS (Reddy et al., 2022) of the package speechmos; None where that is not installed."""
    silence_onnxruntime()
    try:
        from speechmos import dnsmos
    except ImportError:
        return None

    def rate(samples: Array) -> dict[str, float]:
        answer = dnsmos.run(np.clip(samples, -1, 1), sr=SAMPLE_RATE_HZ)
        return {key: float(answer[key]) for key in ("ovrl_mos", "p808_mos")}

    return rate


def load_recogniser(model: Path, language: str | None) -> Words | None:
    """A Whisper model run by faster-whisper, which hears samples `(n,)` at 16 kHz.

    Args:
        model: Its folder, in CTranslate2's form; nothing is ever downloaded.
        language: "en", "de" ...; the recogniser's guess if not given.

    Returns:
        Gives the words of a recording, in lower case, without punctuation; None where faster-whisper is missing.

    Raises:
        UsageError: The folder holds no such model, or the model does not know the language.
    """
    missing = [name for name in MODEL_FILES if not os.path.isfile(model / name)]
    if missing:
        raise UsageError(
            f"{model} holds no {missing[0]}", f"wanted a folder of faster-whisper: {', '.join(MODEL_FILES)}"
        )
    silence_onnxruntime()
    try:
        from faster_whisper import WhisperModel
    except ImportError:
        return None
    try:
        whisper = WhisperModel(str(model), device="cpu", compute_type="int8", local_files_only=True)
    except (RuntimeError, ValueError) as error:
        raise UsageError(f"{model} cannot be used: {str(error)[:120]}", "is it a model for faster-whisper?") from error
    # It would be told only when the first conversion is heard.
    known = whisper.supported_languages
    if language is not None and language not in known:
        accepted = "a code such as en or de" if len(known) > 1 else known[0]
        raise UsageError(
            f"{model} does not know the language {language!r}", f"wanted {accepted}; leave it out to have it detected"
        )

    def recognise(samples: Array) -> list[str]:
        words = _transcribe(whisper, samples, language)
        n_samples, seconds = len(samples), len(samples) / SAMPLE_RATE_HZ
        if len(words) >= FEW_WORDS_PER_S * seconds or seconds < 2 * SHORTEST_PART_S:
            return words
        third, frame = n_samples // 3, SAMPLE_RATE_HZ // 10
        energy = np.convolve(np.square(samples[third : 2 * third]), np.ones(frame), "same")
        middle = third + int(np.argmin(energy))
        halves = [word for part in (samples[:middle], samples[middle:]) for word in recognise(part)]
        return max(words, halves, key=len)

    return recognise


def _transcribe(whisper: Any, samples: Array, language: str | None) -> list[str]:
    parts, _ = whisper.transcribe(
        samples,
        language=language,
        beam_size=5,
        temperature=[0.0, 0.2, 0.4, 0.6],
        condition_on_previous_text=False,
        without_timestamps=len(samples) <= 30 * SAMPLE_RATE_HZ,
    )
    return split_words(" ".join(part.text for part in parts))


def split_words(text: str) -> list[str]:
    """The words of a text, in lower case, without punctuation."""
    bare = re.sub(r"[^\w' ]+", " ", text.lower().replace("’", "'"))
    return re.sub(r"(^|\s)'+|'+(\s|$)", " ", bare).split()


def count_word_errors(said: Sequence[str], heard: Sequence[str]) -> int:
    """The least number of words replaced, left out and added between what was said and what is heard."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, start=1):
        before, row = row, [i]
        for j, other in enumerate(heard, start=1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (word != other)))
    return row[-1]
