"""Several readers as one, at the rate and with the channels of the first."""

import numpy as np
import pytest

from voiceswap.audio.joined import JoinedReader


class Part:
    """A reader of ones times `value`."""

    format, subtype, tags, tracks, loss = "WAV", "PCM_16", {"title": "x"}, (), ""

    def __init__(self, value, n, rate=8000, n_channels=1, lost=None, fails=False):
        self.sample_rate_hz, self.n_channels = rate, n_channels
        self._samples, self._lost, self._fails = np.full((n, n_channels), value, np.float32), lost, fails
        self.closed = False

    def read(self, n_samples):
        if self._fails and not len(self._samples):
            raise RuntimeError("broken")
        made, self._samples = self._samples[:n_samples], self._samples[n_samples:]
        return made

    def lost_samples(self, n_read):
        return self._lost

    def close(self):
        self.closed = True


def read_all(reader, n=1000):
    parts = []
    while len(part := reader.read(n)):
        assert len(part) <= n
        parts.append(part)
    assert not len(reader.read(n))
    return np.concatenate(parts)


def joined(*parts):
    return JoinedReader([lambda part=part: part for part in parts])


def test_parts_follow_one_another_and_are_closed():
    parts = [Part(0.1, 2500), Part(0.2, 1), Part(0.3, 999)]
    reader = joined(*parts)
    np.testing.assert_array_equal(read_all(reader)[:, 0], np.float32([0.1] * 2500 + [0.2] + [0.3] * 999))
    reader.close()
    assert all(part.closed for part in parts) and reader.lost_samples(3500) is None
    assert (reader.sample_rate_hz, reader.format, reader.tags) == (8000, "WAV", {"title": "x"})


@pytest.mark.parametrize(("rate", "n_channels"), [(16_000, 2), (4_000, 1), (8_000, 2)])
def test_another_rate_and_other_channels_become_those_of_the_first(rate, n_channels):
    reader = joined(Part(0.1, 8000), Part(0.2, rate, rate, n_channels))
    samples = read_all(reader)
    assert samples.shape == (pytest.approx(16_000, abs=4), 1)
    np.testing.assert_allclose(samples[9000:15_000, 0], 0.2, atol=1e-3)


def test_what_is_lost_of_each_is_added_up_in_seconds():
    reader = joined(Part(0.1, 10, lost=800), Part(0.2, 10, 16_000, lost=1600), Part(0.3, 10))
    read_all(reader)
    assert reader.lost_samples(30) == 1600
    for broken in (Part(0.2, 10, fails=True), Part(0.2, 10, lost=0)):
        reader = joined(Part(0.1, 10), broken, Part(0.3, 10))
        assert len(read_all(reader)) == 30 and reader.lost_samples(30) == 0


def test_a_part_that_cannot_be_opened_is_lost_and_the_others_are_read():
    def refuse():
        raise RuntimeError("no sound")

    reader = JoinedReader([lambda: Part(0.1, 10), refuse, lambda: Part(0.3, 10)])
    assert len(read_all(reader)) == 20 and reader.lost_samples(20) == 0
