"""Folders spoilt on purpose: does `voiceswap check` name what is wrong with them?

    python -m benchmarks.recordings.spoilt DATA WORK [people]    # the four targets, or people of the pretraining set

Each person's recordings (five minutes at most) are copied as they are, and six times spoilt: noise 10 dB below the
speech, music 10 dB below it, half of the recordings another person's, telephone (300 to 3,400 Hz at 8 kHz), half of the
recordings clipped (turned up by 18 dB), MP3 at 32 kbit/s and back. Prints what was found, and how many were named.
"""

import sys
from pathlib import Path

import numpy as np
import scipy.signal
import soundfile

from benchmarks.quality import quality
from benchmarks.watermark import mark
from voiceswap.audio.read import read_mono
from voiceswap.audio.resample import resample
from voiceswap.jobs.check import check

SPOILT = ("noise", "music", "speakers", "telephone", "clipping", "mp3")
BELOW_DB, CLIPPED_DB, MP3_KBIT_S = 10.0, 18.0, 32
MAX_S, MUSIC_HZ = 300.0, 24_000


def level_db(samples):
    return 10 * np.log10(np.mean(np.square(samples)) + 1e-12)


def under(samples, other, below_db):
    """`other` under `samples`, so far below it in mean power."""
    return samples + other * 10 ** ((level_db(samples) - below_db - level_db(other)) / 20)


def spoilt(kind, samples, rate, i, other, music, random):
    """One recording, spoilt: its samples and their rate."""
    if kind == "noise":
        return under(samples, random.normal(size=len(samples)), BELOW_DB), rate
    if kind == "music":
        played = resample(music, MUSIC_HZ, rate)
        start = random.integers(len(played) - len(samples))
        return under(samples, played[start : start + len(samples)], BELOW_DB), rate
    if kind == "speakers" and i % 2:
        return other[i % len(other)]
    if kind == "telephone":
        band = scipy.signal.butter(6, (300, 3400), "bandpass", fs=rate, output="sos")
        return resample(scipy.signal.sosfilt(band, samples).astype(np.float32), rate, 8_000), 8_000
    if kind == "clipping" and i % 2:
        return samples * 10 ** (CLIPPED_DB / 20), rate
    if kind == "mp3":
        return mark.mp3(samples, rate, MP3_KBIT_S)[0], rate
    return samples, rate


def recordings(data, person, split):
    found, total_s = [], 0.0
    for row in quality.manifest(data):
        if row["split"] == split and row["speaker"] == person and total_s < MAX_S:
            found.append(soundfile.read(data / row["path"], dtype="float32"))
            total_s += len(found[-1][0]) / found[-1][1]
    return found


def main(data, work, split):
    counted = {}
    for row in quality.manifest(data):
        if row["split"] == split:
            counted[row["speaker"]] = counted.get(row["speaker"], 0.0) + float(row["seconds"])
    people = sorted(name for name, seconds in counted.items() if seconds > 60)
    music = read_mono(data / "songs" / "dev" / "evfree_Lithium" / "accompaniment.opus", MUSIC_HZ)
    rows = []
    for k, person in enumerate(people):
        clips = recordings(data, person, split)
        other = recordings(data, people[k - 1], split)
        for kind in ("clean", *SPOILT):
            folder, random = work / person / kind, np.random.default_rng(k)
            if not folder.exists():
                folder.mkdir(parents=True)
                for i, (samples, rate) in enumerate(clips):
                    made, made_rate = spoilt(kind, samples, rate, i, other, music, random)
                    soundfile.write(folder / f"{i:03d}.wav", np.clip(made, -1, 1), made_rate)
            (found,) = check(folder)
            named = [concern.what for concern in found.concerns]
            rows.append((person, kind, found.verdict, named))
            print(f"| {person} | {kind} | {found.verdict} | {', '.join(named)} |", flush=True)
    right = sum(kind in named for _, kind, _, named in rows if kind in SPOILT)
    refused = sum(verdict == "no-go" for _, kind, verdict, _ in rows if kind == "clean")
    print(f"{right} of {len(people) * len(SPOILT)} named; {refused} of {len(people)} clean folders refused")


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]), "pretrain" if len(sys.argv) == 4 else "target")
