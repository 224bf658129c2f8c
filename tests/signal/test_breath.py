"""Breaths and hisses: the source's own where the voice says nothing, and nowhere else."""

import numpy as np
import pytest

from voiceswap.config import Config
from voiceswap.signal import breath, features
from voiceswap.signal.breath import keep_breaths

F = Config().features
N = 60
UNVOICED = np.zeros(N, bool)


def noise(below_speech_db):
    """Noise so far below speech, and its mel."""
    level = 10 ** ((F.speech_level_db - below_speech_db) / 20)
    samples = np.random.default_rng(0).normal(0, level, N * F.hop_samples).astype(np.float32)
    return samples, features.decoder_mel(samples, F)


def softer(mel, db):
    return (mel - db / 20 * np.log(10)).astype(np.float32)


@pytest.mark.parametrize(
    ("below_speech_db", "lacking_db", "whose"),
    [(30, 30, "source"), (30, 19, "source"), (60, 20, "source"), (30, 11, "made"), (30, -20, "made"), (8, 30, "made")],
)
def test_whose_an_unvoiced_frame_is(below_speech_db, lacking_db, whose):
    samples, source = noise(below_speech_db)
    made = softer(source, lacking_db)
    kept = keep_breaths(made, source, samples, UNVOICED, F)
    assert kept.dtype == np.float32
    np.testing.assert_allclose(kept, {"source": source, "made": made}[whose], atol=1e-4)


def test_in_between_there_is_some_of_both():
    samples, source = noise(30)
    made = softer(source, 15)
    kept = keep_breaths(made, source, samples, UNVOICED, F)
    assert np.all(kept > made) and np.all(kept < source)


def test_what_is_voiced_and_its_neighbours_are_the_voices_own():
    samples, source = noise(30)
    made, voiced = softer(source, 40), UNVOICED.copy()
    voiced[20:30] = True
    kept = keep_breaths(made, source, samples, voiced, F)
    np.testing.assert_allclose(kept[20:30], made[20:30], atol=1e-5)
    np.testing.assert_allclose(kept[:18], source[:18], atol=1e-4)
    np.testing.assert_allclose(kept[32:], source[32:], atol=1e-4)


def test_digital_silence_stays_what_the_voice_makes_of_it():
    source = np.full((N, F.n_mels), features.SILENT_MEL, np.float32)
    made = source + 1
    np.testing.assert_array_equal(keep_breaths(made, source, np.zeros(N * F.hop_samples), UNVOICED, F), made)


def test_an_answer_depends_on_so_many_frames_to_either_side():
    samples, source = noise(30)
    made, voiced = softer(source, 15), UNVOICED.copy()
    made[:40] = softer(source, 25)[:40]
    voiced[10:15] = True
    reach, hop = breath.REACH_FRAMES, F.hop_samples
    whole = keep_breaths(made, source, samples, voiced, F)
    first, last = 5, 45
    part = keep_breaths(made[first:last], source[first:last], samples[first * hop : last * hop], voiced[first:last], F)
    np.testing.assert_array_equal(part[reach:-reach], whole[first + reach : last - reach])


def level_db(samples):
    return 10 * np.log10(np.mean(np.square(samples, dtype=np.float64)) + 1e-12)


@pytest.mark.parametrize("rate", [32_000, 44_100, 48_000, 96_000])
def test_a_hiss_is_what_unvoiced_samples_have_above_any_voice(rate):
    at = np.arange(2 * rate) / rate
    voiced = np.arange(round(2 * F.frames_per_s)) < F.frames_per_s
    parts = slice(rate // 10, 9 * rate // 10), slice(11 * rate // 10, 19 * rate // 10)
    for hz, gain_db in ((4_000, -50), (9_500, -40), (11_500, 0), (14_000, 0)):
        tone = np.sin(2 * np.pi * hz * at).astype(np.float32)
        sung, said = (breath.hiss(tone, rate, 0, voiced, F)[part] for part in parts)
        assert not sung.any()
        assert level_db(said) - level_db(tone) <= gain_db + 0.1
        assert gain_db < 0 or level_db(said) - level_db(tone) > -0.1


def test_a_hiss_is_the_same_in_parts():
    rate = 44_100
    samples = np.random.default_rng(0).normal(0, 0.1, rate).astype(np.float32)
    voiced = np.random.default_rng(1).random(round(F.frames_per_s)) < 0.5
    whole = breath.hiss(samples, rate, 0, voiced, F)
    edge, first = round(0.003 * rate) + 1, 12_345
    part = breath.hiss(samples[first : first + 9_000], rate, first, voiced, F)
    np.testing.assert_allclose(part[edge:-edge], whole[first : first + 9_000][edge:-edge], atol=1e-6)
    assert whole.any()


@pytest.mark.parametrize("first_s", [-2, 5])
def test_beyond_the_melody_its_last_frame_holds(first_s):
    samples = np.random.default_rng(0).normal(0, 0.1, 44_100).astype(np.float32)
    for voiced in (True, False):
        melody = np.full(round(2 * F.frames_per_s), voiced)
        assert breath.hiss(samples, 44_100, first_s * 44_100, melody, F).any() != voiced


def test_there_is_no_hiss_where_the_rate_holds_none():
    samples = np.ones(1000, np.float32)
    assert not breath.hiss(samples, F.mel_rate_hz, 0, np.zeros(4, bool), F).any()
    assert not breath.hiss(samples, 44_100, 0, np.zeros(0, bool), F).any()
