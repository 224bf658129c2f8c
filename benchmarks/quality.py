"""Voices from 5 minutes of real speech each, real sources that no training heard, independent scores.

    python benchmarks/quality.py train DATA WORK            # the voices: once, kept in WORK
    python benchmarks/quality.py convert DATA WORK          # every source as every target
    SCORER score.py ... is then run by
    python benchmarks/quality.py score DATA WORK SCORER     # SCORER: "PYTHON EVALKIT/score.py"

DATA has manifest.tsv, target/ and pretrain/. Sources are the last ten LibriSpeech speakers by name, kept out of
pretraining, and held-out sentences of the other targets. Prints one JSON object a target and their mean.
"""

import csv
import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile

import voiceswap
from voiceswap.jobs.events import Progress

TARGETS = {"en_kathleen": "en", "nl_flemishguy": "nl", "it_carlo": "it", "nl_nathalie": "nl"}
TRAINING_S = 300.0
N_LIBRI = 10
N_OWN_SENTENCES = 3
N_REAL_CLIPS = 20


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


def train(data, work):
    for target in TARGETS:
        folder = work / "recordings" / target
        folder.mkdir(parents=True, exist_ok=True)
        for row in split(data, target)[0]:
            link = folder / Path(row["path"]).name
            if not link.exists():
                link.symlink_to((data / row["path"]).resolve())
        report = lambda event: None if isinstance(event, Progress) else print(event, file=sys.stderr)  # noqa: E731
        print(voiceswap.train(folder, voices=work / "voices", report=report))


def convert(data, work):
    for target in TARGETS:
        voice = voiceswap.load(target, voices=work / "voices")
        out = work / "converted" / target
        out.mkdir(parents=True, exist_ok=True)
        for row in sources(data, target):
            samples, rate = soundfile.read(data / row["path"], dtype="float32")
            soundfile.write(out / f"{row['speaker']}_{Path(row['path']).stem}.wav", voice.convert(samples, rate), rate)


def score(data, work, scorer):
    results = {}
    for target in TARGETS:
        real = [str(data / r["path"]) for r in split(data, target)[1][:N_REAL_CLIPS]]
        groups = {}
        for row in sources(data, target):
            groups.setdefault(row["lang"].split("-")[0], []).append(row)
        for lang, rows in groups.items():
            converted = [work / "converted" / target / f"{r['speaker']}_{Path(r['path']).stem}.wav" for r in rows]
            command = [*shlex.split(scorer), "--lang", lang, "--target", *real]
            command += ["--converted", *map(str, converted), "--source", *[str(data / r["path"]) for r in rows]]
            results[f"{lang} to {target}"] = json.loads(subprocess.check_output(command, text=True))
            print(json.dumps({f"{lang} to {target}": results[f"{lang} to {target}"]}), flush=True)
    weights = [r["clips"] for r in results.values()]
    figures = {
        "wer": ("words", "wer"),
        "to_target": ("similarity", "to_target"),
        "to_source": ("similarity", "to_source"),
        "closer_to_target": ("similarity", "closer_to_target"),
        "f0_correlation": ("f0", "corr_log"),
    }
    mean = {name: np.average([r[a][b] for r in results.values()], weights=weights) for name, (a, b) in figures.items()}
    mean["distillmos"] = np.average([r["mos"]["converted"]["distillmos"] for r in results.values()], weights=weights)
    print(json.dumps({"mean": {k: round(float(v), 3) for k, v in mean.items()}, "clips": sum(weights)}))


if __name__ == "__main__":
    jobs = {"train": train, "convert": convert, "score": score}
    if len(sys.argv) < 4 or sys.argv[1] not in jobs:
        sys.exit(__doc__)
    jobs[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]), *sys.argv[4:])
