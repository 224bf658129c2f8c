"""Mels against librosa's and Whisper's, and what the decoder gets beside the content."""

import librosa
import numpy as np
import pytest

from voiceswap.config import FeatureConfig
from voiceswap.signal import features
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
