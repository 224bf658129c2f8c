"""How good a voice becomes with how many minutes of speech.

    python -m benchmarks.quality.minutes DATA WORK [TARGET ...]
    SCORER_PYTHON benchmarks/quality/score_clips.py EVALKIT WORK/minutes
    python -m benchmarks.quality.minutes plot WORK docs/minutes.svg

Trains each target on .6, 1, 3, 5, 10 and 20 minutes of its recordings in target/, then extra/ (each amount holds the
smaller ones; those of WORK/voices, trained on five minutes by quality.py, are taken from there), and says quality.py's
sources with it. The held-out recordings of quality.py stay held out. What is made already is not made again.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import soundfile

import voiceswap
from benchmarks.quality import quality
from voiceswap.events import Progress

# Half a minute of recordings has less than the 30 s of speech that are asked for.
MINUTES = (0.6, 1, 3, 5, 10, 20)
USUAL = 5
TARGETS = ("en_kathleen", "nl_flemishguy")
EVERY = 2


def recordings(data, target):
    """All recordings that may be trained on, in the order in which they are taken."""
    training, rest = quality.split(data, target)
    held_out = quality.N_OWN_SENTENCES + quality.N_COPIED + quality.N_REAL
    more = [r for r in quality.manifest(data) if r["split"] == "extra" and r["speaker"] == target]
    return training + rest[held_out:] + more


def voice(data, work, target, minutes):
    """The voice of so many minutes, trained if it is not there yet."""
    if minutes == USUAL:
        return voiceswap.load(target, voices=work / "voices")
    name = f"{target}_{minutes:g}min"
    folder = work / "minutes" / "recordings" / name
    if not (work / "minutes" / "voices" / name).exists():
        folder.mkdir(parents=True, exist_ok=True)
        spoken_s = 0.0
        for row in recordings(data, target):
            if spoken_s >= 60 * minutes:
                break
            spoken_s += float(row["seconds"])
            link = folder / Path(row["path"]).name
            if not link.exists():
                link.symlink_to((data / row["path"]).resolve())
        began = time.monotonic()
        report = lambda event: None if isinstance(event, Progress) else print(event, file=sys.stderr)  # noqa: E731
        voiceswap.train(folder, voices=work / "minutes" / "voices", on_event=report)
        print(f"{name}: {spoken_s / 60:.1f} minutes, trained in {time.monotonic() - began:.0f} s", flush=True)
    return voiceswap.load(name, voices=work / "minutes" / "voices")


def main(data, work, targets):
    pairs = []
    for target in targets:
        for minutes in MINUTES:
            speaker = voice(data, work, target, minutes)
            for row in quality.sources(data, target)[::EVERY]:
                out = work / "minutes" / "clips" / speaker.name / f"{row['speaker']}_{Path(row['path']).stem}.wav"
                if not out.exists():
                    out.parent.mkdir(parents=True, exist_ok=True)
                    samples, rate = soundfile.read(data / row["path"], dtype="float32")
                    soundfile.write(out, speaker.convert(samples, rate), rate)
                pair = {"system": f"{minutes:g} min", "target": target, "speaker": row["speaker"], "text": row["text"]}
                pair |= {"lang": row["lang"].split("-")[0], "clip": str(out), "source": str(data / row["path"])}
                pairs.append(pair | {"reference": quality.reference(data, target)})
    (work / "minutes" / "pairs.json").write_text(json.dumps(pairs, indent=1))


def plot(work, out):
    """Similarity, naturalness and words against minutes, one line a target."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot as plt

    records = json.loads((work / "minutes" / "scores.json").read_text())
    figure, axes = plt.subplots(1, 3, figsize=(10, 3), layout="constrained")
    for target in dict.fromkeys(r["target"] for r in records):
        of = {m: [r for r in records if r["target"] == target and r["system"] == f"{m:g} min"] for m in MINUTES}
        lines = (
            [np.mean([r["to_target"] for r in of[m]]) for m in MINUTES],
            [np.mean([r["distillmos"] for r in of[m]]) for m in MINUTES],
            [sum(r["word_errors"] for r in of[m]) / sum(r["words"] for r in of[m]) for m in MINUTES],
        )
        for axis, line in zip(axes, lines, strict=True):
            axis.plot(MINUTES, line, "o-", label=target)
    for axis, title in zip(axes, ("similarity to target", "DistillMOS", "word error rate"), strict=True):
        axis.set(xscale="log", xticks=MINUTES, xticklabels=[f"{m:g}" for m in MINUTES], xlabel="minutes", title=title)
        axis.minorticks_off()
    axes[0].legend()
    figure.savefig(out, metadata={"Date": None})


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    if sys.argv[1] == "plot":
        plot(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:] or TARGETS)
