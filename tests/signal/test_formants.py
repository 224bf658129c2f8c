"""Formants move, harmonics stay."""

import numpy as np
import pytest

from voiceswap.config import FeatureConfig
from voiceswap.signal.features import mel_filters
from voiceswap.signal.formants import shift_formants

CONFIG = FeatureConfig()
BANDS = mel_filters(CONFIG.mel_rate_hz, CONFIG.n_fft, CONFIG.n_mels, CONFIG.mel_max_hz)
CENTRES_HZ = BANDS @ np.arange(BANDS.shape[1]) / BANDS.sum(axis=1) * CONFIG.mel_rate_hz / CONFIG.n_fft


def one_formant(at_hz):
    """An envelope with a single broad peak, as a log-mel of three frames."""
    return np.tile(-5 + 4 * np.exp(-0.5 * (np.log2(CENTRES_HZ / at_hz) / 0.35) ** 2), (3, 1)).astype(np.float32)


@pytest.mark.parametrize("semitones", [-4.0, 3.0, 5.0])
def test_a_formant_moves_by_so_many_semitones(semitones):
    mel = one_formant(1500.0)
    moved = shift_formants(mel, semitones, CONFIG)
    wanted = one_formant(1500.0 * 2 ** (semitones / 12))
    heard = CENTRES_HZ > 300
    assert np.abs(moved - wanted)[:, heard].max() < 0.35
    assert np.abs(mel - wanted)[:, heard].max() > 1.0


def test_harmonics_stay_where_they_are():
    ripple = np.cos(np.pi * np.arange(80) * 0.8)
    mel = one_formant(1500.0)
    with_ripple = shift_formants(mel + 0.5 * ripple.astype(np.float32), 4.0, CONFIG)
    difference = with_ripple - shift_formants(mel, 4.0, CONFIG)
    assert np.corrcoef(difference[0], ripple)[0, 1] > 0.97


def test_nothing_to_move():
    mel = one_formant(700.0)
    assert shift_formants(mel, 0.0, CONFIG) is mel
