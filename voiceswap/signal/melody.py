"""Whose melody it is: F0 counts where it is as loud as speech, and not where a hum or a held tone goes on beneath it.

level     |####  ## ###.............#### ##|   # speech, . hum in a pause
F0        |2232  24 21 50 50 50 50 50 2221 23|
counts    |****  ** **              **** **|
"""

from __future__ import annotations

import numpy as np
import scipy.signal
from scipy.ndimage import maximum_filter1d, minimum_filter1d

from voiceswap.arrays import Array, db_to_power
from voiceswap.signal.loudness import LEVEL_FRAME_S, frame_levels_db

# Above this a hiss may be as loud as a vowel, and a hum beneath it would pass for its melody.
HIGHEST_HZ = 1000.0
# What is softer than this against the loud voiced sounds is not who speaks.
SOFTER_DB = 15.0
LEAST_PICKED_S = 0.3
# A voice that holds a note wavers by more within so long; mains hum, an organ and a telephone do not.
STEADY_S = 0.5
STEADY_SEMITONES = 0.12
MAX_STEADY_SHARE = 0.6
# What stays the same for so long where it is soft, and for so long in all, is a drone; its harmonics are, too.
DRONE_S = 0.25
LEAST_DRONE_S = 0.3
DRONE_SEMITONES = 0.4
GLIMPSE_S = 0.05
MAX_DRONES = 4
MAX_HARMONIC = 5


def melody_levels_db(samples: Array, sample_rate_hz: int) -> Array:
    """Level of each 20 ms of (n,) below 1 kHz, where the melody of a voice lies, in dBFS."""
    sections = scipy.signal.butter(4, HIGHEST_HZ, "lowpass", fs=sample_rate_hz, output="sos")
    return frame_levels_db(scipy.signal.sosfiltfilt(sections, samples, padlen=0), sample_rate_hz)


def pick_melody(f0_hz: Array, levels_db: Array, frames_per_s: float) -> Array:
    """F0 where it is that of whoever is speaking or singing.

    Args:
        f0_hz: Shape (n_frames,), 0.0 = unvoiced.
        levels_db: Level of each 20 ms of the same sound, dBFS.
        frames_per_s: The rate of `f0_hz`.

    Returns:
        Shape (n_frames,), float32: 0.0 where it is unvoiced, too soft, or a tone that never wavers.
    """
    voiced = f0_hz > 0
    if not voiced.any() or not len(levels_db):
        return np.zeros_like(f0_hz)
    at = np.minimum((np.arange(len(f0_hz)) + 0.5) / frames_per_s / LEVEL_FRAME_S, len(levels_db) - 1).astype(int)
    levels_db = levels_db[at]
    loud = voiced & (levels_db > _find_loud_db(levels_db[voiced]) - SOFTER_DB)
    tones = np.where(voiced, 12 * np.log2(np.maximum(f0_hz, 1.0)), np.inf)
    drones = _find_drones(tones, voiced & ~loud, frames_per_s)
    picked = loud & ~drones
    steady = _find_steady(tones, STEADY_S, frames_per_s)
    # Of what is steady throughout, as a singing machine is, nothing is left out.
    if (picked & steady).sum() <= MAX_STEADY_SHARE * picked.sum():
        picked &= ~steady
    if picked.sum() < LEAST_PICKED_S * frames_per_s:
        # A moment louder than all else, a shout or a laugh, is no measure of it.
        picked = voiced & ~drones
    return np.where(picked, f0_hz, 0.0).astype(np.float32)


def _find_loud_db(levels_db: Array) -> float:
    """The level below which half of the energy lies: that of the speech, be the rest of it ever so long."""
    ordered = np.sort(levels_db)
    energy = np.cumsum(db_to_power(ordered))
    return float(ordered[np.searchsorted(energy, energy[-1] / 2)])


def _find_drones(tones: Array, soft: Array, frames_per_s: float) -> Array:
    """Where a tone is heard that goes on in the pauses: (n_frames,) bool; trackers fall for it amid speech, too."""
    found = np.zeros(len(tones), bool)
    waiting = soft & _find_steady(tones, DRONE_S, frames_per_s)
    sliding = ~_find_steady(tones, GLIMPSE_S, frames_per_s)
    for _ in range(MAX_DRONES):
        if waiting.sum() < LEAST_DRONE_S * frames_per_s:
            break
        heard = tones[waiting]
        counts, edges = np.histogram(heard, bins=np.arange(heard.min() - 0.1, heard.max() + 0.3, 0.2))
        middle = edges[np.argmax(counts)] + 0.1
        drone = float(np.median(heard[np.abs(heard - middle) <= 0.2]))
        found |= np.abs(tones - drone) <= DRONE_SEMITONES
        for harmonic in range(2, MAX_HARMONIC + 1):
            found |= (np.abs(tones - drone - 12 * np.log2(harmonic)) <= DRONE_SEMITONES / 2) & ~sliding
        waiting &= np.abs(tones - drone) > DRONE_SEMITONES
    return found


def _find_steady(tones: Array, at_least_s: float, frames_per_s: float) -> Array:
    """Where a tone (n_frames,) in semitones stays the same for longer than a voice can: (n_frames,) bool."""
    size = 2 * round(at_least_s * frames_per_s / 2) + 1
    with np.errstate(invalid="ignore"):
        spread = maximum_filter1d(tones, size, mode="constant", cval=np.inf) - minimum_filter1d(tones, size)
    return np.asarray(maximum_filter1d(spread <= STEADY_SEMITONES, size))
