"""Samples at another rate."""

import numpy as np

from voiceswap.audio.resample import Resampler, resample


def test_blocks_do_not_change_what_is_resampled():
    samples = np.random.default_rng(0).normal(0, 0.1, 50_000).astype(np.float32)
    whole = resample(samples, 44100, 22050)
    stream = Resampler(44100, 22050)
    parts = [stream.push(samples[i : i + 777]) for i in range(0, len(samples), 777)]
    np.testing.assert_allclose(np.concatenate([*parts, stream.finish()]), whole, atol=1e-6)
    assert abs(len(whole) - 25_000) <= 1
