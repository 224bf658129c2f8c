"""Mels against librosa, F0 against a known glide, content against its own time line."""

import os
import subprocess
import sys

import librosa
import numpy as np
import pytest

from voiceswap.config import FeatureConfig
from voiceswap.signal import features
from voiceswap.signal.f0 import (
    F0_METHODS,
    F0Range,
    estimate_f0,
    find_transposition,
    interpolate_at,
    interpolate_f0,
    is_singing,
    transpose_f0,
)
from voiceswap.signal.features import mel_filters

CONFIG = FeatureConfig()


def test_decoder_mel_equals_librosas(glide):
    samples, _ = glide
    padded = np.pad(samples, 384, mode="reflect")
    power = np.abs(librosa.stft(padded, n_fft=1024, hop_length=256, center=False)) ** 2
    bands = librosa.filters.mel(sr=22050, n_fft=1024, n_mels=80, fmin=0, fmax=8000)
    wanted = np.log(np.maximum(bands @ np.sqrt(power + 1e-9), 1e-5)).T
    found = features.decoder_mel(samples, CONFIG)
    assert found.shape == (len(samples) // 256, 80)
    np.testing.assert_allclose(found, wanted[: len(found)], atol=2e-3)


def test_encoder_mel_equals_whispers(glide):
    samples = librosa.resample(glide[0], orig_sr=22050, target_sr=16000)
    power = np.abs(librosa.stft(samples, n_fft=400, hop_length=160, pad_mode="reflect"))[:, :-1] ** 2
    wanted = np.log10(np.maximum(librosa.filters.mel(sr=16000, n_fft=400, n_mels=80) @ power, 1e-10)).T
    found = features.encoder_mel(samples, CONFIG)
    np.testing.assert_allclose(found, wanted[: len(found)], atol=2e-3)
    scaled = features.normalise_encoder_mel(found)
    assert scaled.max() - scaled.min() <= 2.0 + 1e-6


@pytest.mark.parametrize("n_samples", [0, 1, 255, 256, 400])
def test_next_to_nothing_has_as_many_frames_as_it_holds(n_samples):
    samples = np.zeros(n_samples, np.float32)
    assert features.decoder_mel(samples, CONFIG).shape == (n_samples // 256, 80)
    assert features.encoder_mel(samples, CONFIG).shape == (n_samples // 160, 80)


@pytest.mark.parametrize("method", F0_METHODS)
def test_f0_follows_a_known_glide(glide, method):
    samples, truth = glide
    found = estimate_f0(samples, CONFIG, method)
    at_frames = truth[128 + 256 * np.arange(len(found))]
    voiced = found > 0
    assert voiced.mean() > 0.9
    cents = 1200 * np.log2(found[voiced] / at_frames[voiced])
    assert np.median(np.abs(cents)) < 10


def test_f0_of_next_to_nothing_is_unvoiced():
    for n in (0, 1, 255, 256, 1000):
        assert not estimate_f0(np.zeros(n, np.float32), CONFIG).any()


def test_r39_the_tracker_tells_nobody_and_leaves_nothing(tmp_path):
    """onnxruntime would queue what it tells below the home folder; connections of native code are not seen here."""
    code = "import numpy; from voiceswap.config import FeatureConfig; from voiceswap.signal.f0 import estimate_f0\n"
    code += "estimate_f0(numpy.zeros(22050, numpy.float32), FeatureConfig())"
    env = {key: value for key, value in os.environ.items() if key not in ("CI", "ORT_DISABLE_TELEMETRY")}
    env |= dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME"), str(tmp_path))
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, env=env)
    assert os.listdir(tmp_path) == []


def test_quiet_recordings_keep_their_melody(glide):
    samples, _ = glide
    loud, quiet = estimate_f0(samples, CONFIG), estimate_f0(samples * np.float32(0.003), CONFIG)
    np.testing.assert_allclose(quiet, loud, rtol=5e-3)


def test_a_melody_is_carried_on_through_gaps():
    f0 = np.array([0, 100, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1600, 0], np.float32)
    carried = interpolate_f0(f0, frames_per_s=15.0)
    wanted = [100, 100, 100, 100, 100, 200, 400, 800, 1600, 1600, 1600, 1600, 1600]
    np.testing.assert_allclose(carried, wanted, rtol=1e-5, err_msg="each end is held for three frames of 1/15 s")
    short = interpolate_f0(np.array([100, 0, 0, 400], np.float32), frames_per_s=15.0)
    np.testing.assert_allclose(short, [100, 100, 400, 400], rtol=1e-5)
    np.testing.assert_array_equal(interpolate_f0(np.zeros(5, np.float32), 15.0), np.zeros(5))


def test_no_notes_are_made_up_between_notes_and_beside_pauses():
    times_s = np.arange(12) * 0.016
    f0 = np.array([200, 200, 200, 400, 400, 0, 0, 300, 310, 320, 0, 0], float)
    wanted_s = np.linspace(-0.01, 0.2, 500)
    found = interpolate_at(wanted_s, times_s, f0)
    apart = wanted_s < 0.09
    assert set(np.unique(found[apart])) == {0, 200, 400}, "a leap has nothing in between, a pause no way across"
    assert found[apart].max() == 400 and not found[(wanted_s > 0.074) & apart].any()
    sliding = (wanted_s > 0.112) & (wanted_s < 0.144)
    line = np.exp(np.interp(wanted_s[sliding], times_s[7:10], np.log(f0[7:10])))
    np.testing.assert_allclose(found[sliding], line, rtol=1e-6)
    assert not found[wanted_s > 0.153].any()


@pytest.mark.parametrize(
    ("note_s", "bend", "sung"), [(0.5, 0.0, True), (0.5, 0.4, True), (0.5, 3.0, False), (0.2, 0.0, False)]
)
def test_singing_is_told_by_its_held_notes(note_s, bend, sung):
    rate = CONFIG.frames_per_s
    within = np.arange(round(note_s * rate)) / rate
    note = 220 * 2 ** (bend * np.sin(2 * np.pi * 5.5 * within) / 12)
    melody = np.concatenate([np.append(note * 2 ** (step / 12), [0.0]) for step in (0, 4, 7, 5, 2)])
    assert is_singing(melody.astype(np.float32), rate) is sung
    # Among speech that glides all the time.
    glides = np.tile(np.geomspace(180, 260, round(0.4 * rate)), 8)
    assert is_singing(np.concatenate([melody, glides]).astype(np.float32), rate) is sung


def test_nothing_voiced_is_not_sung():
    assert not is_singing(np.zeros(100, np.float32), CONFIG.frames_per_s)
    assert not is_singing(np.zeros(0, np.float32), CONFIG.frames_per_s)


def test_transposition_brings_middle_onto_middle():
    source, voice = F0Range(80, 110, 160), F0Range(150, 220, 300)
    assert find_transposition(source, voice) == 12.0
    assert find_transposition(None, voice) == 0.0
    assert find_transposition(source, voice, sung=True) == round(4 * np.log2(150 / 80 * 2 * 300 / 160), 2)
    moved = transpose_f0(np.array([0.0, 110.0], np.float32), 12.0, CONFIG)
    np.testing.assert_allclose(moved, [0.0, 220.0])


def test_content_stands_at_its_time():
    content = np.arange(100, dtype=np.float32)[:, None]
    frames = features.content_at_frames(content, 10, 50, CONFIG)[:, 0]
    seconds = (np.arange(10, 60) + 0.5) * 256 / 22050
    np.testing.assert_allclose(frames, seconds * 50, rtol=1e-5)
    shifted = features.content_at_frames(content[5:], 10, 50, CONFIG, first_vector=5)[:, 0]
    np.testing.assert_allclose(shifted, frames, rtol=1e-5)


@pytest.mark.parametrize("f0", [95.0, 203.0, 440.0, 950.0])
def test_the_comb_is_the_mel_of_a_pulse_train(f0):
    config = FeatureConfig()
    pulses = np.zeros(22050)
    times = np.arange(0, 22050 - 1, 22050 / f0)
    # A pulse between two samples, band-limited enough below 8 kHz by splitting it.
    np.add.at(pulses, times.astype(int), 1 - times % 1)
    np.add.at(pulses, times.astype(int) + 1, times % 1)
    mel = features.decoder_mel((pulses - pulses.mean()).astype(np.float32), config)[20:60].mean(axis=0)
    bands = mel_filters(config.mel_rate_hz, config.n_fft, config.n_mels, config.mel_max_hz)
    mel = np.maximum(mel - np.log(bands.sum(axis=1)), mel.max() - 40)
    comb = features.harmonic_comb(np.array([f0, 0.0]), config)
    assert not comb[1].any()
    heard = comb[0] > -2
    difference = (mel - comb[0])[heard]
    assert np.abs(difference - np.median(difference)).max() < 0.5
    assert np.corrcoef(mel[heard], comb[0][heard])[0, 1] > 0.9


def test_the_decoder_hears_the_loudness_of_a_phrase_and_not_of_each_sound():
    mel = np.full((400, CONFIG.n_mels), -4.0, np.float32)
    mel[200:] += 2.0
    with_stop = mel.copy()
    with_stop[100:104] -= 5.0
    nothing = np.zeros(400)
    plain, stopped = (features.conditions(m, nothing, nothing > 0, CONFIG)[:, 2] for m in (mel, with_stop))
    assert plain[300] - plain[60] == pytest.approx(2.0 / features.ENERGY_SCALE, abs=1e-3)
    assert np.abs(stopped - plain).max() < 0.1 * 5.0 / features.ENERGY_SCALE
    far = np.abs(np.arange(400) - 101.5) > features.ENERGY_REACH_FRAMES + 2
    np.testing.assert_array_equal(stopped[far], plain[far])
