"""Windows, seams, exactness of length, silence."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import TINY
from voiceswap.config import Config
from voiceswap.jobs import stream


@settings(deadline=None, max_examples=60)
@given(
    n=st.integers(0, 300),
    core=st.integers(1, 60),
    before=st.integers(0, 20),
    after=st.integers(0, 20),
    size=st.integers(1, 90),
)
def test_windows_cover_every_sample_once(n, core, before, after, size):
    samples = np.arange(1, n + 1, dtype=np.float32)
    blocks = (samples[i : i + size] for i in range(0, n, size))
    found = list(stream.windows(blocks, core, before, after))
    assert all(len(w.samples) == before + core + after for w in found)
    cores = [w.samples[before : before + w.n_core] for w in found]
    np.testing.assert_array_equal(np.concatenate([np.zeros(0, np.float32), *cores]), samples)
    padded = np.concatenate([np.zeros(before), samples, np.zeros(core + after + before)])
    for i, window in enumerate(found):
        np.testing.assert_array_equal(window.samples, padded[i * core : i * core + before + core + after])


@pytest.mark.parametrize("config", [TINY, Config()])
def test_content_and_frames_meet_at_each_core(config):
    grid = stream.Grid.of(config)
    f = config.features
    assert grid.core_vectors / f.content_per_s == pytest.approx(grid.core_frames / f.frames_per_s, abs=1e-9)
    assert grid.before_vectors + grid.core_vectors + grid.after_vectors == config.encoder.window_vectors


def test_content_fades_from_window_to_window():
    grid = stream.Grid.of(TINY)
    n = TINY.encoder.window_vectors
    first, second = np.zeros((n, 2), np.float32), np.ones((n, 2), np.float32)
    faded = stream.faded(first, second, grid)[:, 0]
    assert not faded[: grid.before_vectors].any()
    assert np.all(np.diff(faded) >= 0) and np.diff(faded).max() < 0.03
    assert np.all(faded[grid.before_vectors + grid.after_vectors :] == 1)


def test_peaks_are_bent_and_the_rest_is_left_alone():
    samples = np.linspace(-3, 3, 1001).astype(np.float32)
    bent = stream.bent(samples)
    assert np.abs(bent).max() < 1 and np.all(np.diff(bent) >= 0)
    inside = np.abs(samples) <= stream.KNEE
    np.testing.assert_array_equal(bent[inside], samples[inside])
