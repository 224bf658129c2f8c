"""Sources are read from their beginning as often as asked; blocks come in other sizes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import save
from voiceswap.audio.read import AudioInfo
from voiceswap.audio.source import BlockReader, array_source, file_source, record_passing
from voiceswap.errors import UsageError

SAMPLES = np.random.default_rng(0).uniform(-0.9, 0.9, (5000, 2)).astype(np.float32)


def test_a_source_is_read_from_its_beginning_as_often_as_asked(tmp_path):
    path = save(tmp_path / "a.wav", SAMPLES, 16_000, "FLOAT")
    for source in (array_source(SAMPLES, 16_000, 777), file_source(path)):
        assert (source.sample_rate_hz, source.n_channels) == (16_000, 2)
        for _ in range(2):
            np.testing.assert_array_equal(np.concatenate(list(source.open())), SAMPLES)
    assert (array_source(SAMPLES, 16_000).label, file_source(path).label) == ("the samples", str(path))
    with pytest.raises(UsageError, match="no such file"):
        file_source(tmp_path / "none.wav")


def test_what_passes_by_is_there_again_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    blocks = iter(np.array_split(SAMPLES, 7))
    with record_passing(blocks, AudioInfo(16_000, 2, "WAV", "PCM_16")) as (passing, again):
        np.testing.assert_array_equal(np.concatenate(list(passing)), SAMPLES)
        np.testing.assert_array_equal(np.concatenate(list(again().open())), SAMPLES)
    assert list(tmp_path.iterdir()) == []


@given(sizes=st.lists(st.integers(0, 50), max_size=12), asked=st.lists(st.integers(0, 80), max_size=12))
def test_as_many_samples_come_as_asked_whatever_the_blocks_and_zeros_after_them(sizes, asked):
    for n_channels in (None, 2):
        samples = SAMPLES[: sum(sizes)] if n_channels else SAMPLES[: sum(sizes), 0]
        reader = BlockReader(iter(np.split(samples, np.cumsum(sizes)[:-1])) if sizes else iter(()), n_channels)
        taken = [reader.take(n) for n in asked]
        assert [len(each) for each in taken] == asked
        joined = np.concatenate([*taken, samples[:0]])
        np.testing.assert_array_equal(joined[: len(samples)], samples[: len(joined)])
        assert not joined[len(samples) :].any()
