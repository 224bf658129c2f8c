"""evaluate, and convert --report: all figures that need no extra, with a tiny voice that sounds like nobody."""

import json
import math
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import voiceswap
from conftest import save
from voiceswap.errors import AudioError, StoppedError, UsageError
from voiceswap.jobs import evaluate
from voiceswap.scoring import external
from voiceswap.scoring.external import load_recogniser
from voiceswap.signal import synthetic


@pytest.fixture
def sources(home):
    for i in range(2):
        save(home / "in" / f"boris{i}.wav", synthetic.speech(synthetic.BORIS, 2.0, seed=i).samples)
    return home / "in"


@pytest.fixture
def no_mos(monkeypatch):
    monkeypatch.setattr(evaluate, "load_dnsmos", lambda: None)


def test_a_trained_voice_knows_whose_it_is(voice, sources, no_mos):
    assert voice.card["speaker"]["n_recordings"] == 3
    evaluation = voiceswap.evaluate("speakerA", source=sources)
    assert [clip.source.name for clip in evaluation.clips] == ["boris0.wav", "boris1.wav"]
    assert evaluation.target == "the voice's card" and evaluation.target_own > 0.7
    for key in ("to_target", "to_source", "voicing_error", "loudness_rmse_db"):
        assert evaluation.means[key] == pytest.approx(np.mean([getattr(clip, key) for clip in evaluation.clips]))
    assert math.isnan(evaluation.word_error_rate) and math.isnan(evaluation.means["dnsmos_ovrl"])
    # Random weights make nobody's voice: what is said of it must be what the numbers say.
    assert (len(evaluation.nearer_to_source) > 0) == any(c.to_source > c.to_target for c in evaluation.clips)
    assert "similarity" in evaluation.verdict
    assert sum(external.EXTRA in line for line in evaluation.missing) == 2
    assert sorted(p.name for p in sources.iterdir()) == ["boris0.wav", "boris1.wav"]


def test_a_target_of_ones_own_bad_files_and_kept_conversions(voice, sources, no_mos, spoken, home):
    (sources / "bad.wav").write_bytes(b"hello")
    evaluation = voiceswap.evaluate("speakerA", source=sources, target=spoken, out=home / "out")
    assert evaluation.target == str(spoken) and len(evaluation.clips) == 2
    assert [path.name for path, _ in evaluation.failed] == ["bad.wav"]
    assert len(list((home / "out").iterdir())) == 2
    card = voiceswap.evaluate("speakerA", source=sources / "boris0.wav")
    assert card.clips[0].to_target == pytest.approx(evaluation.clips[0].to_target, abs=0.01)
    with pytest.raises(AudioError, match="none of the 1 recordings"):
        voiceswap.evaluate("speakerA", source=sources / "bad.wav")
    save(home / "quiet" / "a.wav", np.zeros(22050))
    with pytest.raises(AudioError, match="no speech was heard"):
        voiceswap.evaluate("speakerA", source=sources, target=home / "quiet")
    with pytest.raises(UsageError, match="no such folder"):
        voiceswap.evaluate("speakerA", source=home / "nowhere")


def test_kept_conversions_are_never_replaced_and_long_names_are_no_hindrance(voice, sources, no_mos, home):
    long = (sources / "boris0.wav").rename(home / f"{'日' * 82}.wav")
    voiceswap.evaluate("speakerA", source=long, out=home / "out")
    (conversion,) = (home / "out").iterdir()
    before = conversion.read_bytes()
    with pytest.raises(UsageError, match=r"speakerA\.wav exists"):
        voiceswap.evaluate("speakerA", source=long, out=home / "out")
    assert [path.read_bytes() for path in (home / "out").iterdir()] == [before]


def test_a_stop_is_heard_and_leaves_no_conversion(voice, sources, no_mos, home):
    with pytest.raises(StoppedError):
        voiceswap.evaluate("speakerA", source=sources, out=home / "out", stopped=lambda: True)
    assert list((home / "out").iterdir()) == []


def test_a_voice_from_before_still_gets_its_other_figures(voice, sources, no_mos):
    from voiceswap.conversion.voice import rewrite_card

    rewrite_card(voice, {key: value for key, value in voice.card.items() if key != "speaker"})
    evaluation = voiceswap.evaluate("speakerA", source=sources / "boris0.wav")
    assert math.isnan(evaluation.means["to_target"]) and not math.isnan(evaluation.means["to_source"])
    assert "not known" in evaluation.verdict and any("give `target`" in line for line in evaluation.missing)


class Whisper:
    """What faster-whisper does with languages."""

    supported_languages = ("de", "en")

    def __init__(self, *given, **options):
        pass

    def transcribe(self, samples, language=None, **options):
        if language is not None and language not in self.supported_languages:
            raise ValueError(f"{language!r} is not a valid language code (accepted language codes: de, en)")
        return [SimpleNamespace(text=f"said in {language}")], None


@pytest.fixture
def whisper(home, monkeypatch):
    """The folder of a recogniser."""
    monkeypatch.setitem(sys.modules, "faster_whisper", SimpleNamespace(WhisperModel=Whisper))
    (home / "whisper").mkdir()
    for name in external.MODEL_FILES:
        (home / "whisper" / name).touch()
    return home / "whisper"


@pytest.mark.parametrize("language", ["english", "EN", "en-GB", ""])
def test_a_language_that_the_recogniser_does_not_know_is_told_before_the_work(
    language, voice, sources, no_mos, whisper, monkeypatch
):
    monkeypatch.setattr(evaluate, "convert", None)
    with pytest.raises(UsageError, match=f"whisper does not know the language '{language}'") as caught:
        voiceswap.evaluate("speakerA", source=sources, recogniser=whisper, language=language)
    assert "a code such as en or de" in caught.value.hint
    monkeypatch.setattr(Whisper, "supported_languages", ["en"])
    with pytest.raises(UsageError) as caught:
        load_recogniser(whisper, "de")
    assert caught.value.hint.startswith("wanted en;")


def test_words_are_heard_in_the_language_that_is_given(whisper):
    assert load_recogniser(whisper, "de")(np.zeros(16_000)) == ["said", "in", "de"]
    assert load_recogniser(whisper, None)(np.zeros(16_000)) == ["said", "in", "none"]


@pytest.mark.parametrize(
    ("to_target", "to_source", "n_nearer", "begins"),
    [
        (0.8, 0.6, 0, "nearer to anna than to the source: similarity 0.80 to anna, 0.60"),
        (0.8, 0.6, 2, "on the whole nearer to anna"),
        (0.6, 0.8, 5, "the result is nearer to the source than to anna"),
        (math.nan, 0.8, 0, "whether"),
    ],
)
def test_the_plain_sentence(to_target, to_source, n_nearer, begins):
    assert evaluate.verdict("anna", to_target, to_source, n_nearer, 5).startswith(begins)


def test_the_commands(mother, voice, sources):
    before = "import sys, voiceswap.jobs.convert, voiceswap.jobs.evaluate\nfor name in ('evaluate', 'convert'):\n"
    before += "    sys.modules['voiceswap.jobs.' + name].load_dnsmos = lambda: None\n"
    command = mother.run("evaluate", "speakerA", "--source", sources, "--json", before=before)
    assert command.wait() == 0, command.err()
    answer = json.loads(command.out())
    assert len(answer["clips"]) == 2 and answer["means"]["dnsmos_ovrl"] is None
    command = mother.run("evaluate", "speakerA", "--source", sources, before=before)
    assert command.wait() == 0, command.err()
    assert command.out().count(external.EXTRA) == 2 and "similarity to the target" in command.out()
    one = sources / "boris0.wav"
    command = mother.run("convert", one, "--as", "speakerA", "--report", "--song", "--force", before=before)
    assert command.wait() == 0, command.err()
    assert "similarity to the source" in command.out() and "nearer to" in command.out()
    command = mother.run("convert", sources, "--as", "speakerA", "--report")
    assert command.wait() == 2 and "voiceswap evaluate" in command.err()
    command = mother.run("info", "speakerA")
    assert (
        command.wait() == 0
        and "known from 3 recordings" in command.out()
        and voice.card["speaker"]["vector"] not in command.out()
    )
