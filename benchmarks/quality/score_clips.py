"""Scores what `quality.py convert` made, with the instruments of an evaluation kit, and prints the table.

    SCORER_PYTHON benchmarks/quality/score_clips.py EVALKIT WORK

EVALKIT holds score.py (Whisper, Resemblyzer, DistillMOS, DNSMOS, SwiftF0) and its weights; SCORER_PYTHON is the Python
of an environment that has what it needs. Reads WORK/pairs.json, writes WORK/scores.json (one record a clip) and
WORK/table.md. A recording is never scored twice: WORK/scored.json keeps each by its contents.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np

# Whisper now and then stops after a few words ("Chapter 21." of 16 s of reading). Where it hears less than so many
# words a second it is asked again, in two parts, and so on: for sources and conversions alike.
FEW_WORDS_PER_S, SHORTEST_PART_S = 1.0, 3.0
SOUNDING_DB = 30.0


class Instruments:
    """Each instrument's answer on a file, kept by the file's contents."""

    def __init__(self, kit, work):
        sys.path.insert(0, str(kit))
        import score

        self.score, self.embed = score, score.embedder()
        self._recognisers, self._path = {}, work / "scored.json"
        self._kept = json.loads(self._path.read_text()) if self._path.exists() else {}
        self._sums = {}

    def _once(self, kind, path, measure):
        if path not in self._sums:
            self._sums[path] = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        key = f"{kind} {self._sums[path]}"
        if key not in self._kept:
            self._kept[key] = measure()
        return self._kept[key]

    def embedding(self, path):
        vector = self._once("embedding", path, lambda: [float(v) for v in self.embed(self.score.load(path))])
        return np.array(vector)

    def text(self, path, lang):
        if lang not in self._recognisers:
            self._recognisers[lang] = self.score.Recogniser(lang)
        return self._once(f"text by parts {lang}", path, lambda: self._heard(self.score.load(path), lang))

    def _heard(self, samples, lang):
        text = self._recognisers[lang](samples)
        seconds = len(samples) / self.score.RATE
        if len(text.split()) >= FEW_WORDS_PER_S * seconds or seconds < 2 * SHORTEST_PART_S:
            return text
        middle = quietest(samples, self.score.RATE)
        parts = " ".join(self._heard(part, lang) for part in (samples[:middle], samples[middle:]))
        return max(text, parts, key=len)

    def mos(self, path):
        return self._once("mos", path, lambda: self.score.mos([self.score.load(path)]))

    def loudness(self, source, clip):
        """RMS distance in dB of the levels of 50 ms, where the source sounds; the mean distance taken out."""
        levels = []
        for path in (source, clip):
            samples, size = self.score.load(path), self.score.RATE // 20
            power = np.square(samples[: len(samples) // size * size]).reshape(-1, size).mean(axis=1)
            levels.append(10 * np.log10(power + 1e-9))
        n = min(map(len, levels))
        theirs, ours = (level[:n] for level in levels)
        apart = (ours - theirs)[theirs > theirs.max() - SOUNDING_DB]
        return {"loudness_db": float(np.std(apart))}

    def f0(self, source, clip):
        agreement = self.score.f0_agreement(self.score.load(source), self.score.load(clip))
        names = ("f0_correlation", "f0_rmse_cents", "voicing_error", "shift_cents")
        return dict(zip(names, map(float, agreement), strict=True)) if agreement else {}

    def keep(self):
        self._path.write_text(json.dumps(self._kept))


def quietest(samples, rate):
    """Where the middle third of a clip is quietest: a place to cut it."""
    third, frame = len(samples) // 3, rate // 10
    energy = np.convolve(np.square(samples[third : 2 * third]), np.ones(frame), "same")
    return third + int(np.argmin(energy))


def scored(pair, same_speaker, tools):
    """One clip's scores; words are counted so that they can be pooled."""
    import jiwer

    to = {}
    clip = tools.embedding(pair["clip"])
    for name, files in (("to_target", pair["reference"]), ("to_source", same_speaker)):
        centre = tools.score.mean_direction([tools.embedding(f) for f in files])
        to[name] = float(clip @ centre)
    record = {k: pair[k] for k in ("system", "target", "speaker", "clip")} | to
    record["closer_to_target"] = to["to_target"] > to["to_source"]
    record |= tools.f0(pair["source"], pair["clip"]) | tools.loudness(pair["source"], pair["clip"])
    if pair["lang"]:
        written = tools.score.words(pair["text"]) or tools.text(pair["source"], pair["lang"])
        heard = tools.text(pair["clip"], pair["lang"])
        for unit, counts in (
            ("word", jiwer.process_words(written, heard)),
            ("letter", jiwer.process_characters(written, heard)),
        ):
            record[f"{unit}_errors"] = counts.substitutions + counts.deletions + counts.insertions
            record[f"{unit}s"] = counts.hits + counts.substitutions + counts.deletions
        record |= tools.mos(pair["clip"])
    return record


def summary(records):
    """Means over clips; errors of words and letters pooled."""
    names = ("to_target", "to_source", "closer_to_target", "distillmos", "dnsmos_ovrl", "f0_correlation")
    names += ("f0_rmse_cents", "voicing_error", "loudness_db")
    means = {n: float(np.mean([r[n] for r in records if n in r])) for n in names if any(n in r for r in records)}
    for rate, unit in (("wer", "word"), ("cer", "letter")):
        total = sum(r.get(f"{unit}s", 0) for r in records)
        means[rate] = sum(r.get(f"{unit}_errors", 0) for r in records) / total if total else float("nan")
    return {"clips": len(records), **means}


def table(rows):
    columns = ("clips", "wer", "cer", "to_target", "to_source", "closer_to_target", "distillmos", "dnsmos_ovrl")
    columns += ("f0_correlation", "f0_rmse_cents", "voicing_error", "loudness_db")
    lines = ["| |" + "|".join(columns) + "|", "|---" * (len(columns) + 1) + "|"]
    for name, row in rows.items():
        cells = [f"{row[c]:.3f}" if isinstance(row.get(c), float) else str(row.get(c, "")) for c in columns]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(kit, work):
    tools = Instruments(kit, work)
    pairs = json.loads((work / "pairs.json").read_text())
    records = []
    for pair in pairs:
        same_speaker = sorted({p["source"] for p in pairs if p["speaker"] == pair["speaker"]})
        records.append(scored(pair, same_speaker, tools))
        if len(records) % 20 == 0:
            tools.keep()
            print(f"{len(records)} of {len(pairs)}", file=sys.stderr, flush=True)
    tools.keep()
    (work / "scores.json").write_text(json.dumps(records, indent=1))
    rows = {}
    for system in dict.fromkeys(r["system"] for r in records):
        rows[system] = summary([r for r in records if r["system"] == system])
        if system.startswith("voiceswap"):
            for target in dict.fromkeys(r["target"] for r in records):
                chosen = [r for r in records if r["system"] == system and r["target"] == target]
                rows[f"{system} → {target}"] = summary(chosen)
    (work / "table.md").write_text(table(rows) + "\n", encoding="utf-8")
    print(table(rows))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]))
