"""How a mel goes through a vocoder in blocks: what is not wanted is left out, what is wanted is cut evenly."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from voiceswap.arrays import Array
from voiceswap.signal.features import find_runs

# Blocks of one piece are equally long, so that the last one is not mostly padding; lengths are multiples of a step, so
# that few of them differ.
BLOCK_STEP = 32


def find_pieces(wanted: Array, gap: int) -> list[tuple[int, int]]:
    """Ranges [start, stop) that hold all of `wanted`, (n,) bool, and no more than `gap` others in a row."""
    pieces: list[tuple[int, int]] = []
    for start, stop in find_runs(wanted):
        if pieces and start - pieces[-1][1] <= gap:
            start = pieces.pop()[0]
        pieces.append((start, stop))
    return pieces


def render_blocks(
    wanted: Array,
    context_frames: int,
    about_frames: int,
    hop_samples: int,
    render: Callable[[int, int], Array],
    stopped: Callable[[], bool] | None = None,
) -> Array:
    """Samples of all blocks.

    Args:
        wanted: Shape (n_frames,), bool.
        context_frames: How many frames to either side a block's samples hang on.
        about_frames: How long a block is, about.
        hop_samples: Samples a frame.
        render: Makes the samples of so many frames from a frame on, at least.
        stopped: Asked before each block; True leaves zeros from there on.

    Returns:
        Shape (n_frames * hop_samples,), float32; zeros where longer pieces are not wanted.
    """
    samples = np.zeros(len(wanted) * hop_samples, np.float32)
    for first, stop, block_frames in cut_blocks(wanted, 2 * context_frames, about_frames):
        if stopped is not None and stopped():
            break
        samples[first * hop_samples : stop * hop_samples] = render(first, block_frames)[: (stop - first) * hop_samples]
    return samples


def cut_blocks(wanted: Array, gap: int, about_frames: int) -> Iterator[tuple[int, int, int]]:
    """Cut what is wanted into blocks.

        wanted    ....#########..##########################.........####...
        pieces        |------------------------------------|        |--|
        blocks        |-----------------|-----------------~|        |--~~~|     ~ padding, less than a step a block

    Args:
        wanted: Shape (n_frames,), bool.
        gap: So many unwanted frames in a row are made all the same.
        about_frames: How long a block is, about.

    Yields:
        The first frame of a block, the end of what is wanted of it, and how many frames it has with its padding, which
        may reach beyond the end by less than a step.
    """
    for start, stop in find_pieces(wanted, gap):
        n_blocks = max(1, round((stop - start) / about_frames))
        block_frames = -(-(stop - start) // (n_blocks * BLOCK_STEP)) * BLOCK_STEP
        for first in range(start, stop, block_frames):
            yield first, min(first + block_frames, stop), block_frames


def count_padding(n_frames: int, about_frames: int) -> int:
    """How far beyond a mel's end its blocks reach at most, in frames."""
    return (n_frames // about_frames + 1) * BLOCK_STEP


def want_all(n_frames: int, wanted: Array | None) -> Array:
    """Which frames are wanted, (n_frames,) bool: all if nobody says."""
    return np.ones(n_frames, bool) if wanted is None else wanted
