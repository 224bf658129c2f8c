"""Scores against conversions whose flaws are known, since they were made on purpose."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from voiceswap.audio.source import array_source
from voiceswap.config import Config
from voiceswap.errors import AudioError
from voiceswap.scoring import external, scores
from voiceswap.scoring.embedding import SpeakerEmbedding
from voiceswap.scoring.scores import Scorer, paired_stretches
from voiceswap.signal import synthetic
from voiceswap.signal.loudness import remove_dc
from voiceswap.signal.world import analyse_world, warp_world

F = Config().features


RATE = F.mel_rate_hz


@pytest.fixture(scope="module")
def boris():
    quiet = np.random.default_rng(0).normal(0, 1e-3, RATE).astype(np.float32)
    return np.concatenate([synthetic.speech(synthetic.BORIS, 4.0, seed=0).samples, quiet])


def judged(source, made, **with_what):
    judge = Scorer(F, with_what.pop("target", None), with_what.pop("mos", None), **with_what)
    return judge.scores(Path("x.wav"), *(array_source(x[:, None].astype(np.float32), RATE) for x in (source, made)))


def test_a_copy_is_perfect_and_like_its_source(boris):
    found = judged(boris, boris)
    assert found.f0_correlation > 0.9999 and found.f0_rmse_cents < 1e-3 and found.voicing_error == 0
    assert found.loudness_rmse_db == found.level_change_db == 0 and found.clipped_share == 0
    assert found.to_source > 0.9999 and math.isnan(found.to_target) and not found.nearer_to_source
    assert found.pause_db == found.source_pause_db == pytest.approx(-60, abs=2)  # the ends of phrases are in it, too
    assert math.isnan(found.dnsmos_ovrl) and found.duration_s == pytest.approx(len(boris) / RATE, abs=0.01)


def test_an_offset_is_no_sound(boris):
    found = judged(boris + 0.03, boris)
    assert found.loudness_rmse_db < 0.01 and found.to_source > 0.999
    assert found.source_pause_db == pytest.approx(found.pause_db, abs=0.01) == pytest.approx(-60, abs=2)


def test_each_flaw_moves_its_own_score(boris):
    higher = judged(boris, warp_world(analyse_world(boris, F), f0_ratio=2 ** (3 / 12), envelope_ratio=1.0))
    assert higher.shift_cents == pytest.approx(300, abs=15) and higher.f0_rmse_cents < 40
    louder = judged(boris, boris * 2)
    assert louder.level_change_db == pytest.approx(6.02, abs=0.01) and louder.loudness_rmse_db < 0.01
    pumped = boris * (1 + 0.5 * np.sin(np.arange(len(boris)) * 2 * np.pi / RATE))
    assert judged(boris, pumped).loudness_rmse_db > 2
    noisy = boris + np.random.default_rng(1).normal(0, 1e-2, len(boris))
    assert judged(boris, noisy).pause_db == pytest.approx(-40, abs=1)
    clipped = boris.copy()
    clipped[: len(boris) // 10] = 1.0
    assert judged(boris, clipped).clipped_share == pytest.approx(0.1, abs=0.001)
    noise = np.random.default_rng(2).normal(0, 0.05, len(boris))
    assert judged(boris, noise).voicing_error > 0.3


def test_whom_it_sounds_like(boris):
    anna = synthetic.speech(synthetic.ANNA, 5.0, seed=1).samples
    vector = scores.speaker_encoder().embed_pieces(synthetic.speech(synthetic.ANNA, 4.0, seed=5).samples).mean(axis=0)
    target = SpeakerEmbedding(vector / np.linalg.norm(vector), 0.9, 1)
    right, wrong = judged(boris, anna[: len(boris)], target=target), judged(boris, boris, target=target)
    assert right.to_target > right.to_source and not right.nearer_to_source
    assert wrong.nearer_to_source
    assert "nearer to the source than to anna" in wrong.verdict("anna")
    assert right.verdict("anna").startswith("nearer to anna than to the source")


def test_silence_and_the_shortest_recordings_have_scores(boris):
    for source, made in [(np.zeros(RATE), np.zeros(RATE)), (boris, np.zeros(len(boris))), (boris[:1200], boris[:1200])]:
        found = judged(source, made)
        assert math.isnan(found.f0_correlation) and 0 <= found.voicing_error <= 1
    with pytest.raises(AudioError, match="empty"):
        judged(boris[:0], boris[:0])


def test_long_recordings_are_read_in_stretches_that_add_up(boris, monkeypatch):
    monkeypatch.setattr(scores, "STRETCH_S", 2.0)
    monkeypatch.setattr(scores, "CUT_WITHIN_S", 1.0)
    long = np.tile(boris, 3)
    pairs = list(paired_stretches(*(array_source(x[:, None], RATE, 4096) for x in (long, long[:-5000])), F))
    assert len(pairs) > 6 and max(len(said) for said, _ in pairs) <= 2 * RATE
    assert all(len(said) == len(done) for said, done in pairs)
    (steady,) = remove_dc([long], RATE)
    np.testing.assert_array_equal(np.concatenate([said for said, _ in pairs]), steady)
    padded = np.concatenate([steady[:-5000], np.zeros(5000)])
    np.testing.assert_array_equal(np.concatenate([done for _, done in pairs]), padded.astype(np.float32))


def test_what_is_natural_is_weighed_by_time_and_words_are_pooled(boris, monkeypatch):
    monkeypatch.setattr(scores, "STRETCH_S", 3.0)
    monkeypatch.setattr(scores, "CUT_WITHIN_S", 1.0)
    asked = []

    def mos(samples):
        asked.append(len(samples))
        return {"ovrl_mos": float(len(samples)), "p808_mos": 2.0}

    answers = iter([["a", "b", "c"], ["a", "c"], ["d"], ["d", "e"], ["f"], ["f"]])
    found = judged(boris, boris, mos=mos, words=lambda samples: next(answers))
    assert len(asked) == 2
    assert found.dnsmos_ovrl == pytest.approx(sum(n * n for n in asked) / sum(asked), rel=0.01)
    assert found.dnsmos_p808 == pytest.approx(2.0) and (found.words, found.word_errors) == (4, 2)


def test_what_is_missing_is_said_once_each_with_its_command():
    nothing = Scorer(F, None, None)
    lines = nothing.missing("words")
    assert len(lines) == 3 and external.EXTRA in lines[1] and "`target` FOLDER" in lines[0]
    known = replace(nothing, target=SpeakerEmbedding(np.ones(256) / 16, 0.9, 2), mos=lambda samples: {})
    assert known.missing("") == []


def test_a_recording_has_its_own_melody_and_timbre(glide):
    samples, _ = glide
    assert scores.melody_correlation(samples, samples[:40_000], F) == pytest.approx(1, abs=1e-3)
    own = scores.timbre(samples, F)
    assert own.shape == (F.n_mels,) and abs(own.mean()) < 1e-4
    assert scores.timbre_distance_db(own, scores.timbre(samples * np.float32(0.5), F)) < 0.1
    other = scores.timbre(np.random.default_rng(0).normal(0, 0.1, 44_100).astype(np.float32), F)
    assert scores.timbre_distance_db(own, other) > 6
