"""The provenance mark in figures: false alarms, detection after attacks, what it does to the sound, speed.

    python -m benchmarks.watermark.mark DATA detection [--clips 200] [--with perth]
    python -m benchmarks.watermark.mark DATA alarms [--hours 3.2] [--key TEXT]
    python -m benchmarks.watermark.mark DATA keys [--clips 200]
    python -m benchmarks.watermark.mark DATA quality [--clips 40] [--with perth] --scoring FOLDER_OF_SCORE_PY
    python -m benchmarks.watermark.mark DATA removal [--clips 40]
    python -m benchmarks.watermark.mark DATA speed

DATA has manifest.tsv and songs/. Clips are sentences of one speaker joined to 5 to 9 s, the speakers in turn. The
option `--with perth` needs resemble-perth 1.0.1 and torch, `quality` the scoring environment; the rest needs voiceswap
and librosa. `detection` prints its table after every ten clips, so that an interrupted run is worth something.
"""

import argparse
import csv
import io
import json
import random
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import soundfile
import soxr
from scipy.signal import fftconvolve, sosfilt

from voiceswap.provenance import detector as detect
from voiceswap.provenance import watermark as mark
from voiceswap.provenance.detector import detect_watermark
from voiceswap.provenance.watermark import Watermarker

TAG = 4711
SPLITS = ("target", "pretrain", "extra")
OPUS_RATES_HZ = (8000, 12000, 16000, 24000, 48000)


class Ours:
    def mark(self, x, rate):
        marker = Watermarker(rate, 1, TAG)
        return np.concatenate([marker.push(x[:, None]), marker.finish()])[:, 0]

    def found(self, x, rate):
        result = find(x, rate)
        return result.decision, result.tag


class Perth:
    def __init__(self):
        import perth
        import torch

        torch.set_num_threads(1)
        self.model = perth.PerthImplicitWatermarker()

    def mark(self, x, rate):
        y = np.asarray(self.model.apply_watermark(x, sample_rate=rate), np.float32)
        return np.pad(y, (0, max(0, len(x) - len(y))))[: len(x)]

    def found(self, x, rate):
        share = float(np.mean(self.model.get_watermark(x, sample_rate=rate, round=False)))
        return "yes" if share > 0.5 else "no", None


def find(x, rate, key=mark.KEY):
    return detect_watermark((x[i : i + 65536, None] for i in range(0, len(x), 65536)), rate, key)


def mono(path):
    x, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return x.mean(axis=1), rate


def recordings(data):
    by_speaker = {}
    with open(data / "manifest.tsv", encoding="utf8") as table:
        for row in csv.DictReader(table, delimiter="\t"):
            if row["split"] in SPLITS:
                by_speaker.setdefault((row["split"], row["speaker"]), []).append(data / row["path"])
    return by_speaker


def clips(data, n_clips, seed=7):
    """(rate, samples) of 5 to 9 s."""
    choose, by_speaker = random.Random(seed), recordings(data)
    speakers = sorted(by_speaker)
    choose.shuffle(speakers)
    made, turn = 0, 0
    while made < n_clips:
        paths = by_speaker[speakers[turn % len(speakers)]]
        turn += 1
        parts, total_s = [], 0.0
        for path in choose.sample(paths, len(paths)):
            x, rate = mono(path)
            parts.append(x)
            total_s += len(x) / rate
            if total_s >= 5:
                break
        if total_s >= 5:
            made += 1
            yield rate, np.concatenate(parts)[: 9 * rate]


# Attacks: (samples, rate, random) -> (samples, rate).


def codec(x, rate, container, subtype, **settings):
    memory = io.BytesIO()
    with soundfile.SoundFile(memory, "w", rate, 1, format=container, subtype=subtype, **settings) as file:
        for i in range(0, len(x), 8192):
            file.write(x[i : i + 8192])
    memory.seek(0)
    return soundfile.read(memory, dtype="float32")


def mp3(x, rate, kbps):
    # libsndfile spreads compression_level 0 to 1 over the bit rates of MPEG-1, or from 160 down to 8 for MPEG-2.
    high, low = (320, 32) if rate >= 32000 else (160, 8)
    level = (high - kbps) / (high - low)
    return codec(x, rate, "MP3", "MPEG_LAYER_III", bitrate_mode="CONSTANT", compression_level=level)


def opus(x, rate, kbps):
    allowed = min(r for r in OPUS_RATES_HZ if r >= min(rate, 48000))
    return codec(soxr.resample(x, rate, allowed), allowed, "OGG", "OPUS", compression_level=(256 - kbps) / (256 - 6))


def rms(x):
    return np.sqrt(np.mean(np.square(x, dtype=float)) + 1e-20)


def pink(x, rate, rng):
    spectrum = np.fft.rfft(rng.standard_normal(len(x)))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    noise = np.fft.irfft(spectrum, len(x))
    return (x + noise * 0.1 * rms(x) / rms(noise)).astype(np.float32), rate


def equaliser(x, rate, rng):
    """Five peaking filters (Bristow-Johnson), one octave wide, in turn -6 and +6 dB."""
    for gain_db, centre_hz in ((-6, 150), (6, 400), (-6, 1000), (6, 2500), (-6, 5000)):
        if centre_hz < 0.45 * rate:
            root, w = 10 ** (gain_db / 40), 2 * np.pi * centre_hz / rate
            alpha, c = np.sin(w) / 2, -2 * np.cos(w)
            over, under = (1 + alpha * root, c, 1 - alpha * root), (1 + alpha / root, c, 1 - alpha / root)
            x = sosfilt(np.array([[*over, *under]]) / under[0], x)
    return x.astype(np.float32), rate


def room(x, rate, rng):
    """Decaying noise, RT60 .4 s, direct sound 3 dB below the rest."""
    n = round(0.5 * rate)
    response = rng.standard_normal(n) * 10 ** (-3 * np.arange(n) / rate / 0.4)
    response[0] = 0.7 * np.sqrt(np.sum(response**2))
    return fftconvolve(x, response / np.sqrt(np.sum(response**2)))[: len(x)].astype(np.float32), rate


def music(data):
    songs = [mono(path) for path in sorted((data / "songs" / "dev").glob("*/accompaniment.opus"))]

    def mixed(x, rate, rng):
        song, song_hz = songs[rng.integers(len(songs))]
        n = int(len(x) / rate * song_hz) + 200
        first = rng.integers(len(song) - n)
        other = soxr.resample(song[first : first + n], song_hz, rate)[: len(x)]
        return x + other * rms(x) / rms(other), rate

    return mixed


def speed(factor):
    return lambda x, rate, rng: (soxr.resample(x, rate * factor, rate), rate)


def pitch_shift(semitones):
    import librosa

    return lambda x, rate, rng: (librosa.effects.pitch_shift(x, sr=rate, n_steps=semitones), rate)


def stretch(factor):
    import librosa

    return lambda x, rate, rng: (librosa.effects.time_stretch(x, rate=factor), rate)


def attacks(data):
    def cut(x, rate, rng):
        return x[len(x) // 2 + rng.integers(-rate // 10, rate // 10) :], rate

    return {
        "clean": lambda x, rate, rng: (x, rate),
        "mp3 128k": lambda x, rate, rng: mp3(x, rate, 128),
        "mp3 64k": lambda x, rate, rng: mp3(x, rate, 64),
        "opus 32k": lambda x, rate, rng: opus(x, rate, 32),
        "ogg q3": lambda x, rate, rng: codec(x, rate, "OGG", "VORBIS", compression_level=0.7),
        "16 kHz and back": lambda x, rate, rng: (soxr.resample(soxr.resample(x, rate, 16000), 16000, rate), rate),
        "8 kHz": lambda x, rate, rng: (soxr.resample(x, rate, 8000), 8000),
        "8 bit": lambda x, rate, rng: ((np.clip(np.round(x * 128), -128, 127) / 128).astype(np.float32), rate),
        "+6 dB": lambda x, rate, rng: (np.clip(2 * x, -1, 1), rate),
        "-6 dB": lambda x, rate, rng: (x / 2, rate),
        "first half cut off": cut,
        "pink noise 20 dB": pink,
        "equaliser 6 dB": equaliser,
        "room .4 s": room,
        "music 0 dB": music(data),
        "speed +2 %": speed(1.02),
        "speed -2 %": speed(0.98),
        "speed +5 %": speed(1.05),
        "speed -5 %": speed(0.95),
        "pitch +1 semitone": pitch_shift(1),
        "pitch -2 semitones": pitch_shift(-2),
        "tempo +4.5 %": stretch(1.045),
    }


def detection(data, n_clips, tool):
    table = {name: [] for name in ("unmarked", *attacks(data))}
    what = attacks(data)
    for i, (rate, x) in enumerate(clips(data, n_clips)):
        y = tool.mark(x, rate)
        table["unmarked"].append((*tool.found(x, rate), len(x) / rate))
        for name, attack in what.items():
            attacked, its_hz = attack(y, rate, np.random.default_rng(i))
            table[name].append((*tool.found(np.ascontiguousarray(attacked, np.float32), its_hz), len(x) / rate))
        if i % 10 == 9 or i == n_clips - 1:
            print(f"clips {i + 1}, mean {np.mean([s for _, _, s in table['clean']]):.1f} s")
            for name, rows in table.items():
                yes, perhaps = (np.mean([f == word for f, _, _ in rows]) for word in ("yes", "uncertain"))
                right, wrong = (sum(t is not None and (t == TAG) == own for _, t, _ in rows) for own in (True, False))
                right /= len(rows)
                print(
                    f"  {name:20s} yes {yes:6.1%}   uncertain {perhaps:6.1%}   tag {right:6.1%}   wrong tags {wrong}",
                    flush=True,
                )


def unmarked(data):
    """All recordings, joined, in 10 s windows, music first: (kind, rate, samples)."""
    for path in sorted((data / "songs" / "dev").glob("**/*")):
        if path.suffix in {".opus", ".ogg", ".flac"}:
            x, rate = mono(path)
            for i in range(0, len(x) - 10 * rate + 1, 10 * rate):
                yield "music", rate, x[i : i + 10 * rate]
    for _, paths in sorted(recordings(data).items()):
        held, held_hz = np.zeros(0, np.float32), 0
        for path in sorted(paths):
            x, rate = mono(path)
            held = np.concatenate([held, x]) if rate == held_hz else x
            held_hz = rate
            while len(held) >= 10 * rate:
                yield "speech", rate, held[: 10 * rate]
                held = held[10 * rate :]


def alarms(data, hours, key):
    p_values, kinds = [], []

    def report():
        p, music_part = np.array(p_values), np.array(kinds) == "music"
        from scipy.stats import kstest

        print(
            json.dumps(
                {
                    "windows": len(p),
                    "hours": round(len(p) / 360, 2),
                    "music_windows": int(music_part.sum()),
                    "yes": int((p < detect.YES_P).sum()),
                    "uncertain": int(((p < detect.UNCERTAIN_P) & (p >= detect.YES_P)).sum()),
                    "p_below": {str(a): round(float(np.mean(p < a)), 4) for a in (0.001, 0.01, 0.05, 0.1)},
                    "smallest": float(p.min()),
                    "histogram": np.histogram(p, np.linspace(0, 1, 11))[0].tolist(),
                    "histogram_music": np.histogram(p[music_part], np.linspace(0, 1, 11))[0].tolist(),
                    "ks_uniform": round(float(kstest(p, "uniform").statistic), 3),
                }
            ),
            flush=True,
        )

    for kind, rate, x in unmarked(data):
        p_values.append(find(x, rate, key).p_value)
        kinds.append(kind)
        if len(p_values) % 100 == 0:
            report()
        if len(p_values) >= hours * 360:
            break
    report()


def wrong_keys(data, n_windows, n_keys=500):
    """p-values of the plain search under keys that marked nothing: the null distribution, far into its tail."""
    signs = [mark._draw_signs(b"wrong %d" % i) for i in range(n_keys)]
    p_values = []
    for rate, x in clips(data, n_windows, seed=123):
        pieces = detect._cut_pieces(iter([x[:, None]]), rate)
        plain = [detect._Piece(a, a + s, r, detect.HIGHEST_SHARE * rate).folded(detect.WAYS[0]) for a, s, r in pieces]
        for each in signs:
            sigmas = mark.correlation(np.sum(plain, axis=0), each)
            p_values.append(detect.chance(float(detect.expected_peaks(sigmas)[np.argmax(sigmas)])))
    p = np.array(p_values)
    print(len(p), "searches, share in each tenth:", np.round(np.histogram(p, 10, (0, 1))[0] / len(p), 3).tolist())
    for limit in (0.1, 0.01, 1e-3, 1e-4, 1e-5):
        print(f"  p < {limit:g}: {np.sum(p < limit)}, expected {limit * len(p):g}")


def segmental_snr_db(x, y, rate):
    """Mean over the 30 ms segments within 40 dB of the loudest, each clipped to -10 to 60 dB; and that over all."""
    n = round(0.03 * rate)
    k = len(x) // n * n
    signal, error = (np.square(v[:k], dtype=float).reshape(-1, n).sum(axis=1) for v in (x, x - y))
    active = signal > 1e-4 * signal.max()
    each = 10 * np.log10(signal[active] / np.maximum(error[active], 1e-20))
    return np.clip(each, -10, 60).mean(), 10 * np.log10(signal.sum() / error.sum())


def quality(data, n_clips, tool, scoring):
    sys.path.insert(0, str(scoring))
    import score

    score.HERE = str(scoring)
    import distillmos
    import torch

    torch.set_num_threads(1)
    model = distillmos.ConvTransformerSQAModel().eval()
    hear = score.Recogniser("en")
    snr, mos, errors, n_words, differ = [], [], np.zeros(2), 0, 0
    texts = {}
    with open(data / "manifest.tsv", encoding="utf8") as table:
        texts = {r["path"]: r for r in csv.DictReader(table, delimiter="\t") if r["text"] and r["lang"][:2] == "en"}
    chosen = [path for path, row in texts.items() if float(row["seconds"]) >= 3]
    random.Random(3).shuffle(chosen)
    chosen = chosen[:n_clips]
    for path in chosen:
        x, rate = mono(data / path)
        y = tool.mark(x, rate)
        snr.append(segmental_snr_db(x, y, rate))
        at_16k = [soxr.resample(v, rate, 16000).astype(np.float32) for v in (x, y)]
        with torch.no_grad():
            mos.append([float(model(torch.from_numpy(v)[None])[0]) for v in at_16k])
        wanted, heard = score.words(texts[path]["text"]), [hear(v) for v in at_16k]
        n_words += len(wanted.split())
        errors += [distance(wanted.split(), h.split()) for h in heard]
        differ += heard[0] != heard[1]
        if len(mos) % 10 == 0 or len(mos) == len(chosen):
            print(json.dumps(summary(np.array(snr), np.array(mos), errors / n_words, differ)), flush=True)


def summary(snr, mos, wer, differ):
    return {
        "clips": len(mos),
        "segmental_snr_db": round(float(snr[:, 0].mean()), 2),
        "segmental_snr_worst_db": round(float(snr[:, 0].min()), 2),
        "snr_db": round(float(snr[:, 1].mean()), 2),
        "distillmos": [round(float(v), 3) for v in mos.mean(axis=0)],
        "distillmos_change": round(float(np.diff(mos).mean()), 4),
        "distillmos_worst": round(float(np.diff(mos).min()), 3),
        "wer_percent": [round(float(100 * share), 2) for share in wer],
        "transcripts_that_differ": differ,
    }


def distance(a, b):
    """Words to insert, delete or replace."""
    row = list(range(len(b) + 1))
    for i, word in enumerate(a, 1):
        above, row = row, [i]
        for j, other in enumerate(b, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (word != other)))
    return row[-1]


def timing(data):
    x = np.concatenate([soxr.resample(x, rate, 22050) for rate, x in clips(data, 16)])[: 60 * 22050].astype(np.float32)
    tool = Ours()
    y = tool.mark(x, 22050)
    for what, run in {
        "mark 60 s": lambda: tool.mark(x, 22050),
        "mark 8 s": lambda: tool.mark(x[: 8 * 22050], 22050),
        "detect, marked": lambda: find(y, 22050),
        "detect, unmarked": lambda: find(x, 22050),
    }.items():
        best = [np.inf, np.inf]
        for _ in range(5):
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            best = [min(best[0], time.perf_counter() - wall), min(best[1], time.process_time() - cpu)]
        seconds = 8 if "8 s" in what else 60
        print(
            f"{what:18s} {seconds / best[1]:6.0f} x real time by cpu time, {seconds / best[0]:6.0f} by the clock",
            flush=True,
        )


def removal(data, n_clips):
    """Two attacks of our own: one that knows the key, one that only knows the method."""
    outcome = {"marked": [], "undone with the key": [], "another key, same strength": [], "another key, twice": []}
    loss = {name: [] for name in outcome}
    for rate, x in clips(data, n_clips):
        y = Ours().mark(x, rate)

        def remarked(patterns, start_s, y=y, rate=rate):
            marker = Watermarker(rate, 1, 0)
            marker._patterns, marker._start_s = patterns, start_s
            return np.concatenate([marker.push(y[:, None]), marker.finish()])[:, 0]

        marker = Watermarker(rate, 1, TAG)
        marker.push(x[:, None])
        marker.finish()
        known = tuple(-signs for signs in marker._patterns)
        other = mark.sync_signs(b"remover"), mark._draw_signs(b"remover too")
        versions = {
            "marked": y,
            "undone with the key": remarked(known, marker._start_s),
            "another key, same strength": remarked(other, 0.0),
            "another key, twice": remarked(tuple(2 * signs for signs in other), 0.0),
        }
        for name, z in versions.items():
            outcome[name].append(find(z, rate).decision == "yes")
            loss[name].append(segmental_snr_db(x, z, rate)[0])
    for name in outcome:
        print(f"{name:28s} detected {np.mean(outcome[name]):6.1%}   segmental SNR {np.mean(loss[name]):.1f} dB")


def main():
    warnings.filterwarnings("ignore")
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("part", choices=["detection", "alarms", "keys", "quality", "removal", "speed"])
    parser.add_argument("--clips", type=int, default=None)
    parser.add_argument("--hours", type=float, default=3.2)
    parser.add_argument("--key", default=mark.KEY.decode())
    parser.add_argument("--with", dest="tool", choices=["ours", "perth"], default="ours")
    parser.add_argument("--scoring", type=Path)
    given = parser.parse_args()
    tool = Perth() if given.tool == "perth" else Ours()
    if given.part == "detection":
        detection(given.data, given.clips or 200, tool)
    elif given.part == "alarms":
        alarms(given.data, given.hours, given.key.encode())
    elif given.part == "keys":
        wrong_keys(given.data, given.clips or 200)
    elif given.part == "quality":
        quality(given.data, given.clips or 40, tool, given.scoring)
    elif given.part == "removal":
        removal(given.data, given.clips or 40)
    else:
        timing(given.data)


if __name__ == "__main__":
    main()
