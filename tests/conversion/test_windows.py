"""Windows: every sample once, rates that meet, content that fades."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import TINY
from voiceswap.config import Config
from voiceswap.conversion import windows
from voiceswap.conversion.windows import crossfade_content, cut_windows, fill_window


@settings(max_examples=60)
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
    found = list(cut_windows(blocks, core, before, after))
    assert all(len(w.samples) == before + core + after for w in found)
    cores = [w.samples[before : before + w.n_core] for w in found]
    np.testing.assert_array_equal(np.concatenate([np.zeros(0, np.float32), *cores]), samples)
    padded = np.concatenate([np.zeros(before), samples, np.zeros(core + after + before)])
    for i, window in enumerate(found):
        np.testing.assert_array_equal(window.samples, padded[i * core : i * core + before + core + after])


@pytest.mark.parametrize("config", [TINY, Config()])
def test_content_and_frames_meet_at_each_core(config):
    grid = windows.Grid.of(config)
    f = config.features
    assert grid.core_vectors / f.content_per_s == pytest.approx(grid.core_frames / f.frames_per_s, abs=1e-9)
    assert grid.before_vectors + grid.core_vectors + grid.after_vectors == config.encoder.window_vectors


def test_content_fades_from_window_to_window():
    grid = windows.Grid.of(TINY)
    n = TINY.encoder.window_vectors
    first, second = np.zeros((n, 2), np.float32), np.ones((n, 2), np.float32)
    faded = crossfade_content(first, second, grid)[:, 0]
    assert not faded[: grid.before_vectors].any()
    assert np.all(np.diff(faded) >= 0) and np.diff(faded).max() < 0.03
    assert np.all(faded[grid.before_vectors + grid.after_vectors :] == 1)


@pytest.mark.parametrize("is_first", [True, False])
def test_what_ends_in_a_window_is_repeated_after_a_second(is_first):
    grid, f = windows.Grid.of(Config()), Config().features
    vector, rate = 2 * f.content_hop_samples, f.content_rate_hz
    before, core = grid.before_vectors * vector, grid.core_vectors * vector
    samples = np.zeros(Config().encoder.window_vectors * vector, np.float32)
    n, start = 5 * rate, before if is_first else 0
    samples[start : before + n] = np.arange(1, before + n - start + 1)
    filled = fill_window(windows.Window(samples, n), grid, f, is_first=is_first)
    end = before + n
    np.testing.assert_array_equal(filled[: end + rate], samples[: end + rate])
    once = samples[start:end]
    np.testing.assert_array_equal(filled[end + rate : end + rate + len(once)], once)
    assert len(filled) == len(samples) and not filled[end + rate + len(once) :][:rate].any() and filled[-rate:].any()
    full = np.pad(samples[:end], (0, len(samples) - end), constant_values=1)
    assert fill_window(windows.Window(full, core), grid, f, is_first=is_first) is full
