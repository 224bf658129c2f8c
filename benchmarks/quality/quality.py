"""Voices from 5 minutes of real speech each, real sources that no training heard, and what else could be done.

    python -m benchmarks.quality.quality train DATA WORK      # the voices: once, kept in WORK/voices
    python -m benchmarks.quality.quality convert DATA WORK    # every source as every target, and the baselines
    SCORER_PYTHON benchmarks/quality/score_clips.py EVALKIT WORK    # independent scores and the table

DATA has manifest.tsv, target/, pretrain/ and songs/. Sources are the last ten LibriSpeech speakers by name, kept out of
pretraining, held-out sentences of the other targets, and dry sung vocals. Beside voiceswap stand: WORLD with its F0 and
formants moved, copies of the target's own held-out clips by the vocoder and by WORLD, and those clips themselves.
Writes WORK/clips/SYSTEM/TARGET/*.wav and WORK/pairs.json, which says what each is to be compared with.
"""

import csv
import json
import sys
import time
from pathlib import Path

import numpy as np
import soundfile

import voiceswap
from voiceswap.audio.resample import resample
from voiceswap.config import Config
from voiceswap.events import Progress
from voiceswap.model.base import load_base
from voiceswap.signal import features
from voiceswap.signal.f0 import estimate_f0, find_transposition, measure_f0_range
from voiceswap.signal.world import analyse_world, warp_world
from voiceswap.training.dataset import normalise_level

TARGETS = {"en_kathleen": "en", "nl_flemishguy": "nl", "it_carlo": "it", "nl_nathalie": "nl"}
TRAINING_S = 300.0
N_LIBRI = 10
N_OWN_SENTENCES = 3
# Of the held-out clips: the first are sources, the next are copied, the rest tell what the target sounds like.
N_COPIED, N_REAL = 10, 20
FEATURES = Config().features
# A throat goes with its F0, though less: formants move by the cube root of what F0 moves by.
FORMANT_POWER, FORMANT_RANGE = 1 / 3, (0.8, 1.25)


def manifest(data):
    with (data / "manifest.tsv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def split(data, target):
    """A target's training files (five minutes, drawn once) and the rest."""
    rows = [r for r in manifest(data) if r["split"] == "target" and r["speaker"] == target]
    rows = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))]
    total = np.cumsum([float(r["seconds"]) for r in rows])
    n = int(np.searchsorted(total, TRAINING_S)) + 1
    return rows[:n], rows[n:]


def left_out(data):
    """The last ten LibriSpeech speakers by name: pretraining leaves them out."""
    speakers = {r["speaker"] for r in manifest(data) if r["split"] == "pretrain" and r["speaker"].startswith("libri_")}
    return sorted(speakers)[-N_LIBRI:]


def sources(data, target):
    """Rows of what is converted into a target."""
    by_speaker = {r["speaker"]: r for r in reversed(manifest(data)) if r["split"] == "pretrain"}
    rows = [by_speaker[name] for name in left_out(data)]
    for other in TARGETS:
        if other != target:
            rows += split(data, other)[1][:N_OWN_SENTENCES]
    return rows


def reference(data, target):
    """Held-out recordings that say what a target sounds like."""
    return [str(data / r["path"]) for r in split(data, target)[1][N_OWN_SENTENCES + N_COPIED :][:N_REAL]]


def songs(data):
    """Dry vocals, as rows."""
    return [
        {"path": str(p.relative_to(data)), "speaker": p.parent.name, "lang": "", "text": ""}
        for p in sorted((data / "songs" / "dev").glob("*/vocals.opus"))
    ]


def train(data, work):
    for target in TARGETS:
        folder = work / "recordings" / target
        folder.mkdir(parents=True, exist_ok=True)
        for row in split(data, target)[0]:
            link = folder / Path(row["path"]).name
            if not link.exists():
                link.symlink_to((data / row["path"]).resolve())
        report = lambda event: None if isinstance(event, Progress) else print(event, file=sys.stderr)  # noqa: E731
        print(voiceswap.train(folder, voices=work / "voices", on_event=report), flush=True)


def warped(samples, rate, voice):
    """The classical way: WORLD, F0 moved to the voice's, formants with it."""
    at_rate = resample(samples, rate, FEATURES.mel_rate_hz)
    semitones = find_transposition(measure_f0_range(estimate_f0(at_rate, FEATURES)), voice.f0_range)
    ratio = 2 ** (semitones / 12)
    formants = float(np.clip(ratio**FORMANT_POWER, *FORMANT_RANGE))
    said = analyse_world(at_rate, FEATURES)
    return warp_world(said, f0_ratio=ratio, envelope_ratio=formants), FEATURES.mel_rate_hz


def copied_by_vocoder(samples, rate, vocoder):
    at_rate = normalise_level(resample(samples, rate, FEATURES.mel_rate_hz), FEATURES)
    return vocoder(features.decoder_mel(at_rate, FEATURES)), FEATURES.mel_rate_hz


def copied_by_world(samples, rate):
    at_rate = resample(samples, rate, FEATURES.mel_rate_hz)
    return warp_world(analyse_world(at_rate, FEATURES), f0_ratio=1.0, envelope_ratio=1.0), FEATURES.mel_rate_hz


def convert(data, work):
    base, pairs, spent = load_base(), [], {}

    def clip(system, target, row, make):
        out = work / "clips" / system / target / f"{row['speaker']}_{Path(row['path']).stem}.wav"
        out.parent.mkdir(parents=True, exist_ok=True)
        samples, rate = soundfile.read(data / row["path"], dtype="float32")
        began = time.monotonic()
        made, made_rate = make(samples, rate)
        taken_s, audio_s = spent.get(system, (0.0, 0.0))
        spent[system] = (taken_s + time.monotonic() - began, audio_s + len(samples) / rate)
        soundfile.write(out, np.clip(made, -1, 1), made_rate)
        pairs.append(
            {
                "system": system,
                "target": target,
                "speaker": row["speaker"],
                "lang": row["lang"].split("-")[0],
                "text": row["text"],
                "clip": str(out),
                "source": str(data / row["path"]),
                "reference": reference(data, target),
            }
        )

    for target in TARGETS:
        voice = voiceswap.load(target, voices=work / "voices")

        def converted(samples, rate, voice=voice):
            return voice.convert(samples, rate), rate

        for row in sources(data, target):
            clip("voiceswap", target, row, converted)
            clip("WORLD, F0 and formants moved", target, row, lambda s, r, v=voice: warped(s, r, v))
            clip("source untouched", target, row, lambda s, r: (s, r))
        for row in split(data, target)[1][N_OWN_SENTENCES:][:N_COPIED]:
            clip("copy by the vocoder", target, row, lambda s, r: copied_by_vocoder(s, r, base.vocoder))
            clip("copy by WORLD", target, row, copied_by_world)
            clip("real clips of the target", target, row, lambda s, r: (s, r))
        for row in songs(data):
            clip("voiceswap, dry vocals", target, row, converted)
    (work / "pairs.json").write_text(json.dumps(pairs, indent=1))
    print(json.dumps({k: {"times_real_time": round(a / t, 2)} for k, (t, a) in spent.items()}))


if __name__ == "__main__":
    jobs = {"train": train, "convert": convert}
    if len(sys.argv) != 4 or sys.argv[1] not in jobs:
        sys.exit(__doc__)
    jobs[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
