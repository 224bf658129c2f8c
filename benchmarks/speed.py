"""Speed and memory as a user meets them: whole commands in fresh processes, and the stages of a conversion.

    python benchmarks/speed.py DATA WORK [train] [stages] [cold] [memory] [help]

DATA has manifest.tsv, target/ and songs/; WORK/voices holds the voices of `quality.py train`. Without further words all
parts are run, which takes about an hour: `train` needs 10 to 20 minutes, `memory` converts an hour of speech. Prints
one JSON object a part.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import quality
import soundfile

import voiceswap
from voiceswap.jobs.stream import Shaping, array_source, converted, survey
from voiceswap.model.base import VOCODERS
from voiceswap.signal import audio

TRAINED = ("en_kathleen", "nl_flemishguy")
VOICE = "en_kathleen"
RATE_HZ = 44_100
MEGABYTE = 1 << 20


def command(*arguments, **environment):
    """Run voiceswap in a process of its own: seconds taken and its peak memory in MiB."""
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "voiceswap", *map(str, arguments)],
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    errors = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"voiceswap {' '.join(map(str, arguments))} failed:\n{errors}")
    return time.monotonic() - began, usage.ru_maxrss / 1024


def speech(data, seconds):
    """So much speech at 44.1 kHz: held-out sentences of all targets one after the other, as often as needed."""
    parts, total = [], 0
    rows = [r for target in quality.TARGETS for r in quality.split(data, target)[1][:20]]
    while total < seconds * RATE_HZ:
        for row in rows:
            parts.append(audio.resample(*soundfile.read(data / row["path"], dtype="float32"), RATE_HZ))
            total += len(parts[-1])
    return np.concatenate(parts)[: round(seconds * RATE_HZ)]


def part_train(data, work, folder):
    """Two voices of 5 minutes each, from nothing: process start, reading, features, training."""
    folders = [work / "recordings" / name for name in TRAINED]
    taken_s, peak = command("train", *folders, "--voices", folder / "v", VOICESWAP_CACHE=str(folder / "cache"))
    return {"minutes": round(taken_s / 60, 2), "peak_mib": round(peak)}


def part_stages(data, work, folder):
    """Each stage of a warm conversion, in times real time."""
    voice = voiceswap.load(VOICE, voices=work / "voices")
    samples = speech(data, 60.0)
    source = array_source(samples[:, None], RATE_HZ)
    spent = dict.fromkeys(("encoder", "decoder", "vocoder", "fast vocoder"), 0.0)

    def timed(name, function):
        def wrapped(*arguments):
            began = time.monotonic()
            result = function(*arguments)
            spent[name] += time.monotonic() - began
            return result

        return wrapped

    networks = voice.networks
    for vocoder in VOCODERS:
        list(converted(source, survey(source, voice.config), networks, Shaping(vocoder=vocoder)))
    names = {"best": "vocoder", "fast": "fast vocoder"}
    timed_vocoders = {v: timed(names[v], networks.vocoder_of(v).__call__) for v in VOCODERS}
    watched = replace(networks, decode=timed("decoder", networks.decode), vocoder_of=timed_vocoders.__getitem__)
    networks.encoder.window = timed("encoder", networks.encoder.window)
    began = time.monotonic()
    found = survey(source, voice.config)
    spent["survey"] = time.monotonic() - began
    for vocoder in reversed(VOCODERS):
        spent["encoder"] = spent["decoder"] = 0.0
        began = time.monotonic()
        list(converted(source, found, watched, Shaping(vocoder=vocoder)))
        spent[f"whole, {vocoder}"] = spent["survey"] + time.monotonic() - began
    spent["all but the vocoder"] = spent["whole, best"] - spent["vocoder"]
    return {name: round(60.0 / seconds, 2) for name, seconds in spent.items() if seconds}


def part_cold(data, work, folder):
    """A clip of 10 s in a process that has just begun."""
    soundfile.write(folder / "clip.wav", speech(data, 10.0), RATE_HZ)
    taken_s, peak = command("convert", folder / "clip.wav", "--as", VOICE, "--voices", work / "voices")
    return {"seconds": round(taken_s, 1), "peak_mib": round(peak)}


def part_memory(data, work, folder):
    """Peak memory of an hour against that of a minute, and the hour's speed."""
    peaks, seconds = {}, {}
    minute = speech(data, 60.0)
    for minutes in (1, 60):
        path = folder / f"{minutes}.flac"
        with soundfile.SoundFile(path, "w", RATE_HZ, 1) as file:
            for _ in range(minutes):
                file.write(minute)
        seconds[minutes], peaks[minutes] = command("convert", path, "--as", VOICE, "--voices", work / "voices")
        made = soundfile.info(folder / f"{minutes}.{VOICE}.flac")
        if made.frames != minutes * len(minute):
            sys.exit(f"{minutes} minutes gave {made.frames} samples, wanted {minutes * len(minute)}")
    return {
        "peak_mib": {str(k): round(v) for k, v in peaks.items()},
        "growth_mib": round(peaks[60] - peaks[1]),
        "times_real_time_of_the_hour": round(3600 / seconds[60], 2),
    }


def part_help(data, work, folder):
    """`--help`, the best of five, and what it must not import; `import voiceswap` alone."""
    best_s = min(command("--help")[0] for _ in range(5))
    listing = (
        "import sys, voiceswap.shell.cli; print([m for m in ('tensorflow', 'keras', 'librosa') if m in sys.modules])"
    )
    heavy = subprocess.check_output([sys.executable, "-c", listing], text=True).strip()
    timing = "import time; t = time.perf_counter(); import voiceswap; print(time.perf_counter() - t)"
    import_s = min(float(subprocess.check_output([sys.executable, "-c", timing])) for _ in range(5))
    return {"help_s": round(best_s, 2), "heavy_imports": heavy, "import_s": round(import_s, 3)}


PARTS = {"train": part_train, "stages": part_stages, "cold": part_cold, "memory": part_memory, "help": part_help}


if __name__ == "__main__":
    if len(sys.argv) < 3 or set(sys.argv[3:]) - set(PARTS):
        sys.exit(__doc__)
    for name in sys.argv[3:] or PARTS:
        with tempfile.TemporaryDirectory() as scratch:
            result = PARTS[name](Path(sys.argv[1]), Path(sys.argv[2]), Path(scratch))
        print(json.dumps({name: result}), flush=True)
