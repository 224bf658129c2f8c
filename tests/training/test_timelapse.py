"""What is kept of a training as it goes: the timelapse, its metrics; and that it changes nothing."""

import json
import math
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import forks
import voiceswap
from conftest import TINY, save
from voiceswap.audio.read import probe, read_mono, read_tags
from voiceswap.events import Note, Progress
from voiceswap.jobs import check
from voiceswap.model import base
from voiceswap.signal import synthetic
from voiceswap.training import loop, timelapse
from voiceswap.training.timelapse import find_sentence, list_frames

F = TINY.features
LONGEST = timelapse.MAX_SENTENCE_FRAMES * F.hop_samples


def weights(path):
    return (path / "weights.safetensors").read_bytes()


def frames(voices, name="speakerA"):
    return list_frames(voices / ".runs" / name / "timelapse")


def lines(voices, name="speakerA"):
    text = (voices / ".runs" / name / loop.METRICS).read_text()
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def boris(tmp_path_factory):
    """Recordings of a second person: not to be changed."""
    folder = tmp_path_factory.mktemp("boris") / "speakerB"
    for take in range(3):
        save(folder / f"take{take}.wav", synthetic.speech(synthetic.BORIS, 14.0, seed=take).samples)
    return folder


@dataclass(frozen=True)
class Pair:
    """Two voices that one command trained: not to be changed."""

    voices: Path
    sources: tuple[Path, Path]
    results: list
    events: list


@pytest.fixture(scope="module")
def pair(tmp_path_factory, spoken, boris, features_cache, tiny_base):
    voices, events = tmp_path_factory.mktemp("pair") / "voices", []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOICESWAP_CACHE", str(features_cache))
        patch.setattr(base, "SHIPPED", tiny_base)
        patch.setattr(check, "check_recordings", forks.unchecked)
        patch.setattr(timelapse, "MAX_SHARE", math.inf)
        results = voiceswap.train(spoken, boris, voices=voices, on_event=events.append)
    return Pair(voices, (spoken, boris), results, events)


def test_it_changes_no_bit_of_the_voice(recordings, use_tiny, home, monkeypatch):
    """R1, R27: with and without, stopped in between or not."""
    monkeypatch.setattr(timelapse, "MAX_SHARE", math.inf)
    (without,) = voiceswap.train(recordings, voices=home / "without", timelapse=False)
    (with_it,) = voiceswap.train(recordings, voices=home / "with")
    asked = iter(range(100))
    voiceswap.train(recordings, voices=home / "stopped", stopped=lambda: next(asked) >= 6)
    (resumed,) = voiceswap.train(recordings, voices=home / "stopped")
    assert weights(without.path) == weights(with_it.path) == weights(resumed.path)
    assert not (home / "without" / ".runs" / "speakerA" / "timelapse").exists()
    voice = voiceswap.load("speakerA", voices=home / "with")
    assert sorted(path.name for path in voice.path.iterdir()) == sorted(
        [*voice._folder.manifest["files"], "manifest.json"]
    )
    kept = [
        [(step, read_mono(path, F.mel_rate_hz).tobytes()) for step, path in frames(home / v)]
        for v in ("with", "stopped")
    ]
    assert kept[0] == kept[1] and len(kept[0]) > 1


def test_each_says_a_sentence_of_the_other_whenever_it_is_the_best(pair, use_tiny):
    voices = pair.voices
    for result, other in zip(pair.results, reversed(pair.sources), strict=True):
        folder = voices / ".runs" / result.name / "timelapse"
        bests = sorted({0, *(line["best_step"] for line in lines(voices, result.name))})
        assert [step for step, _ in frames(voices, result.name)] == bests and bests[-1] == result.best_step
        assert probe(folder / "source.flac").title == other.name
        said = read_mono(folder / "source.flac", F.mel_rate_hz)
        assert np.allclose(said, find_sentence(sorted(other.iterdir()), F), atol=1e-4)
        assert F.mel_rate_hz < len(said) <= LONGEST
        for _, path in frames(voices, result.name):
            made = read_mono(path, F.mel_rate_hz)
            assert len(said) - len(made) < F.hop_samples and np.abs(made).max() < 1
        assert sum(path.stat().st_size for path in folder.iterdir()) < 1_000_000
        # The last frame says of itself which voice it is.
        made_by = json.loads(
            read_tags(frames(voices, result.name)[-1][1])["comment"]
            .split("marked ")[-1]
            .partition("{")[2]
            .join(["{", ""])
        )
        assert made_by["voice_id"] == voiceswap.load(result.path).id


def test_a_frame_is_what_convert_gives(pair, use_tiny):
    folder = pair.voices / ".runs" / "speakerA" / "timelapse"
    sentence = read_mono(folder / "source.flac", F.mel_rate_hz)
    frame = read_mono(frames(pair.voices)[-1][1], F.mel_rate_hz)
    converted = voiceswap.load(pair.results[0].path).convert(sentence, F.mel_rate_hz)
    # Stored in half precision, the voice differs a little from the weights that it was rendered by.
    np.testing.assert_allclose(frame, converted, atol=0.05 * np.abs(converted).max())
    assert np.corrcoef(frame, converted)[0, 1] > 0.999 and np.abs(converted).max() > 1e-3


def test_alone_it_borrows_a_sentence_or_says_its_own(recordings, boris, use_tiny, home):
    voiceswap.train(recordings)
    own = home / "voices" / ".runs" / "speakerA" / "timelapse"
    assert probe(own / "source.flac").title == "speakerA"
    assert (read_mono(own / "source.flac", 22050) == read_mono(own / "real.flac", 22050)).all()
    voiceswap.train(boris)
    lent = home / "voices" / ".runs" / "speakerB" / "timelapse" / "source.flac"
    assert probe(lent).title == "speakerA"
    assert (read_mono(lent, 22050) == read_mono(own / "real.flac", 22050)).all()


def test_the_sentence_is_one_that_is_kept_apart(recordings, use_tiny):
    """The tenth clip that is long enough, found without the features of the others."""
    files = sorted(recordings.iterdir())
    clips = list(timelapse._clips(files, F))
    chosen = find_sentence(files, F)
    apart = [c for i, c in enumerate(clips) if i % 10 == 9] or clips[-1:]
    inner = slice(1000, 20000)
    assert any((chosen[inner] == clip[inner]).all() for clip in apart)
    assert abs(chosen[0]) == abs(chosen[-1]) == 0


def test_no_speech_no_sentence(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"nothing")
    save(tmp_path / "b.wav", np.zeros(22050))
    assert find_sentence([tmp_path / "a.wav", tmp_path / "b.wav", tmp_path / "gone.wav"], F) is None


def test_frames_stay_few_and_those_of_a_lost_training_go(recordings, use_tiny, home, monkeypatch):
    folder = home / "voices" / ".runs" / "speakerA" / "timelapse"
    asked = iter(range(100))
    voiceswap.train(recordings, stopped=lambda: next(asked) >= 6)
    for step in range(100, 140):
        shutil.copy(folder / "source.flac", folder / f"step-{step:08d}.flac")
    monkeypatch.setattr(timelapse, "MAX_FRAMES", 2)
    (result,) = voiceswap.train(recordings)
    kept = [step for step, _ in frames(home / "voices")]
    assert len(kept) <= 2 and kept[0] == 0 and kept[-1] == result.best_step


def test_a_damaged_sentence_does_not_hold_the_training_up(recordings, use_tiny, home):
    asked = iter(range(100))
    voiceswap.train(recordings, stopped=lambda: next(asked) >= 6)
    source = home / "voices" / ".runs" / "speakerA" / "timelapse" / "source.flac"
    source.write_bytes(b"torn")
    (resumed,) = voiceswap.train(recordings)
    assert resumed.status == "trained" and probe(source).title == "speakerA"


def test_it_takes_no_more_than_its_share(recordings, use_tiny, home, monkeypatch):
    """Once its first frames have taken more than that, only that of the voice itself comes yet."""
    monkeypatch.setattr(timelapse, "MAX_SHARE", 0.0)
    (result,) = voiceswap.train(recordings)
    assert [step for step, _ in frames(home / "voices")] == sorted({0, result.best_step})


def test_metrics_and_the_end_are_told(pair):
    result, events = pair.results[0], [event for event in pair.events if getattr(event, "voice", "") != "speakerB"]
    found = lines(pair.voices)
    assert [line["step"] for line in found] == [4, 8, 12]
    assert found[-1]["best_step"] == result.best_step
    assert min(line["held_out"] for line in found) == pytest.approx(result.scores["best"], abs=1e-4)
    assert all(line["times_real_time"] is None or line["times_real_time"] > 0 for line in found)
    last = [e for e in events if isinstance(e, Progress) and e.stage == "training"][-1]
    assert all(map(math.isfinite, (last.loss, last.held_out, last.times_real_time, last.left_s)))
    end = f"speakerA: ended at step 12 of 12, all are done; kept step {result.best_step}, held-out error "
    assert any(isinstance(e, Note) and e.text.startswith(end) for e in events)


def test_a_training_that_no_longer_gets_better_says_so(recordings, use_tiny, home, monkeypatch):
    from voiceswap.training.learner import DecoderLearner

    monkeypatch.setattr(DecoderLearner, "score", lambda self, batch: 1.0)
    monkeypatch.setattr("voiceswap.model.decoder.single_speaker", patient(1))
    events = []
    (result,) = voiceswap.train(recordings, on_event=events.append)
    assert (result.steps, result.best_step) == (4, 0)
    end = "speakerA: ended at step 4 of 12, no better for 4 steps; kept step 0, held-out error 1.000"
    assert end in [e.text for e in events if isinstance(e, Note)]


def patient(patience):
    from voiceswap.model.decoder import single_speaker

    def single(config):
        made = single_speaker(config)
        return made.model_copy(update={"train": made.train.model_copy(update={"patience": patience})})

    return single
