"""Speed and memory as a user meets them: whole commands in fresh processes, and the stages of a conversion.

    python -m benchmarks.speed.speed DATA WORK [train] [stages] [cold] [memory] [help]

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
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import soundfile

import voiceswap
from benchmarks.quality import quality
from voiceswap.audio.resample import resample
from voiceswap.audio.source import array_source
from voiceswap.conversion.analysis import analyse
from voiceswap.conversion.engine import Settings
from voiceswap.conversion.stream import convert_stream
from voiceswap.model.base import VOCODERS

TRAINED = ("en_kathleen", "nl_flemishguy")
VOICE = "en_kathleen"
RATE_HZ = 44_100
SPEECH_S = 60.0
# Linux counts the memory of whom a process was started by as its own: a small one starts what is measured.
LAUNCHER = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)
"""


def command(*arguments, **environment):
    """Run voiceswap in a process of its own: seconds taken and its peak memory in MiB."""
    began = time.monotonic()
    run = [sys.executable, "-c", LAUNCHER, sys.executable, "-m", "voiceswap", *map(str, arguments)]
    done = subprocess.run(run, env=os.environ | environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"voiceswap {' '.join(map(str, arguments))} failed:\n{done.stderr}")
    return time.monotonic() - began, int(done.stdout) / 1024


def speech(data, seconds):
    """So much speech at 44.1 kHz: held-out sentences of all targets one after the other, as often as needed."""
    parts, total = [], 0
    rows = [r for target in quality.TARGETS for r in quality.split(data, target)[1][:20]]
    while total < seconds * RATE_HZ:
        for row in rows:
            parts.append(resample(*soundfile.read(data / row["path"], dtype="float32"), RATE_HZ))
            total += len(parts[-1])
    return np.concatenate(parts)[: round(seconds * RATE_HZ)]


def part_train(data, work, folder):
    """Two voices of 5 minutes each, from nothing: process start, reading, features, training."""
    folders = [work / "recordings" / name for name in TRAINED]
    taken_s, peak = command("train", *folders, "--voices", folder / "v", VOICESWAP_CACHE=str(folder / "cache"))
    return {"minutes": round(taken_s / 60, 2), "peak_mib": round(peak)}


def part_stages(data, work, folder):
    """Whole warm conversions, the best of three, and each stage alone on what it was given there; times real time."""
    voice = voiceswap.load(VOICE, voices=work / "voices")
    source = array_source(speech(data, SPEECH_S)[:, None], RATE_HZ)
    engine, hop = voice.engine, voice.config.features.hop_samples
    given = {name: [] for name in ("encoder", "decoder", *VOCODERS)}

    def kept(name, function):
        # Not whether to stop: afterwards that says yes.
        return lambda *inputs: given[name].append(inputs[:2]) or function(*inputs)

    stages = {"encoder": engine.encoder.encode_window, "decoder": engine.speaker.decode}
    stages |= {vocoder: engine.get_vocoder(vocoder) for vocoder in VOCODERS}
    watched = replace(
        engine,
        encoder=SimpleNamespace(encode_window=kept("encoder", stages["encoder"])),
        speaker=SimpleNamespace(decode=kept("decoder", stages["decoder"])),
        get_vocoder=lambda name: kept(name, stages[name]),
    )
    mute = replace(engine, get_vocoder=lambda _: lambda mel, *_: np.zeros(len(mel) * hop, np.float32))

    def whole(of, vocoder):
        return list(convert_stream(source, analyse(source, voice.config), of, Settings(vocoder=vocoder)))

    # Of the second vocoder encoder and decoder hear the same again.
    for vocoder in VOCODERS:
        given["encoder"], given["decoder"] = [], []
        whole(watched, vocoder)
    works = {name: partial(_all, stages[name], inputs) for name, inputs in given.items()}
    works["survey"] = partial(analyse, source, voice.config)
    works["all but the vocoder"] = partial(whole, mute, "fast")
    works |= {f"whole, {vocoder}": partial(whole, engine, vocoder) for vocoder in VOCODERS}
    return {name: round(SPEECH_S / min(_seconds(work) for _ in range(3)), 2) for name, work in works.items()}


def _all(function, inputs):
    for each in inputs:
        function(*each)


def _seconds(work):
    began = time.monotonic()
    work()
    return time.monotonic() - began


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
