"""What is known of a source before it is converted."""

import numpy as np
import pytest

from conftest import TINY
from voiceswap.audio.source import Source, array_source
from voiceswap.conversion import analysis
from voiceswap.conversion.analysis import Analysis, analyse, find_melody_doubts
from voiceswap.errors import AudioError
from voiceswap.signal import synthetic
from voiceswap.signal.f0 import measure_f0_range

RATE_HZ = 22_050


def test_f0_and_level_are_those_of_the_source(glide):
    samples, truth_hz = glide
    found = analyse(array_source(samples[:, None], RATE_HZ), TINY)
    assert found.n_samples == len(samples) and found.signs.tolist() == [1]
    centres = ((np.arange(len(found.f0_hz)) + 0.5) * TINY.features.hop_samples).astype(int)
    voiced = found.f0_hz > 0
    assert voiced.mean() > 0.9
    cents = 1200 * np.log2(found.f0_hz[voiced] / truth_hz[np.minimum(centres, len(truth_hz) - 1)][voiced])
    assert np.median(np.abs(cents)) < 10
    assert found.level_db == pytest.approx(20 * np.log10(np.sqrt(np.mean(samples**2))), abs=0.5)
    assert found.f0_range.low_hz < found.f0_range.mid_hz < found.f0_range.high_hz
    assert found.sounding_s == pytest.approx(len(samples) / RATE_HZ, abs=0.1)


def test_windows_leave_no_seam_in_f0(monkeypatch):
    spoken = synthetic.speech(synthetic.ANNA, 12.0, seed=1).samples[:, None].astype(np.float32)
    whole = analyse(array_source(spoken, RATE_HZ), TINY).f0_hz
    monkeypatch.setattr(analysis, "WINDOW_S", 4.0)
    cut = analyse(array_source(spoken, RATE_HZ), TINY).f0_hz
    assert len(cut) == len(whole)
    both = (cut > 0) & (whole > 0)
    assert np.mean((cut > 0) != (whole > 0)) < 0.02 and np.mean(np.abs(np.log2(cut[both] / whole[both])) < 0.01) > 0.98


def test_silence_has_no_range():
    found = analyse(array_source(np.zeros((RATE_HZ, 2), np.float32), RATE_HZ), TINY)
    assert found.f0_range is None and found.level_db <= analysis.SILENT_DB and found.sounding_s == 0


def test_channels_that_oppose_each_other_are_turned(glide):
    samples, _ = glide
    found = analyse(array_source(np.stack([samples, -samples], axis=1), RATE_HZ), TINY)
    assert sorted(found.signs.tolist()) == [-1, 1] and found.f0_range is not None


def test_a_length_is_counted_not_believed(glide):
    samples, _ = glide

    def blocks():
        yield samples[:100, None]
        yield samples[100:5000, None]

    assert analyse(Source(blocks, RATE_HZ, 1, "the samples"), TINY).n_samples == 5000


@pytest.mark.parametrize("n", [0, 1, round(analysis.MIN_DURATION_S * RATE_HZ) - 1])
def test_what_is_too_short_is_refused(n):
    with pytest.raises(AudioError, match=r"the samples is \d+ ms long, wanted at least 50 ms"):
        analyse(array_source(np.full((n, 1), 0.1, np.float32), RATE_HZ), TINY)


def with_melody(voiced_hz, n_counted, n=400):
    f0_hz = np.full(n, voiced_hz, np.float32)
    melody_hz = np.where(np.arange(n) < n_counted, f0_hz, 0)
    return Analysis(n * 256, f0_hz, melody_hz, measure_f0_range(melody_hz), -20.0, np.ones(1), 5.0)


@pytest.mark.parametrize(
    ("voiced_hz", "n_counted", "says"),
    [
        (120.0, 400, []),
        (50.0, 400, ["transposition +11.4: the melody found lies outside what voices have (50 Hz, not 65 to 700 Hz)"]),
        (
            900.0,
            400,
            ["transposition +11.4: the melody found lies outside what voices have (900 Hz, not 65 to 700 Hz)"],
        ),
        (120.0, 200, ["transposition +11.4: 50% of the melody found is too soft or too steady for this voice"]),
        (120.0, 10, []),  # Hardly any voiced sound is told elsewhere.
    ],
)
def test_a_doubt_about_the_melody_is_told(voiced_hz, n_counted, says):
    found = list(find_melody_doubts(with_melody(voiced_hz, n_counted), 11.4, 86.13))
    assert [text[: len(begins)] for text, begins in zip(found, says, strict=True)] == says
    assert all("`pitch_semitones`" in text for text in found)


def test_a_range_out_of_a_moment_is_told():
    (text,) = find_melody_doubts(with_melody(120.0, 60, 60), -2.0, 86.13)
    assert text.startswith("transposition -2.0: found in 0.7 s of voiced sound")
