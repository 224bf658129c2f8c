"""The mark: it changes little, nothing breaks it that should not, and sound without it is not accused."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voiceswap.errors import UsageError
from voiceswap.provenance import watermark
from voiceswap.provenance.detector import detect_watermark
from voiceswap.provenance.watermark import Watermarker
from voiceswap.signal.synthetic import ANNA, speech

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


@settings(max_examples=25)
@given(
    st.integers(0, 30_000),
    st.sampled_from([8000, 11025, 16000, 22050, 44100, 48000, 192000, 12347]),
    st.integers(1, 3),
    st.floats(1e-4, 1.0),
    st.integers(0, 1000),
)
def test_length_peak_and_silence_stay(n, rate, n_channels, level, seed):
    rng = np.random.default_rng(seed)
    x = (level * np.clip(rng.standard_normal((n, n_channels)), -1, 1)).astype(np.float32)
    x[n // 3 : n // 2] = 0
    y = marked(x, rate)
    assert np.isfinite(y).all()
    assert not y[x == 0].any()
    assert (np.abs(y) <= np.maximum(np.abs(x), watermark.CEILING)).all()
    assert np.sum(np.square(y - x)) <= 0.02 * np.sum(np.square(x)) + 1e-12


@pytest.mark.parametrize("block", [1000, 7777, 65_536])
def test_blocks_do_not_matter(talk, block):
    x = np.tile(talk, 2)[: 9 * RATE]
    np.testing.assert_allclose(marked(x, block=block), marked(x), atol=1e-6)


@pytest.mark.parametrize("block", [1000, 65_536])
def test_the_mark_lies_only_where_it_is_wanted(talk, marked_talk, block):
    x, where = talk[:, None], np.zeros(len(talk), bool)
    where[2 * RATE : 5 * RATE] = True
    marker = Watermarker(RATE, 1, TAG)
    parts = [marker.push(x[i : i + block], where[i : i + block]) for i in range(0, len(x), block)]
    y = np.concatenate([*parts, marker.finish()])
    frame = round(0.04 * RATE)
    np.testing.assert_array_equal(y[: 2 * RATE - frame], x[: 2 * RATE - frame])
    np.testing.assert_array_equal(y[5 * RATE + frame :], x[5 * RATE + frame :])
    np.testing.assert_allclose(y[2 * RATE : 5 * RATE], marked_talk[2 * RATE : 5 * RATE], atol=1e-6)
    assert marker.marked_s == pytest.approx(3.0, abs=0.05) and found(y).decision == "yes"


def test_samples_beyond_full_scale_stay_what_they_were():
    x = (3 * np.random.default_rng(0).standard_normal(RATE)).astype(np.float32)
    y = marked(x)[:, 0]
    assert (np.abs(y) <= np.maximum(np.abs(x), watermark.CEILING)).all()


def test_the_change_is_small(talk, marked_talk):
    n = 30 * RATE // 1000
    x, y = (v[: len(talk) // n * n].reshape(-1, n) for v in (talk, marked_talk[:, 0]))
    signal, error = np.square(x).sum(axis=1), np.square(y - x).sum(axis=1)
    loud = signal > 1e-4 * signal.max()
    assert np.mean(10 * np.log10(signal[loud] / error[loud])) > 25


def test_the_pattern_never_changes():
    """Files marked by this version must be found by all later ones."""
    signs = np.concatenate([watermark.sync_signs()[None], [watermark.code(0), watermark.code(1023)]]).astype(np.int8)
    assert signs.shape == (3, 96, 38)
    assert hashlib.sha256(signs.tobytes()).hexdigest()[:16] == "7e2b6e337940ee7b"


def test_too_little_to_mark(talk):
    for x, bears in ((talk, True), (talk[: RATE // 2], False), (np.zeros(5 * RATE, np.float32), False)):
        marker = Watermarker(RATE, 1, TAG)
        marker.push(x[:, None])
        marker.finish()
        assert marker.bears_mark is bears


@pytest.mark.parametrize("tag", [-1, 65536])
def test_tags_out_of_range_are_refused(tag):
    with pytest.raises(UsageError, match="wanted 0 to 65535"):
        Watermarker(RATE, 1, tag)
