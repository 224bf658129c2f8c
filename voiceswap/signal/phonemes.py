"""The sounds that synthetic speakers know: formants of vowels, and how consonants are made."""

from __future__ import annotations

import re
from typing import NamedTuple

# F1-F4 of 45 men (Hillenbrand et al., JASA 97, 1995); F5 is that of a tube of 17.5 cm.
VOWELS: dict[str, tuple[float, ...]] = {
    "iy": (342, 2322, 3000, 3657, 4500),
    "ih": (427, 2034, 2684, 3618, 4500),
    "ey": (476, 2089, 2691, 3649, 4500),
    "eh": (580, 1799, 2605, 3677, 4500),
    "ae": (588, 1952, 2601, 3624, 4500),
    "aa": (768, 1333, 2522, 3687, 4500),
    "ao": (652, 997, 2538, 3486, 4500),
    "ow": (497, 910, 2459, 3384, 4500),
    "uh": (469, 1122, 2434, 3400, 4500),
    "uw": (378, 997, 2343, 3357, 4500),
    "ah": (623, 1200, 2550, 3557, 4500),
    "er": (474, 1379, 1710, 3334, 4500),
}


class Consonant(NamedTuple):
    """How a consonant is made; F1-F3 after Klatt (1980), `hiss` against the level of the vowels."""

    kind: str
    formants_hz: tuple[float, float, float]
    hiss_hz: float = 0.0
    hiss_width_hz: float = 0.0
    hiss_db: float = 0.0


CONSONANTS = {
    "p": Consonant("stop", (400, 1100, 2150), 1000, 1800, -14),
    "t": Consonant("stop", (400, 1600, 2600), 4300, 3000, -7),
    "k": Consonant("stop", (300, 1990, 2850), 1900, 800, -7),
    "b": Consonant("voiced stop", (200, 1100, 2150), 900, 1800, -18),
    "d": Consonant("voiced stop", (200, 1600, 2600), 4000, 3000, -14),
    "g": Consonant("voiced stop", (200, 1990, 2850), 1900, 800, -13),
    "f": Consonant("fricative", (340, 1100, 2080), 6500, 6000, -22),
    "th": Consonant("fricative", (320, 1290, 2540), 6000, 5000, -23),
    "s": Consonant("fricative", (320, 1390, 2530), 6300, 2000, -13),
    "sh": Consonant("fricative", (300, 1840, 2750), 3100, 1200, -10),
    "v": Consonant("voiced fricative", (220, 1100, 2080), 6500, 6000, -28),
    "z": Consonant("voiced fricative", (240, 1390, 2530), 6300, 2000, -17),
    "ch": Consonant("affricate", (350, 1800, 2820), 3300, 1400, -9),
    "jh": Consonant("voiced affricate", (260, 1800, 2820), 3100, 1400, -14),
    "m": Consonant("nasal", (300, 1270, 2130)),
    "n": Consonant("nasal", (300, 1340, 2470)),
    "l": Consonant("liquid", (310, 1050, 2880)),
    "r": Consonant("liquid", (310, 1060, 1380)),
    "w": Consonant("liquid", (290, 610, 2150)),
    "y": Consonant("liquid", (260, 2070, 3020)),
    "h": Consonant("breath", (500, 1500, 2500)),
}
# What a consonant does in turn: (duration in s, voice, breath, nasal, whether it hisses).
STEPS: dict[str, tuple[tuple[float, float, float, float, int], ...]] = {
    "stop": ((0.07, 0, 0, 0, 0), (0.015, 0, 0, 0, 1), (0.035, 0, 0.7, 0, 0)),
    "voiced stop": ((0.06, 0.2, 0, 0, 0), (0.01, 0.3, 0, 0, 1)),
    "fricative": ((0.11, 0, 0, 0, 1),),
    "voiced fricative": ((0.075, 0.35, 0, 0, 1),),
    "affricate": ((0.05, 0, 0, 0, 0), (0.075, 0, 0, 0, 1)),
    "voiced affricate": ((0.045, 0.2, 0, 0, 0), (0.05, 0.25, 0, 0, 1)),
    "nasal": ((0.075, 0.6, 0, 1, 0),),
    "liquid": ((0.07, 0.65, 0, 0, 0),),
    "breath": ((0.065, 0, 1, 0, 0),),
}
CODAS = ("n", "m", "l", "r", "s", "t", "k", "d")
SHORT_VOWELS = {"a": "aa", "e": "ey", "i": "iy", "o": "ow", "u": "uw"}
SOUNDS = re.compile("|".join(sorted([*VOWELS, *CONSONANTS, *SHORT_VOWELS], key=len, reverse=True)))
