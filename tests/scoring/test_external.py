"""Instruments of others: DNSMOS, and a recogniser of words."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from voiceswap.audio.source import array_source
from voiceswap.config import Config
from voiceswap.errors import UsageError
from voiceswap.scoring import external
from voiceswap.scoring.external import count_word_errors, load_dnsmos, load_recogniser, split_words
from voiceswap.scoring.scores import Scorer
from voiceswap.signal import synthetic

F = Config().features


RATE = F.mel_rate_hz


@pytest.fixture(scope="module")
def boris():
    quiet = np.random.default_rng(0).normal(0, 1e-3, RATE).astype(np.float32)
    return np.concatenate([synthetic.speech(synthetic.BORIS, 4.0, seed=0).samples, quiet])


def judged(source, made, **with_what):
    judge = Scorer(F, with_what.pop("target", None), with_what.pop("mos", None), **with_what)
    return judge.scores(Path("x.wav"), *(array_source(x[:, None].astype(np.float32), RATE) for x in (source, made)))


def test_dnsmos_hears_noise(boris):
    mos = load_dnsmos()
    if mos is None:
        pytest.skip(f"speechmos is not installed: {external.EXTRA}")
    clean = judged(boris, boris, mos=mos)
    noisy = judged(boris, boris + np.random.default_rng(0).normal(0, 0.1, len(boris)), mos=mos)
    assert 1 <= noisy.dnsmos_ovrl < clean.dnsmos_ovrl <= 5


@pytest.mark.parametrize(
    ("said", "heard", "errors"),
    [
        ("a b c", "a b c", 0),
        ("a b c", "a c", 1),
        ("a b", "b a", 2),
        ("", "a b", 2),
        ("a b", "", 2),
        ("a b c", "x b y z", 3),
    ],
)
def test_word_errors(said, heard, errors):
    assert count_word_errors(said.split(), heard.split()) == errors


def test_words_are_bare():
    assert split_words("“Don’t,” he said – 'well'!") == ["don't", "he", "said", "well"]


class Whisper:
    """A recogniser that hears three words, but only the first of them in what is longer than six seconds."""

    supported_languages = ("de", "en")
    asked = None

    def __init__(self, folder, *, local_files_only, **options):
        assert local_files_only

    def transcribe(self, samples, *, language, **options):
        self.asked.append((len(samples) / 16_000, language))
        heard = ["“Don’t", "go,", "Anna!"][: 1 if len(samples) > 6 * 16_000 else None]
        return [SimpleNamespace(text=f" {word}") for word in heard], None


def test_a_recogniser_that_stops_early_is_asked_again_in_halves(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "faster_whisper", SimpleNamespace(WhisperModel=Whisper))
    monkeypatch.setattr(Whisper, "asked", asked := [])
    for name in external.MODEL_FILES:
        (tmp_path / name).touch()
    hears = load_recogniser(tmp_path, "en")
    samples = np.random.default_rng(0).normal(0, 0.1, 10 * 16_000).astype(np.float32)
    samples[round(5.3 * 16_000) : round(5.5 * 16_000)] = 0.0
    assert hears(samples[: 3 * 16_000]) == ["don't", "go", "anna"] and asked == [(3, "en")]
    assert hears(samples) == ["don't", "go", "anna"] * 2
    (whole, _), (first, _), (second, _) = asked[1:]
    assert (whole, first + second) == (10, 10) and first == pytest.approx(5.4, abs=0.1)
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    assert load_recogniser(tmp_path, "en") is None


def test_a_folder_that_is_no_recogniser_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"holds no model\.bin"):
        load_recogniser(tmp_path, "en")
