"""How well, how fast and in how much memory the separator finds the singing (docs/lab/separation.md).

    python -m benchmarks.songs.separation DATA [score] [speed] [memory]

DATA has songs/dev/evfree_*/vocals.opus and accompaniment.opus, whose sum is the mix. `memory` separates an hour of
music, which takes minutes. Prints one JSON object a part.
"""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import soundfile

from voiceswap.audio.resample import resample
from voiceswap.model import separator
from voiceswap.signal import loudness

RATE_HZ = separator.SAMPLE_RATE_HZ
BLOCK_SAMPLES = 65_536
SPEED_S = 60
CORES = (2, 1)
MEMORY_MINUTES = (1, 60)


def stems(song):
    """(n_samples, 2) of the vocals and of the accompaniment."""
    pair = []
    for name in ("vocals", "accompaniment"):
        samples, rate_hz = soundfile.read(song / f"{name}.opus", dtype="float32", always_2d=True)
        pair.append(np.stack([resample(c, rate_hz, RATE_HZ) for c in samples.T], axis=1))
    return pair


def blocks(mix, n_samples=None):
    """Blocks of the mix, repeated until there are so many samples."""
    for first in range(0, n_samples or len(mix), BLOCK_SAMPLES):
        yield mix[np.arange(first, min(first + BLOCK_SAMPLES, n_samples or len(mix))) % len(mix)]


def level_db(mix):
    """How loud it is on the whole."""
    return loudness.active_level_db(loudness.frame_levels_db(mix.reshape(-1), 2 * RATE_HZ))


def si_sdr_db(estimate, truth):
    """Scale-invariant signal-to-distortion ratio of both channels together, their means removed."""
    e, t = ((x - x.mean(axis=0)).ravel().astype(np.float64) for x in (estimate, truth))
    target = t * (e @ t) / (t @ t)
    return float(10 * np.log10((target @ target) / np.square(e - target).sum()))


def part_score(songs):
    found = separator.load_separator()
    scores = {}
    for song in songs:
        vocals, accompaniment = stems(song)
        mix = vocals + accompaniment
        estimate = np.concatenate(list(found.separate_vocals(blocks(mix), level_db(mix))))
        before, after = si_sdr_db(mix, vocals), si_sdr_db(estimate, vocals)
        rest_before, rest_after = si_sdr_db(mix, accompaniment), si_sdr_db(mix - estimate, accompaniment)
        scores[song.name] = {
            "vocals": after,
            "mix": before,
            "improvement": after - before,
            "accompaniment_improvement": rest_after - rest_before,
        }
    scores["mean"] = {k: float(np.mean([s[k] for s in scores.values()])) for k in next(iter(scores.values()))}
    return scores


def separate_on(song, n_cores):
    """Speed on the first so many of our cores, in times real time."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:n_cores])
    mix = sum(stems(song))[: SPEED_S * RATE_HZ]
    found = separator.load_separator()
    for _ in found.separate_vocals(blocks(mix[:RATE_HZ]), level_db(mix)):
        pass
    walls, works = [], []
    for _ in range(3):
        began, worked = time.monotonic(), time.process_time()
        for _ in found.separate_vocals(blocks(mix), level_db(mix)):
            pass
        walls.append(time.monotonic() - began)
        works.append(time.process_time() - worked)
    # By processor time: as if nothing else ran and the cores shared the work evenly.
    return {"by_clock": SPEED_S / min(walls), "by_processor_time": SPEED_S / min(works) * n_cores}


def separate_minutes(song, minutes):
    """Peak memory in MiB with so much music."""
    mix = sum(stems(song))
    for _ in separator.load_separator().separate_vocals(blocks(mix, minutes * 60 * RATE_HZ), level_db(mix)):
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# What runs in a process of its own.
WORKERS = {"cores": separate_on, "minutes": separate_minutes}


def in_own_process(worker, song, number):
    command = [sys.executable, __file__, f"--{worker}", str(song), str(number)]
    # TensorFlow reads these when it is imported; later is too late.
    threads = {"TF_NUM_INTRAOP_THREADS": str(number), "TF_NUM_INTEROP_THREADS": "1"} if worker == "cores" else {}
    environment = os.environ | threads
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, env=environment).stdout)


def part_speed(songs):
    return {f"{n}_cores": in_own_process("cores", songs[0], n) for n in CORES}


def part_memory(songs):
    peaks = [in_own_process("minutes", songs[0], minutes) for minutes in MEMORY_MINUTES]
    return {f"{m}_min_peak_mib": peak for m, peak in zip(MEMORY_MINUTES, peaks, strict=True)} | {
        "growth_mib": peaks[1] - peaks[0]
    }


PARTS = {"score": part_score, "speed": part_speed, "memory": part_memory}


if __name__ == "__main__":
    if len(sys.argv) == 4 and (worker := sys.argv[1].removeprefix("--")) in WORKERS:
        print(json.dumps(WORKERS[worker](Path(sys.argv[2]), int(sys.argv[3]))))
        sys.exit()
    if len(sys.argv) < 2 or set(sys.argv[2:]) - PARTS.keys():
        sys.exit(__doc__)
    folders = sorted((Path(sys.argv[1]) / "songs" / "dev").glob("evfree_*"))
    for part in sys.argv[2:] or PARTS:
        print(json.dumps({part: PARTS[part](folders)}), flush=True)
