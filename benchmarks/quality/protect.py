"""How much of a source's own breaths and sibilants shall stay: `--protect` by score (docs/lab/breaths.md).

    python -m benchmarks.quality.protect DATA VOICES WORK TARGET...
    SCORER_PYTHON benchmarks/quality/score_clips.py EVALKIT WORK    # independent scores and the table

DATA and the sources are those of quality.py: LibriSpeech speakers that no training heard, and 10 s of each
dry sung vocal, unless they are silent; VOICES has a voice of each TARGET. A result is a straight line in `protect`, but
for the bend of its highest peaks, so that two conversions give all values. Writes WORK/clips and WORK/pairs.json.
"""

import json
import sys
from pathlib import Path

import numpy as np
import soundfile

import voiceswap
from benchmarks.quality import quality

VALUES = (0.0, 0.3, 0.6, 1.0)
N_SPEECH = 4
SUNG_S = (30, 40)


def main(data, voices, work, targets):
    by_speaker = {r["speaker"]: r for r in reversed(quality.manifest(data)) if r["split"] == "pretrain"}
    rows = [by_speaker[name] for name in quality.left_out(data)[:N_SPEECH]] + quality.songs(data)
    pairs = []
    for row in rows:
        samples, rate_hz = soundfile.read(data / row["path"], dtype="float32", always_2d=True)
        samples = samples.mean(axis=1)
        if not row["lang"]:
            samples = samples[SUNG_S[0] * rate_hz : SUNG_S[1] * rate_hz]
        if not samples.any():
            continue
        name = f"{row['speaker']}_{Path(row['path']).stem}.wav"
        source = work / "sources" / name
        source.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(source, samples, rate_hz)
        for target in targets:
            voice = voiceswap.load(target, voices)
            none, all_ = (voice.convert(samples, rate_hz, protect=p, mark=False) for p in (0.0, 1.0))
            for value in VALUES:
                kind = "speech" if row["lang"] else "singing"
                out = work / "clips" / f"{kind} {value}" / target / name
                out.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(out, np.clip((1 - value) * none + value * all_, -1, 1), rate_hz)
                pairs.append(
                    {
                        "system": f"{kind}, protect {value}",
                        "target": target,
                        "speaker": row["speaker"],
                        "lang": row["lang"].split("-")[0],
                        "text": row["text"],
                        "clip": str(out),
                        "source": str(source),
                        "reference": quality.reference(data, target),
                    }
                )
        (work / "pairs.json").write_text(json.dumps(pairs, indent=1))


if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    main(*map(Path, sys.argv[1:4]), sys.argv[4:])
