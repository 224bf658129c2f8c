"""The watermark is found, where it is and what it says, and nothing else is taken for one."""

import io

import numpy as np
import pytest
import soundfile
from scipy.stats import kstest

from voiceswap.audio.resample import resample
from voiceswap.provenance import detector, watermark
from voiceswap.provenance.detector import detect_watermark
from voiceswap.provenance.watermark import Watermarker
from voiceswap.signal.synthetic import ANNA, BORIS, CLARA, song, speech

RATE = 16000


TAG = 51966


def marked(samples, rate=RATE, tag=TAG, block=None):
    """Samples (n,) or (n, n_channels), marked in blocks."""
    samples = samples[:, None] if samples.ndim == 1 else samples
    marker = Watermarker(rate, samples.shape[1], tag)
    block = block or max(1, len(samples))
    parts = [marker.push(samples[i : i + block]) for i in range(0, len(samples), block)]
    out = np.concatenate([*parts, marker.finish()])
    assert len(out) == len(samples) and out.dtype == np.float32
    return out


def found(samples, rate=RATE, block=50_000, **options):
    samples = samples[:, None] if samples.ndim == 1 else samples
    return detect_watermark((samples[i : i + block] for i in range(0, len(samples), block)), rate, **options)


@pytest.fixture(scope="module")
def talk():
    return speech(ANNA, 6.0, sample_rate_hz=RATE, seed=3).samples


@pytest.fixture(scope="module")
def marked_talk(talk):
    return marked(talk)


@pytest.fixture(scope="module")
def folded(talk):
    """Evidence of unmarked speech, as the detector sums it up."""
    roots = watermark.amplitudes(talk[:, None])
    return watermark.fold(watermark.evidence(roots, 1.0, 8000.0), 0.0, watermark.STEP_S, 1.0, detector.FINE_STEPS)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 48000])
def test_found_at_every_rate(rate):
    result = found(marked(speech(BORIS, 5.0, sample_rate_hz=rate, seed=8).samples, rate), rate)
    assert result.decision == "yes" and result.p_value < 1e-12
    assert (result.tag, result.version, result.speed, result.pitch) == (TAG, watermark.VERSION, 1.0, 1.0)


def test_found_in_song_and_noise():
    sung = song(CLARA, sample_rate_hz=RATE).samples
    noise = (0.1 * np.random.default_rng(1).standard_normal(5 * RATE)).astype(np.float32)
    for x in (sung, noise):
        assert found(marked(x)).decision == "yes"


def test_three_seconds_are_enough(marked_talk):
    assert found(marked_talk[: 3 * RATE]).decision == "yes"


def coded(x, container, subtype, level):
    memory = io.BytesIO()
    with soundfile.SoundFile(memory, "w", RATE, 1, format=container, subtype=subtype, compression_level=level) as file:
        for i in range(0, len(x), 8192):
            file.write(x[i : i + 8192])
    memory.seek(0)
    return soundfile.read(memory, dtype="float32")[0]


ATTACKS = {
    "head cut off": lambda x, rng: x[len(x) // 2 + 77 :],
    "half as loud": lambda x, rng: x / 2,
    "noise": lambda x, rng: x + 0.1 * np.sqrt(np.mean(x**2)) * rng.standard_normal(len(x)).astype(np.float32),
    "8 bit": lambda x, rng: np.round(x * 128).astype(np.float32) / 128,
    "8 kHz": lambda x, rng: resample(resample(x, RATE, 8000), 8000, RATE),
    "mp3": lambda x, rng: coded(x, "MP3", "MPEG_LAYER_III", 0.7),
    "opus": lambda x, rng: coded(x, "OGG", "OPUS", 0.9),
    "other speech": lambda x, rng: x + speech(BORIS, 6.0, sample_rate_hz=RATE, seed=5).samples,
    "2 % faster": lambda x, rng: resample(x, 102, 100),
    "2 % slower": lambda x, rng: resample(x, 98, 100),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_survives(attack, marked_talk):
    assert found(ATTACKS[attack](marked_talk[:, 0], np.random.default_rng(2))).decision == "yes"


def test_channels_bear_the_same_mark(talk):
    y = marked(np.stack([talk, -0.5 * talk], axis=1))
    np.testing.assert_allclose(y[:, 1], -0.5 * y[:, 0], atol=1e-6)
    assert found(y).tag == TAG  # though their mix would be next to nothing


def test_finds_where(talk):
    other = speech(BORIS, 10.0, sample_rate_hz=RATE, seed=9).samples
    x = np.concatenate([other, marked(np.tile(talk, 2))[: 10 * RATE, 0], other])
    result = found(x)
    assert result.decision == "yes" and result.tag == TAG
    assert len(result.spans_s) == 1, result
    (start_s, stop_s) = result.spans_s[0]
    assert start_s == pytest.approx(10, abs=2.1) and stop_s == pytest.approx(20, abs=2.1)


def test_marks_one_after_another_are_both_found(talk):
    result = found(np.concatenate([marked(talk, tag=3), marked(talk[: 5 * RATE + 321], tag=3)])[:, 0])
    assert result.tag == 3 and result.spans_s[0][0] == 0 and result.spans_s[-1][1] > 10


@pytest.mark.parametrize("blocks", [1, 4096, 10**6])
def test_detection_does_not_depend_on_blocks(marked_talk, blocks):
    few = marked_talk[: 2 * RATE] if blocks == 1 else marked_talk
    few = few[:300] if blocks == 1 else few
    a, b = found(few, block=blocks), found(few)
    assert a.decision == b.decision and a.spans_s == b.spans_s
    assert a.p_value == pytest.approx(b.p_value, rel=1e-3, abs=1e-30)


def test_unmarked_sound_is_not_accused(talk):
    rng = np.random.default_rng(4)
    quiet = np.zeros(5 * RATE, np.float32)
    tone = (0.3 * np.sin(2 * np.pi * 440 * np.arange(5 * RATE) / RATE)).astype(np.float32)
    clicks = quiet.copy()
    clicks[:: round(0.48 * RATE)] = 0.9  # eight to a period of the pattern
    noise = (0.1 * rng.standard_normal(5 * RATE)).astype(np.float32)
    for x in (talk, song(CLARA, sample_rate_hz=RATE).samples, tone, clicks, noise, quiet, quiet[:1], quiet[:0]):
        result = found(x)
        assert result.decision == "no", result
        assert result.p_value > detector.UNCERTAIN_P and result.tag is None and not result.spans_s


def test_a_mark_under_another_key_is_none(marked_talk):
    assert found(marked_talk, key=b"another").decision == "no"


def test_p_values_are_uniform_without_a_mark(folded):
    """Under 400 keys that marked nothing, one sound gives p-values as they ought to be."""
    sigmas = [watermark.correlation(folded, watermark._draw_signs(b"wrong %d" % i)) for i in range(400)]
    p = [detector.chance(float(detector.expected_peaks(s).min())) for s in sigmas]
    assert kstest(p, "uniform").statistic < 0.11
    assert np.std(sigmas) == pytest.approx(1, abs=0.03)


def test_what_a_band_has_on_average_is_no_evidence(folded):
    """The signs of a band do not sum to 0: a constant in it must not move the answer for every start alike."""
    tilted = folded + np.linspace(-1, 1, folded.shape[1]) * np.abs(folded).max()
    assert watermark.correlation(tilted, watermark.sync_signs()) == pytest.approx(
        watermark.correlation(folded, watermark.sync_signs())
    )


def test_steps_around_the_circle_are_peaks_of_noise():
    """White noise has no memory: every step is a new chance."""
    sigmas = np.random.default_rng(5).standard_normal((500, 384))
    p = [detector.chance(float(detector.expected_peaks(s).min())) for s in sigmas]
    assert np.mean(np.array(p) < 0.1) == pytest.approx(0.1, abs=0.04)
