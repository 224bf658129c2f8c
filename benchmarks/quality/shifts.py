"""Voices asked for other pitches: does the result land there, and what does it cost?

    python -m benchmarks.quality.shifts DATA WORK          # WORK as quality.py train left it
    SCORER_PYTHON benchmarks/quality/score_clips.py EVALKIT WORK/shifts

Each voice says its sources (quality.py) at the pitch that suits it and 7 and 3 semitones below, 3, 7 and 12 above. The
median of F0 over that of the source, against what was asked, where both are voiced, by SwiftF0. The clips and
pairs.json for the scores lie in WORK/shifts.
"""

import json
import sys
from pathlib import Path

import numpy as np
import soundfile

import voiceswap
from benchmarks.quality import quality
from voiceswap.audio.resample import resample
from voiceswap.signal.f0 import estimate_f0, find_transposition, measure_f0_range

SHIFTS = (0, -7, -3, 3, 7, 12)
# Every so many of a voice's sources.
EVERY = 6
FEATURES = quality.FEATURES


def melody(samples, rate):
    return estimate_f0(resample(samples, rate, FEATURES.mel_rate_hz), FEATURES)


def off_cents(source, made, semitones):
    """The median distance from the pitch asked for, in cents."""
    both = (source > 0) & (made > 0)
    return float(np.median(1200 * np.log2(made[both] / source[both])) - 100 * semitones)


def main(data, work):
    pairs, found = [], {shift: [] for shift in SHIFTS}
    for target in quality.TARGETS:
        voice = voiceswap.load(target, voices=work / "voices")
        for row in quality.sources(data, target)[::EVERY]:
            samples, rate = soundfile.read(data / row["path"], dtype="float32")
            source = melody(samples, rate)
            suits = find_transposition(measure_f0_range(source), voice.f0_range)
            for shift in SHIFTS:
                made = voice.convert(samples, rate, pitch_semitones=suits + shift)
                found[shift].append(off_cents(source, melody(made, rate), suits + shift))
                out = (
                    work
                    / "shifts"
                    / "clips"
                    / f"{shift:+d}"
                    / f"{target}_{row['speaker']}_{Path(row['path']).stem}.wav"
                )
                out.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(out, made, rate)
                pair = {"system": f"{shift:+d}", "target": target, "speaker": row["speaker"], "text": row["text"]}
                pair |= {"lang": row["lang"].split("-")[0], "clip": str(out), "source": str(data / row["path"])}
                pairs.append(pair | {"reference": quality.reference(data, target)})
    (work / "shifts" / "pairs.json").write_text(json.dumps(pairs, indent=1))
    print("| semitones | clips | median off by, cents | mean distance | largest |\n|---|---|---|---|---|")
    for shift, cents in found.items():
        far = np.abs(cents)
        print(f"| {shift:+d} | {len(cents)} | {np.median(cents):+.1f} | {far.mean():.1f} | {far.max():.1f} |")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
