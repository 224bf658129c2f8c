"""How closely `voiceswap evaluate` agrees with the independent scores of the same clips.

    python -m benchmarks.quality.agreement WORK [EVERY]

WORK holds what quality.py and score_clips.py made: pairs.json and scores.json. Every EVERYth conversion by voiceswap
(4 if not given) is scored again, against the same reference recordings; prints for each score the mean of both, the
mean and the largest distance, the correlation, and how often both say the same of target and source. Where
WORK/recordings holds what the voices were trained on, `to_target_by_card` is the similarity to that, which a voice's
card keeps, for the similarity to recordings that no training heard.
"""

import json
import sys
from functools import lru_cache
from pathlib import Path

import numpy as np

from voiceswap.audio.find import find_recordings
from voiceswap.audio.read import read_mono
from voiceswap.audio.source import file_source
from voiceswap.config import Config
from voiceswap.model.speaker import SAMPLE_RATE_HZ, mean_embedding
from voiceswap.scoring.embedding import SpeakerEmbedding, embed_recordings, speaker_encoder
from voiceswap.scoring.external import load_dnsmos
from voiceswap.scoring.scores import Scorer

NAMES = (
    "to_target",
    "to_target_by_card",
    "to_source",
    "f0_correlation",
    "f0_rmse_cents",
    "shift_cents",
    "voicing_error",
    "dnsmos_ovrl",
    "dnsmos_p808",
)


def centre(files, kept):
    for file in files:
        if file not in kept:
            kept[file] = mean_embedding(speaker_encoder().embed_pieces(read_mono(Path(file), SAMPLE_RATE_HZ)))
    return mean_embedding(np.stack([kept[file] for file in files]))


@lru_cache
def known(folder):
    return embed_recordings(find_recordings(folder))


def compared(rows):
    print("| score | independent | ours | mean distance | largest | correlation |\n|---|---|---|---|---|---|")
    for name in NAMES:
        both = [(t[name], o[name]) for t, o in rows if name in t]
        if not both:
            continue
        theirs, ours = np.array(both).T
        apart = np.abs(ours - theirs)
        figures = (theirs.mean(), ours.mean(), apart.mean(), apart.max(), np.corrcoef(theirs, ours)[0, 1])
        print(f"| {name} | " + " | ".join(f"{f:.3f}" for f in figures) + " |")
    same = np.mean([(t["to_target"] > t["to_source"]) == (o["to_target"] > o["to_source"]) for t, o in rows])
    print(f"{len(rows)} clips; nearer to the target or not: the same in {same:.3f}", flush=True)


def main(work, every):
    pairs = {p["clip"]: p for p in json.loads((work / "pairs.json").read_text()) if p["system"] == "voiceswap"}
    wanted = [r for r in json.loads((work / "scores.json").read_text()) if r["clip"] in pairs]
    mos, kept, rows = load_dnsmos(), {}, []
    for theirs in wanted[::every]:
        pair = pairs[theirs["clip"]]
        target = SpeakerEmbedding(centre(pair["reference"], kept), float("nan"), len(pair["reference"]))
        found = Scorer(Config().features, target, mos).scores(
            Path(pair["source"]), file_source(Path(pair["source"])), file_source(Path(pair["clip"]))
        )
        # The independent scores hold a clip against all recordings of its source's speaker.
        same = sorted({p["source"] for p in pairs.values() if p["speaker"] == pair["speaker"]})
        to_source = float(centre([pair["clip"]], kept) @ centre(same, kept))
        rows.append((theirs, vars(found) | {"to_source": to_source}))
        if (work / "recordings").is_dir():
            card = known(work / "recordings" / pair["target"]).vector
            theirs["to_target_by_card"] = theirs["to_target"]
            rows[-1][1]["to_target_by_card"] = float(centre([pair["clip"]], kept) @ card)
    compared(rows)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) == 3 else 4)
