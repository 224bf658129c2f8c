"""What the content says, and of whom: figures of the content encoder alone.

    python -m benchmarks.quality.encoder DATA            # needs scikit-learn, which librosa brings

Aligned: sentences that nl_nathalie and nl_flemishguy both read, warped onto each other by DTW over the content's cosine
distance; the mean cosine of aligned frames, and of frames of different sentences, the mean content taken out. Probe: a
linear classifier that names 20 people from single vectors, learnt on the first half of a clip each and asked about the
second; Whisper's whole output and the mel beside the content. Windows: the same moment heard in two windows of 30 s.
"""

import csv
import itertools
import sys
from pathlib import Path

import librosa
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from voiceswap.audio.read import read_mono
from voiceswap.config import Config
from voiceswap.model.base import load_base
from voiceswap.model.encoder import open_without_map
from voiceswap.signal import features

FEATURES = Config().features
N_SENTENCES, N_PEOPLE, N_WINDOWS = 30, 20, 6
# Neighbouring vectors are alike: so many of them are enough for the probe.
EVERY = 4


def mel_of(path):
    samples = read_mono(path, FEATURES.content_rate_hz)
    level = float(np.sqrt(np.mean(samples**2))) + 1e-9
    return features.encoder_mel(samples * np.float32(10 ** (FEATURES.speech_level_db / 20) / level), FEATURES)


def manifest(data):
    with (data / "manifest.tsv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def unit(vectors, centre):
    moved = vectors - centre
    return moved / np.linalg.norm(moved, axis=1, keepdims=True)


def aligned(data, hear):
    """Mean cosine of aligned frames, and of frames of different sentences."""
    said = {}
    for row in manifest(data):
        if row["split"] == "target" and row["speaker"] in ("nl_nathalie", "nl_flemishguy"):
            said.setdefault(row["text"], {})[row["speaker"]] = data / row["path"]
    both = [said[text] for text in sorted(said) if len(said[text]) == 2][:N_SENTENCES]
    contents = [[hear(mel_of(path)) for path in paths.values()] for paths in both]
    centre = np.concatenate([c for pair in contents for c in pair]).mean(axis=0)
    near, far = [], []
    for i, (one, other) in enumerate(contents):
        a, b, unrelated = unit(one, centre), unit(other, centre), unit(contents[i - 1][1], centre)
        _, path = librosa.sequence.dtw(C=1 - a @ b.T)
        near.append(np.mean(np.sum(a[path[:, 0]] * b[path[:, 1]], axis=1)))
        far.append(np.mean(a @ unrelated.T))
    return len(both), float(np.mean(near)), float(np.mean(far))


def probed(clips):
    """How many single vectors, and how many halves as a whole, a linear probe gives to the right person."""
    halves = [(c[: len(c) // 2 : EVERY], c[len(c) // 2 :: EVERY]) for c in clips]
    scale = StandardScaler().fit(np.concatenate([first for first, _ in halves]))
    who = np.concatenate([np.full(len(first), i) for i, (first, _) in enumerate(halves)])
    probe = LogisticRegression(max_iter=300, C=0.01).fit(scale.transform(np.concatenate([f for f, _ in halves])), who)
    chances = [probe.predict_log_proba(scale.transform(second)) for _, second in halves]
    single = np.mean(np.concatenate([c.argmax(axis=1) == i for i, c in enumerate(chances)]))
    return float(single), float(np.mean([c.sum(axis=0).argmax() == i for i, c in enumerate(chances)]))


def seams(mel, listener):
    """Relative distance of the same moments' content, heard in windows 5 s apart."""
    window = 2 * load_base().config.encoder.window_vectors
    whole = [listener.encode_window(mel[first : first + window]) for first in range(0, N_WINDOWS * 500, 500)]
    apart = [(a[500:1250], b[250:1000]) for a, b in itertools.pairwise(whole)]
    return float(np.mean([np.linalg.norm(a - b) / np.linalg.norm(a - a.mean(axis=0)) for a, b in apart]))


def main(data):
    base = load_base()
    listener = base.encoder
    uncut = open_without_map(base.config, base.arrays("encoder"))
    rows = [r for r in manifest(data) if r["split"] == "pretrain" and r["speaker"].startswith("libri_")]
    people = {r["speaker"]: data / r["path"] for r in reversed(rows)}
    mels = [mel_of(people[name]) for name in sorted(people)[-N_PEOPLE:]]
    print("| vectors | dimensions | aligned | unrelated | probe: single vectors | halves |\n|---|---|---|---|---|---|")
    for name, hear in {"content": listener.encode_window, "Whisper's whole output": uncut.encode_window}.items():
        n, near, far = aligned(data, hear)
        clips = [hear(mel) for mel in mels]
        single, half = probed(clips)
        print(f"| {name} | {clips[0].shape[1]} | {near:.3f} | {far:.3f} | {single:.3f} | {half:.2f} |", flush=True)
    single, half = probed([mel[::2] for mel in mels])
    print(f"| log-mel | {mels[0].shape[1]} | | | {single:.3f} | {half:.2f} |")
    print(f"{n} sentences; {N_PEOPLE} people; by chance {1 / N_PEOPLE:.2f}")
    long = np.concatenate(mels * 2)
    print(f"windows 5 s apart: {seams(long, listener):.3f} of the content's spread")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
