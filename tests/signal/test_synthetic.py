"""Tests of the synthetic speakers: they are what other tests trust, so WORLD and LPC judge them here."""

from __future__ import annotations

import time

import numpy as np
import pytest
import pyworld  # type: ignore[import-untyped]
from numpy.typing import NDArray
from scipy.linalg import solve_toeplitz
from scipy.ndimage import gaussian_filter1d
from scipy.signal import decimate, stft

from voiceswap.signal import phonemes
from voiceswap.signal.synthetic import ANNA, BORIS, CLARA, Note, Speaker, Utterance, song, speech

Floats = NDArray[np.float64]
SPEAKERS = pytest.mark.parametrize("speaker", [ANNA, BORIS, CLARA], ids=lambda speaker: str(speaker.name))


def vowel_formants_hz(utterance: Utterance) -> Floats:
    """The first three LPC poles of the middle of an utterance, in Hz."""
    samples = decimate(utterance.samples.astype(float), 2)
    rate_hz = utterance.sample_rate_hz / 2
    middle = samples[len(samples) // 3 : 2 * len(samples) // 3]
    middle = np.diff(middle) * np.hamming(len(middle) - 1)
    correlation = np.correlate(middle, middle, "full")[len(middle) - 1 :][:14]
    poles = np.roots([1.0, *-solve_toeplitz(correlation[:-1], correlation[1:])])
    centre_hz, width_hz = np.angle(poles) * rate_hz / (2 * np.pi), -np.log(np.abs(poles)) * rate_hz / np.pi
    return np.asarray(np.sort(centre_hz[(centre_hz > 200) & (width_hz < 400)])[:3])


def agreement(utterance: Utterance) -> tuple[float, float]:
    """Median distance of DIO's F0 from the truth in cents, and how often both agree on voicing."""
    found_hz, _ = pyworld.dio(utterance.samples.astype(float), utterance.sample_rate_hz, f0_floor=60, f0_ceil=700)
    assert found_hz.shape == utterance.f0_hz.shape
    both = (found_hz > 0) & (utterance.f0_hz > 0)
    cents = 1200 * np.log2(found_hz[both] / utterance.f0_hz[both])
    return float(np.median(np.abs(cents))), float(np.mean((found_hz > 0) == (utterance.f0_hz > 0)))


@SPEAKERS
@pytest.mark.parametrize("sing", [False, True], ids=["speech", "song"])
def test_world_finds_the_true_f0(speaker: Speaker, sing: bool) -> None:
    cents, voicing = agreement(song(speaker) if sing else speech(speaker, 10.0, seed=3))
    assert cents < 15
    assert voicing > (0.97 if sing else 0.9)


@pytest.mark.parametrize("rate_hz", [8000, 16000, 22050, 44100, 48000])
def test_rate_and_length_are_exact(rate_hz: int) -> None:
    made = speech(BORIS, 1.2345, sample_rate_hz=rate_hz, seed=2)
    assert made.samples.shape == (round(1.2345 * rate_hz),)
    assert made.sample_rate_hz == rate_hz
    assert made.samples.dtype == made.f0_hz.dtype == np.dtype(np.float32)
    assert np.isfinite(made.samples).all()
    assert agreement(made)[0] < 20


@pytest.mark.parametrize("duration_s", [0.1, 0.33, 1.0, 5.001, 7.7])
def test_any_duration_is_filled(duration_s: float) -> None:
    made = speech(ANNA, duration_s, seed=5)
    assert len(made.samples) == round(duration_s * 22050)
    assert 0.48 < np.abs(made.samples).max() < 0.52
    assert made.syllables
    assert (made.f0_hz > 0).mean() > 0.3


def test_same_seed_gives_same_bytes_and_another_does_not() -> None:
    assert speech(ANNA, 2.0, seed=7).samples.tobytes() == speech(ANNA, 2.0, seed=7).samples.tobytes()
    assert speech(ANNA, 2.0, seed=7).syllables != speech(ANNA, 2.0, seed=8).syllables
    assert song(CLARA, seed=1).samples.tobytes() == song(CLARA, seed=1).samples.tobytes()
    assert song(CLARA, seed=1).samples.tobytes() != song(CLARA, seed=2).samples.tobytes()


def test_one_seed_gives_parallel_recordings() -> None:
    anna, boris = speech(ANNA, 6.0, seed=4), speech(BORIS, 6.0, seed=4)
    assert anna.syllables == boris.syllables
    voiced = anna.f0_hz > 0
    np.testing.assert_array_equal(voiced, boris.f0_hz > 0)
    np.testing.assert_allclose(anna.f0_hz[voiced] / boris.f0_hz[voiced], 210 / 110, rtol=1e-5)
    assert not np.array_equal(anna.samples, boris.samples)


def test_phrases_are_parted_by_quiet_pauses() -> None:
    made = speech(BORIS, 20.0, seed=6)
    levels_db = 10 * np.log10(np.mean(made.samples[: 20 * 22050].reshape(-1, 441) ** 2, axis=1))  # each 20 ms
    edges = np.flatnonzero(np.diff(np.concatenate([[0], levels_db < -57, [0]])))
    pauses_s = np.diff(edges.reshape(-1, 2), axis=1).ravel() * 0.02
    pauses_s = pauses_s[pauses_s > 0.25]
    assert 3 <= len(pauses_s) <= 9
    assert pauses_s.max() < 0.9
    assert np.percentile(levels_db, 3) == pytest.approx(-60, abs=1)


def test_speech_uses_every_sound() -> None:
    said = speech(ANNA, 60.0, sample_rate_hz=8000).syllables
    assert {phonemes.SOUNDS.match(word).group() for word in said} >= set(phonemes.CONSONANTS)  # type: ignore[union-attr]
    assert len(phonemes.CONSONANTS) >= 12
    assert len(phonemes.VOWELS) >= 8


@pytest.mark.parametrize("vowel", ["aa", "eh", "ah", "ae"])
def test_formants_are_where_the_table_says_and_scale_with_the_tract(vowel: str) -> None:
    low, high = (Speaker("one", 100.0, tract=tract) for tract in (1.0, 1.17))
    notes: list[Note] = [(43, 0.8, vowel)]
    low_hz, high_hz = vowel_formants_hz(song(low, notes)), vowel_formants_hz(song(high, notes))
    np.testing.assert_allclose(low_hz, phonemes.VOWELS[vowel][:3], rtol=0.08)
    np.testing.assert_allclose(high_hz / low_hz, 1.17, rtol=0.08)


def envelopes_db(utterance: Utterance) -> tuple[Floats, Floats]:
    """Frequencies in Hz, and smoothed log spectra of voiced frames of 5 ms, (n_bins, n_frames) in dB."""
    frequency_hz, at_s, spectrum = stft(utterance.samples, 22050, nperseg=512, noverlap=402, nfft=2048)
    frame = np.minimum(np.round(at_s * 200).astype(int), len(utterance.f0_hz) - 1)
    power = gaussian_filter1d(np.abs(spectrum[:, utterance.f0_hz[frame] > 0]) ** 2, 12, axis=0)
    return frequency_hz, gaussian_filter1d(10 * np.log10(power + 1e-12), 6, axis=0)


@pytest.mark.parametrize(("high", "low"), [(ANNA, BORIS), (CLARA, BORIS)], ids=["anna", "clara"])
def test_the_formants_of_two_speakers_differ_by_their_tracts(high: Speaker, low: Speaker) -> None:
    (frequency_hz, high_db), (_, low_db) = (envelopes_db(speech(who, 8.0, seed=9)) for who in (high, low))
    grid_hz = np.arange(600.0, 3400.0, 20.0)

    def without_tilt(envelope_db: Floats, stretch: float) -> Floats:
        curves = [np.interp(grid_hz * stretch, frequency_hz, column) for column in envelope_db[:, ::8].T]
        lines = np.polynomial.polynomial.polyfit(grid_hz, np.array(curves).T, 1)
        rest: Floats = np.array(curves) - np.polynomial.polynomial.polyval(grid_hz, lines)
        return rest

    def likeness(stretch: float) -> float:
        return float(np.corrcoef(without_tilt(high_db, stretch).ravel(), without_tilt(low_db, 1.0).ravel())[0, 1])

    best = max(np.arange(0.95, 1.40, 0.01), key=likeness)
    assert best == pytest.approx(high.tract / low.tract, abs=0.03)
    assert likeness(best) > 0.93
    assert likeness(1.0) < likeness(best) - 0.1


def test_a_sung_note_has_its_pitch_and_vibrato() -> None:
    made = song(CLARA, [(57, 3.0, "la"), (60, 0.5, "mi")])
    held_hz = made.f0_hz[40 + 140 : 40 + 540]  # 0.7 s to 2.7 s into the note
    cents = 1200 * np.log2(held_hz / 220.0)
    assert np.mean(cents) == pytest.approx(0, abs=2)
    assert np.abs(cents).max() == pytest.approx(40, abs=2)
    spectrum = np.abs(np.fft.rfft(cents - cents.mean()))
    assert np.argmax(spectrum) * 0.5 == pytest.approx(5.5)
    assert made.syllables == ("la", "mi")
    assert made.f0_hz.max() < 440 * 2 ** ((60.5 - 69) / 12)


def test_the_default_song_lasts_nine_seconds_and_fits_the_singer() -> None:
    made = song(CLARA)
    assert len(made.samples) / made.sample_rate_hz == pytest.approx(8.9, abs=0.01)
    sung_hz = made.f0_hz[made.f0_hz > 0]
    assert sung_hz.min() > 175.0
    assert sung_hz.max() < 2 * 175.0
    assert not made.f0_hz[:30].any()


@pytest.mark.parametrize("duration_s", [0.0, 0.05, -1.0, float("nan"), float("inf")])
def test_bad_durations_are_refused(duration_s: float) -> None:
    with pytest.raises(ValueError, match=r"duration_s is .*; at least 0\.1 is wanted"):
        speech(ANNA, duration_s)


@pytest.mark.parametrize("rate_hz", [0, 7999, 192001])
def test_bad_rates_are_refused(rate_hz: int) -> None:
    with pytest.raises(ValueError, match=f"sample_rate_hz is {rate_hz}; 8000 to 192000 is wanted"):
        speech(ANNA, 1.0, sample_rate_hz=rate_hz)


@pytest.mark.parametrize(
    ("notes", "text"),
    [
        ([], "no note to sing"),
        ([(60, 1.0, "")], "no note to sing"),
        ([(10, 1.0, "la")], "is no note: MIDI 24 to 96"),
        ([(60, 0.0, "la")], r"at least 0\.05 s"),
        ([(60, float("nan"), "la")], r"at least 0\.05 s"),
        ([(60, 1.0, "xyz")], "'xyz' is no syllable"),
        ([(60, 1.0, "st")], "'st' is no syllable"),
        ([(60, 1.0, "lalo")], "'lalo' is no syllable"),
    ],
)
def test_bad_notes_are_refused(notes: list[Note], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        song(CLARA, notes)


def test_short_notes_and_clusters_can_be_sung() -> None:
    made = song(BORIS, [(45, 0.05, "shan"), (0, 0.3, ""), (47, 0.4, "strants"), (40, 0.2, "a")])
    assert np.isfinite(made.samples).all()
    assert len(made.samples) == pytest.approx((0.95 + 0.4) * 22050, abs=200)


def test_speech_is_much_faster_than_real_time() -> None:
    started = time.process_time()
    speech(ANNA, 10.0)
    assert time.process_time() - started < 10.0 / 10  # 80 to 110 times on an idle core
