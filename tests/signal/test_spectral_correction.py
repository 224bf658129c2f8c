"""Samples brought nearer to a mel: exact where nothing lacks, and what was filtered away comes back."""

import numpy as np
import pytest

from voiceswap.config import Config
from voiceswap.signal import features, spectral_correction, synthetic
from voiceswap.signal.spectral_correction import correct_mel

F = Config().features
HOP = F.hop_samples


@pytest.fixture(scope="module")
def spoken():
    samples = synthetic.speech(synthetic.ANNA, 3.0, seed=1).samples.astype(np.float32)
    return samples[: len(samples) // HOP * HOP]


def apart(samples, mel):
    return np.abs(features.decoder_mel(samples, F) - mel).mean()


def test_what_lacks_nothing_stays_as_it_is(spoken):
    mel = features.decoder_mel(spoken, F)
    np.testing.assert_allclose(correct_mel(spoken, mel, F), spoken, atol=1e-6)


def test_what_was_filtered_away_comes_back(spoken):
    mel = features.decoder_mel(spoken, F)
    filtered = np.convolve(spoken, [0.2, 0.6, 0.2], "same").astype(np.float32)
    made = correct_mel(filtered, mel, F)
    assert apart(made, mel) < 0.05 * apart(filtered, mel)
    # Phases stay those of what came in: this filter moves none.
    assert np.corrcoef(made, spoken)[0, 1] > 0.99


def test_a_fading_noise_takes_on_a_spoken_mel(spoken):
    mel = features.decoder_mel(spoken, F)
    noise = np.random.default_rng(0).normal(0, 0.05, len(spoken)).astype(np.float32)
    noise *= np.linspace(1, 0.1, len(noise), dtype=np.float32)
    assert apart(correct_mel(noise, mel, F), mel) < 0.7 * apart(noise, mel)


def test_gains_have_a_bound_and_silence_stays_silent(spoken):
    mel = features.decoder_mel(spoken, F)
    assert not correct_mel(np.zeros_like(spoken), mel, F).any()
    louder = correct_mel(spoken, mel + 10.0, F)
    np.testing.assert_allclose(louder, np.exp(spectral_correction.MAX_CORRECTION) * spoken, rtol=1e-3, atol=1e-4)
    softer = correct_mel(spoken, np.full_like(mel, features.SILENT_MEL), F)
    assert np.abs(softer).max() < 1.1 * np.exp(-spectral_correction.MAX_CORRECTION) * np.abs(spoken).max()


@pytest.mark.parametrize("n_frames", [0, 1, 2, 3, 5])
def test_short_pieces_keep_their_length(n_frames):
    samples = np.random.default_rng(1).normal(0, 0.1, n_frames * HOP).astype(np.float32)
    mel = np.full((n_frames, F.n_mels), -4.0, np.float32)
    made = correct_mel(samples, mel, F)
    assert made.shape == samples.shape and made.dtype == np.float32 and np.isfinite(made).all()
