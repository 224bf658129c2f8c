"""Several channels mixed to one, so that they do not cancel each other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from voiceswap.arrays import Array


def find_channel_signs(blocks: Iterator[Array], n_channels: int) -> Array:
    """With which signs the channels are to be mixed, so that they do not cancel each other.

    Args:
        blocks: A recording, blocks (n, n_channels) float32.
        n_channels: Its channels; nothing is read of a single one.

    Returns:
        Shape (n_channels,), float32: ones, but for a recording whose plain mix is next to silence: there -1 for
        channels that oppose the loudest one.
    """
    signs = np.ones(n_channels, np.float32)
    if n_channels == 1:
        return signs
    products, sums, n_samples = np.zeros((n_channels, n_channels)), np.zeros(n_channels), 0
    for block in blocks:
        products += (block.T @ block).astype(float)
        sums += block.sum(axis=0, dtype=float)
        n_samples += len(block)
    # An offset is no sound that others could cancel.
    products -= np.outer(sums, sums) / max(1, n_samples)
    # Channels that have nothing in common would sum to their whole power; a tenth of it tells of cancelling.
    if products.sum() < 0.1 * np.trace(products):
        signs[products[np.argmax(np.diag(products))] < 0] = -1
    return signs


def mix_to_mono(block: Array, signs: Array) -> Array:
    """The mean of the channels of (n, n_channels), each with its sign: (n,) float32."""
    return block[:, 0] if block.shape[1] == 1 else np.asarray((block * signs).mean(axis=1, dtype=np.float32))
