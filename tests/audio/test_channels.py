"""Channels mixed so that they do not cancel."""

import numpy as np
import pytest

from voiceswap.audio.channels import find_channel_signs, mix_to_mono


@pytest.mark.parametrize(
    ("sides", "signs"),
    [
        ([1.0, 1.0], [1, 1]),
        ([1.0, -0.98], [1, -1]),
        ([0.5, -0.6], [-1, 1]),
        ([1.0, 0.0], [1, 1]),
        ([1.0, -0.2], [1, 1]),
    ],
)
@pytest.mark.parametrize("offsets", [(0.0, 0.0), (0.6, 0.5), (0.6, -0.5)])
def test_channels_that_cancel_are_turned_round(sides, signs, offsets):
    noise = np.random.default_rng(0).normal(0, 0.1, (30_000, 1)).astype(np.float32)
    blocks = np.split(noise * np.float32(sides) + np.float32(offsets), 3)
    np.testing.assert_array_equal(find_channel_signs(iter(blocks), 2), signs)
    assert mix_to_mono(blocks[0], np.float32(signs)).any()


def test_channels_with_nothing_in_common_are_not_turned():
    noise = np.random.default_rng(0).normal(0, 0.1, (30_000, 8)).astype(np.float32)
    assert find_channel_signs(iter([noise]), 8).min() == 1
