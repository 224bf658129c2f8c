"""Blocks: what is wanted is covered evenly, what is not is left out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceswap.model.vocoders.blocks import BLOCK_STEP, count_padding, cut_blocks, find_pieces, want_all

flags = st.lists(st.booleans(), max_size=60)


@given(wanted=flags, gap=st.integers(0, 8))
def test_pieces_hold_what_is_wanted_and_leave_out_the_gaps(wanted, gap):
    wanted = np.array(wanted, bool)
    covered = np.zeros(len(wanted), bool)
    for start, stop in find_pieces(wanted, gap):
        assert start < stop and not covered[max(0, start - gap) : stop].any()
        assert wanted[start] and wanted[stop - 1]
        covered[start:stop] = True
    assert covered[wanted].all()
    inside = "".join("x" if w else "." for w, h in zip(wanted, covered, strict=True) if h)
    assert "." * (gap + 1) not in inside


@given(wanted=flags, repeats=st.integers(1, 40), gap=st.integers(0, 100), about=st.sampled_from([64, 128, 512]))
def test_blocks_cover_each_wanted_frame_once(wanted, repeats, gap, about):
    wanted = np.repeat(np.array(wanted, bool), repeats)
    n_times = np.zeros(len(wanted), int)
    for first, stop, block_frames in cut_blocks(wanted, gap, about):
        assert block_frames % BLOCK_STEP == 0 and 0 < stop - first <= block_frames
        assert first + block_frames <= len(wanted) + count_padding(len(wanted), about)
        n_times[first:stop] += 1
    assert (n_times[wanted] == 1).all() and n_times.max(initial=0) <= 1


@pytest.mark.parametrize("n", [1, 31, 310, 383, 384, 1000, 2300])
def test_blocks_of_a_piece_are_equally_long(n):
    lengths = [block_frames for _, _, block_frames in cut_blocks(np.ones(n, bool), 0, 128)]
    assert len(set(lengths)) == 1 and lengths[0] <= 1.5 * 128
    assert n <= sum(lengths) < n + len(lengths) * BLOCK_STEP


def test_all_is_wanted_if_nobody_says():
    assert want_all(3, None).tolist() == [True] * 3
    assert want_all(3, np.array([True, False, True])).tolist() == [True, False, True]
