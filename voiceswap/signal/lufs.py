"""How loud a whole recording is to a listener (ITU-R BS.1770-4), and how loud a part of it must be to keep that."""

from __future__ import annotations

import numpy as np
import scipy.signal

from voiceswap.arrays import Array, db_to_gain, power_to_db

# Blocks of 400 ms, a step apart; those below -70 LUFS, or 10 below the mean of the others, do not count.
#
#     steps    |0|1|2|3|4|5|      of 100 ms
#     block 0  |-------|
#     block 1    |-------|
STEP_S = 0.1
BLOCK_STEPS = 4
ABSOLUTE_GATE_LUFS = -70.0
RELATIVE_GATE_LU = -10.0
OFFSET_DB = -0.691
# The standard's two filters, as analogue prototypes, so that they fit any rate: a shelf for the head, then a high-pass.
SHELF_HZ = 1681.974450955533
SHELF_Q = 0.7071752369554196
SHELF_DB = 3.999843853973347
SHELF_BAND = 0.4996667741545416
HIGH_PASS_HZ = 38.13547087602444
HIGH_PASS_Q = 0.5003270373238773
GAINS_DB = np.arange(-60, 61) / 10.0


def k_weighting(sample_rate_hz: int) -> Array:
    """The K weighting as two second-order sections, (2, 6)."""
    k = np.tan(np.pi * SHELF_HZ / sample_rate_hz)
    high = db_to_gain(SHELF_DB)
    band = 10 ** (SHELF_DB / 20 * SHELF_BAND)
    b = [high + band * k / SHELF_Q + k * k, 2 * (k * k - high), high - band * k / SHELF_Q + k * k]
    a = [1 + k / SHELF_Q + k * k, 2 * (k * k - 1), 1 - k / SHELF_Q + k * k]
    shelf = np.array([*b, *a]) / a[0]
    k = np.tan(np.pi * HIGH_PASS_HZ / sample_rate_hz)
    a = [1 + k / HIGH_PASS_Q + k * k, 2 * (k * k - 1), 1 - k / HIGH_PASS_Q + k * k]
    return np.stack([shelf, np.array([1.0, -2.0, 1.0, 1.0, a[1] / a[0], a[2] / a[0]])])


def integrated_loudness(power: Array) -> float:
    """Loudness in LUFS of a recording whose weighted power in each step is (n_steps,); -inf if nothing counts."""
    if len(power) < BLOCK_STEPS:
        return -np.inf
    blocks = np.convolve(power, np.full(BLOCK_STEPS, 1 / BLOCK_STEPS), "valid")
    loud = blocks[_to_lufs(blocks) > ABSOLUTE_GATE_LUFS]
    if len(loud):
        loud = loud[_to_lufs(loud) > _to_lufs(loud.mean()) + RELATIVE_GATE_LU]
    return float(_to_lufs(loud.mean())) if len(loud) else -np.inf


def _to_lufs(power: Array) -> Array:
    return np.asarray(OFFSET_DB + power_to_db(power, 1e-15))


class Balance:
    """Finds the gain of a part with which a mix is as loud as another; keeps 320 bytes a second.

    All channels count alike.

    Args:
        sample_rate_hz: The rate of all.
        n_channels: Their channels.
    """

    def __init__(self, sample_rate_hz: int, n_channels: int) -> None:
        self._size = round(STEP_S * sample_rate_hz)
        self._sections = k_weighting(sample_rate_hz)
        self._states = np.zeros((3, len(self._sections), 2, n_channels))
        self._rest = np.zeros((3, 0, n_channels))
        self._sums: list[Array] = []

    def push(self, part: Array, rest: Array, target: Array) -> None:
        """Listen to (n, n_channels) of the part, of what it is mixed with, and of what shall be equalled."""
        both = np.stack([part, rest, target])
        weighted = np.empty(both.shape)
        for i, samples in enumerate(both):
            weighted[i], self._states[i] = scipy.signal.sosfilt(self._sections, samples, axis=0, zi=self._states[i])
        joined = np.concatenate([self._rest, weighted], axis=1)
        n_steps = joined.shape[1] // self._size
        whole, self._rest = np.split(joined, [n_steps * self._size], axis=1)
        p, r, w = whole.reshape(3, n_steps, self._size * whole.shape[2])
        products = ((p, p), (p, r), (r, r), (w, w))
        self._sums.append(np.stack([np.einsum("ij,ij->i", a, b) for a, b in products]) / self._size)

    def gain_db(self) -> float:
        """The gain of the part, within 6 dB and to a tenth; 0 where there is too little to go by."""
        own, cross, rest, target = np.concatenate([np.zeros((4, 0)), *self._sums], axis=1)
        target_lufs = integrated_loudness(target)
        if not np.isfinite(target_lufs):
            return 0.0
        gains = db_to_gain(GAINS_DB)
        mix_lufs = np.array([integrated_loudness(g * g * own + 2 * g * cross + rest) for g in gains])
        # Of equally good gains that which changes least.
        return float(GAINS_DB[np.lexsort((np.abs(GAINS_DB), np.round(np.abs(mix_lufs - target_lufs), 2)))[0]])
