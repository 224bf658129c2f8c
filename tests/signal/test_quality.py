"""What is done to a recording on purpose is measured; a sound one shows nothing of it."""

import dataclasses

import numpy as np
import pytest
import scipy.signal

from voiceswap.audio.resample import resample
from voiceswap.signal import quality, synthetic
from voiceswap.signal.quality import QualityMeter

RATE = 22050


@pytest.fixture(scope="module")
def speech():
    return synthetic.speech(synthetic.ANNA, 16.0, seed=1).samples


@pytest.fixture
def random():
    return np.random.default_rng(0)


def heard(*recordings, rate=RATE):
    listener = QualityMeter()
    for samples in recordings:
        listener.hear(samples.astype(np.float32), rate)
    return listener.found()


def test_nothing_heard_is_nothing_found():
    found = QualityMeter().found()
    assert found.speech_s == found.total_s == found.clipped_share == 0
    assert np.isnan([found.snr_db, found.bandwidth_hz, found.edge_hz, found.tonality, found.echo_s]).all()


def test_silence_counts_as_time_only(speech):
    found, with_silence = heard(speech), heard(speech, np.zeros(RATE * 5))
    assert with_silence.total_s == pytest.approx(found.total_s + 5)
    assert (with_silence.speech_s, with_silence.snr_db) == (found.speech_s, found.snr_db)


def test_level_does_not_matter_but_for_itself(speech):
    loud, quiet = heard(speech), heard(speech * 0.1)
    assert quiet.level_db == pytest.approx(loud.level_db - 20, abs=0.1)
    assert quiet.snr_db == pytest.approx(loud.snr_db, abs=0.5)
    assert quiet.bandwidth_hz == loud.bandwidth_hz


@pytest.mark.parametrize("offset", [0.003, -0.03, 0.3])
def test_an_offset_is_no_noise_and_hides_no_clipping(speech, offset):
    clipped = np.clip(speech, -0.3 * np.abs(speech).max(), 0.3 * np.abs(speech).max())
    for samples in (speech, clipped):
        found, with_offset = (dataclasses.asdict(heard(x)) for x in (samples, samples + offset))
        assert with_offset == pytest.approx(found, rel=0.01, nan_ok=True)
    assert heard(clipped + offset).clipped_share == 1


@pytest.mark.parametrize("below_db", [10, 20, 30])
def test_noise_is_measured(speech, random, below_db):
    noise = random.normal(size=len(speech))
    level = heard(speech).level_db
    noisy = heard(speech + noise * 10 ** ((level - below_db) / 20))
    assert noisy.snr_db == pytest.approx(below_db, abs=2.5)
    assert noisy.tonality == pytest.approx(0.56, abs=0.03)


def test_chords_are_no_noise(speech, random):
    t = np.arange(len(speech)) / RATE
    chord = sum(np.sin(2 * np.pi * f * k * t) / k for f in (220.0, 277.2, 329.6) for k in range(1, 9))
    level = heard(speech).level_db
    played = chord / np.sqrt(np.mean(chord**2)) * 10 ** ((level - 15) / 20)
    assert heard(speech + played).tonality < 0.4


@pytest.mark.parametrize("flat", [np.ones(8), np.linspace(1, 3, 8)])
def test_flatness_of_noise_of_any_colour(random, flat):
    colour = np.repeat(flat, 100)
    power = colour * random.exponential(size=(50, 800))
    assert quality.flatness(power).mean() == pytest.approx(np.exp(-np.euler_gamma), abs=0.02)
    power[:, 400] *= 1e5
    assert quality.flatness(power).mean() < 0.1


def test_clipping_is_noticed_on_either_side_and_after_resampling(speech):
    level = np.abs(speech).max()
    assert not quality.is_clipped(speech)
    for cut in (
        np.clip(speech, -0.3 * level, 0.3 * level),
        np.clip(speech, -1, 0.3 * level),
        np.clip(speech, -0.3 * level, 1),
    ):
        assert quality.is_clipped(cut)
    assert not quality.is_clipped(np.zeros(100))
    assert heard(speech, np.clip(speech, -0.3 * level, 0.3 * level)).clipped_share == 0.5


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_bandwidth_is_that_of_the_sound_not_of_the_file(speech, random, rate):
    noisy = speech + random.normal(size=len(speech)) * 1e-3
    narrow = resample(noisy.astype(np.float32), RATE, rate)
    wanted_hz = min(rate, RATE) / 2
    assert heard(narrow, rate=rate).bandwidth_hz == pytest.approx(wanted_hz, rel=0.07)
    again = resample(narrow, rate, 48000)
    assert heard(again, rate=48000).bandwidth_hz == pytest.approx(wanted_hz, rel=0.07)


def test_a_steep_end_is_told_from_the_end_of_the_rate(speech, random):
    noisy = speech + random.normal(size=len(speech)) * 3e-3
    assert np.isnan(heard(noisy).edge_hz)
    cut = scipy.signal.sosfiltfilt(scipy.signal.ellip(12, 0.1, 60, 7000, fs=RATE, output="sos"), noisy)
    assert heard(cut).edge_hz == pytest.approx(7000, abs=300)


def test_an_echo_is_heard(speech, random):
    n = int(1.6 * RATE)
    room = random.normal(size=n) * 10 ** (-3 * np.arange(n) / RATE / 1.2) * 0.05
    room[0] = 1
    dry, wet = heard(speech).echo_s, heard(scipy.signal.fftconvolve(speech, room)).echo_s
    assert wet > 2 * dry
    assert wet > 0.6


def test_memory_does_not_grow_with_the_length_of_a_part(speech):
    listener = QualityMeter()
    listener.hear(np.tile(speech, 20).astype(np.float32), RATE)
    assert listener._bands_db[RATE].n_rows <= quality.MAX_FRAMES
    assert sum(map(len, listener._flatness)) <= quality.MAX_FRAMES


def test_nor_with_the_number_of_parts(speech, monkeypatch):
    once = heard(speech)
    monkeypatch.setattr(quality, "MAX_NUMBERS", 30_000)
    listener = QualityMeter()
    for _ in range(20):
        listener.hear(speech.astype(np.float32), RATE)
        assert sum(map(np.size, listener._bands_db[RATE]._rows)) <= 60_000
    found, rows = listener.found(), listener._bands_db[RATE].draw()
    assert rows.size <= 30_000 < listener._bands_db[RATE].n_rows * rows.shape[1]
    assert found.bandwidth_hz == pytest.approx(once.bandwidth_hz, rel=0.02)
    assert found == heard(*[speech] * 20)
