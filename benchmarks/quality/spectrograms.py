"""Pictures of sources and conversions, to be looked at. Both need matplotlib.

    python -m benchmarks.quality.spectrograms WORK TARGET SPEAKER OUT.png    # source, conversion, target
    python -m benchmarks.quality.spectrograms pair BEFORE AFTER FOLDER       # README's before.png and after.png

WORK holds what quality.py made.
"""

import json
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from voiceswap.audio.read import read_mono
from voiceswap.config import FeatureConfig
from voiceswap.signal import features
from voiceswap.signal.f0 import estimate_f0

CONFIG = FeatureConfig()
SHOWN_S = 4.0


def main(work, target, speaker, out):
    pairs = json.loads((work / "pairs.json").read_text())
    pair = next(p for p in pairs if (p["system"], p["target"], p["speaker"]) == ("voiceswap", target, speaker))
    rows = {"source": pair["source"], f"as {target}": pair["clip"], f"{target}, real": pair["reference"][0]}
    _, axes = plt.subplots(len(rows), 1, figsize=(9, 7), constrained_layout=True)
    for axis, (title, path) in zip(axes, rows.items(), strict=True):
        samples = read_mono(Path(path), CONFIG.mel_rate_hz, max_s=SHOWN_S)
        mel, f0 = features.decoder_mel(samples, CONFIG), estimate_f0(samples, CONFIG)
        axis.imshow(mel.T, origin="lower", aspect="auto", extent=(0, len(samples) / CONFIG.mel_rate_hz, 0, 80), vmin=-9)
        axis.set(title=title, ylabel="mel band", xlim=(0, SHOWN_S))
        curve = axis.twinx()
        times_s = (np.arange(len(f0)) + 0.5) / CONFIG.frames_per_s
        curve.plot(times_s, np.where(f0 > 0, f0, np.nan), "w", linewidth=1.5)
        curve.set(ylabel="F0, Hz", ylim=(50, 500))
    axes[-1].set_xlabel("s")
    plt.savefig(out, dpi=70)


def draw_pair(before, after, folder):
    """The same seconds of a recording before and after, at the same scale, with the F0 curve of each."""
    pictures = {"before": (before, "before: a man the voice never heard"), "after": (after, "after: the same, as her")}
    for name, (path, title) in pictures.items():
        samples = read_mono(path, CONFIG.mel_rate_hz, max_s=SHOWN_S)
        mel, f0 = features.decoder_mel(samples, CONFIG), estimate_f0(samples, CONFIG)
        duration_s = len(samples) / CONFIG.mel_rate_hz
        _, axis = plt.subplots(figsize=(5.4, 2.8), constrained_layout=True)
        extent = (0, duration_s, 0, CONFIG.n_mels)
        axis.imshow(mel.T, origin="lower", aspect="auto", extent=extent, cmap="magma", vmin=-9, vmax=0.5)
        axis.set(title=title, xlabel="seconds", ylabel="mel band")
        curve = axis.twinx()
        times_s = (np.arange(len(f0)) + 0.5) / CONFIG.frames_per_s
        curve.plot(times_s, np.where(f0 > 0, f0, np.nan), "c", linewidth=2)
        curve.set(ylabel="F0, Hz", ylim=(50, 400), xlim=(0, duration_s))
        plt.savefig(Path(folder) / f"{name}.png", dpi=80, bbox_inches="tight")


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    if sys.argv[1] == "pair":
        draw_pair(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])
    else:
        main(Path(sys.argv[1]), *sys.argv[2:])
