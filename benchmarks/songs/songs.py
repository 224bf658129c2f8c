"""What becomes of whole songs: melody, loudness, accompaniment and identity (docs/lab/songs.md).

    python -m benchmarks.songs.songs DATA VOICES WORK TARGET... [-- mixes | dry | instrument]...

DATA has songs/dev/evfree_*/vocals.opus and accompaniment.opus, whose sum is the mix, and in target/TARGET recordings of
whom VOICES has the voice TARGET. `mixes` converts each mix into each voice, `dry` its vocals alone, and the phrases of
songs/dev/solo; both judge finished results, and of a mix the converted stem, too. `instrument` compares each song's
melody with that of the same samples 10 ms later, or otherwise hardly changed: the least error that can be measured.
Prints a line a song and the means. Files that WORK holds are not made again.
"""

import sys
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyloudnorm
import soundfile
from swift_f0 import SwiftF0

import voiceswap
from voiceswap.audio.resample import resample
from voiceswap.conversion.voice import load
from voiceswap.model.speaker import SAMPLE_RATE_HZ as SPEAKER_RATE_HZ
from voiceswap.model.speaker import mean_embedding
from voiceswap.scoring.embedding import embed_recordings, speaker_encoder
from voiceswap.signal import loudness

STEMS = ("vocals", "accompaniment")
F0_RATE_HZ, F0_STEP_S, F0_CONFIDENCE = 16_000, 0.01, 0.5
F0_RANGE = {"fmin": 55.0, "fmax": 1000.0}
# Singing is absent where its true stem stays so low for so long.
ABSENT_DB, ABSENT_S = -60.0, 0.5
CONTOUR_S = 0.05


@lru_cache(maxsize=1)
def tracker():
    return SwiftF0(threads=1)


def mono(samples, rate_hz, to_hz):
    return resample(samples.mean(axis=1).astype(np.float32), rate_hz, to_hz)


def melody(samples):
    """F0 of (n_samples,) at 16 kHz every 10 ms by SwiftF0, 0 = unvoiced: as the evaluation kit has it."""
    found = tracker().detect(samples, F0_RATE_HZ, **F0_RANGE)
    times = np.arange(len(samples) // round(F0_STEP_S * F0_RATE_HZ)) * F0_STEP_S
    after = np.clip(np.searchsorted(found.timestamps, times), 1, len(found.timestamps) - 1)
    nearest = after - (times - found.timestamps[after - 1] < found.timestamps[after] - times)
    return np.where(found.confidence >= F0_CONFIDENCE, found.pitch_hz, 0.0)[nearest]


def agreement(source, made):
    """Correlation of log F0 and the error in cents on frames voiced in both, the transposition taken out."""
    n = min(len(source), len(made))
    both = (source[:n] > 0) & (made[:n] > 0)
    a, b = np.log2(source[:n][both]), np.log2(made[:n][both])
    cents = 1200 * (b - a)
    cents -= np.median(cents)
    return {
        "correlation": np.corrcoef(a, b)[0, 1],
        "cents": np.sqrt(np.mean(cents**2)),
        "cents_median": np.median(np.abs(cents)),
        "beyond_200": np.mean(np.abs(cents) > 200),
    }


def contour_db(source, made, voiced, rate_hz):
    """How far the loudness of (n_samples, n_channels) strays over voiced frames, rms in dB, a constant gain taken out.

    Loudness is the power of all channels together (ITU-R BS.1770): what one has against another is no part of it.
    """
    size = round(CONTOUR_S * rate_hz)
    n = min(len(source), len(made)) // size
    a, b = (10 * np.log10(np.square(x[: n * size]).reshape(n, -1).mean(axis=1) + 1e-12) for x in (source, made))
    step = round(CONTOUR_S / F0_STEP_S)
    frames = voiced[: n * step].reshape(-1, step).all(axis=1)
    apart = (b[: len(frames)] - a[: len(frames)])[frames]
    return np.sqrt(np.mean((apart - apart.mean()) ** 2))


def absent(vocals, rate_hz):
    """Samples of (n_samples,) where nobody sings."""
    levels = loudness.frame_levels_db(vocals, rate_hz)
    quiet, size = levels < ABSENT_DB, round(loudness.LEVEL_FRAME_S * rate_hz)
    least = round(ABSENT_S / loudness.LEVEL_FRAME_S)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]]).astype(int)))
    mask = np.zeros(len(levels) * size, bool)
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        if last - first >= least:
            # Without a tenth of a second at either end.
            mask[(first + 5) * size : (last - 5) * size] = True
    return mask[: len(vocals)]


def who(samples, rate_hz):
    return mean_embedding(speaker_encoder().embed_pieces(mono(samples, rate_hz, SPEAKER_RATE_HZ)))


@lru_cache
def target_of(folder):
    return embed_recordings(sorted(folder.iterdir())).vector


def likeness(made, vocals, rate_hz, target):
    made, singer = who(made, rate_hz), who(vocals, rate_hz)
    return {"to_target": made @ target, "to_singer": made @ singer, "nearer": float(made @ target > made @ singer)}


def level_db(samples):
    return 10 * np.log10(np.mean(np.square(samples, dtype=np.float64)) + 1e-15)


def stems(song):
    pair = [soundfile.read(song / f"{name}.opus", dtype="float32", always_2d=True) for name in STEMS]
    n, rate_hz = min(len(x) for x, _ in pair), pair[0][1]
    return pair[0][0][:n], pair[1][0][:n], rate_hz


def of_mix(song, voice, target, work):
    vocals, accompaniment, rate_hz = stems(song)
    mix = vocals + accompaniment
    kept, source = work / f"{song.name}.{voice.name}", work / f"{song.name}.wav"
    soundfile.write(source, mix, rate_hz, "FLOAT")
    # Not with_suffix: a voice's name may have a dot.
    output = kept.parent / f"{kept.name}.wav"
    if not output.exists():
        (made,) = voiceswap.convert(source, as_=voice.path, stems=kept, out=output, force=True)
        print(f"{made.times_real_time} times real time, {made.pitch_semitones:+} semitones", file=sys.stderr)
    result, _ = soundfile.read(output, dtype="float32", always_2d=True)
    found, converted = (
        soundfile.read(kept / f"{name}.wav", dtype="float32", always_2d=True)[0] for name in ("vocals", "converted")
    )
    truth = melody(mono(vocals, rate_hz, F0_RATE_HZ))
    outside = absent(vocals.mean(axis=1), rate_hz)
    meter = pyloudnorm.Meter(rate_hz)
    apart_db = converted_db = float("nan")
    if outside.any():
        # The whole result with its mark, which is louder than what is asked for; and the converted voice alone.
        apart_db, converted_db = (
            level_db(x[outside]) - level_db(accompaniment[outside]) for x in (result - accompaniment, converted)
        )
    # The singing in the finished result, with what the separator left of the singer.
    heard = result - accompaniment
    return {
        **agreement(truth, melody(mono(converted, rate_hz, F0_RATE_HZ))),
        **{f"finished_{k}": v for k, v in agreement(truth, melody(mono(heard, rate_hz, F0_RATE_HZ))).items()},
        "separated_correlation": agreement(truth, melody(mono(found, rate_hz, F0_RATE_HZ)))["correlation"],
        "separated_cents": agreement(truth, melody(mono(found, rate_hz, F0_RATE_HZ)))["cents"],
        "contour_db": contour_db(found, converted, truth > 0, rate_hz),
        "loudness_db": meter.integrated_loudness(result) - meter.integrated_loudness(mix),
        "outside_db": apart_db,
        "converted_outside_db": converted_db,
        "outside_s": outside.sum() / rate_hz,
        "peak": np.abs(result).max(),
        **likeness(converted, vocals, rate_hz, target),
    }


def of_dry(source, name, voice, target, work):
    output = work / f"{name}.dry.{voice.name}.wav"
    samples, rate_hz = soundfile.read(source, dtype="float32", always_2d=True)
    if not output.exists():
        voiceswap.convert(source, as_=voice.path, mode="dry", out=output)
    result, _ = soundfile.read(output, dtype="float32", always_2d=True)
    n = min(len(samples), len(result))
    truth = melody(mono(samples[:n], rate_hz, F0_RATE_HZ))
    return {
        **agreement(truth, melody(mono(result[:n], rate_hz, F0_RATE_HZ))),
        "contour_db": contour_db(samples[:n], result[:n], truth > 0, rate_hz),
        **likeness(result[:n], samples[:n], rate_hz, target),
    }


def of_instrument(song):
    samples = mono(stems(song)[0], stems(song)[2], F0_RATE_HZ)
    truth, later = melody(samples), round(F0_STEP_S * F0_RATE_HZ)
    sharp = np.append(samples[0], samples[1:] - 0.9 * samples[:-1]).astype(np.float32)
    return {
        "10 ms later": agreement(truth, melody(np.pad(samples, (later, 0)))[1:]),
        "20 dB quieter": agreement(truth, melody(samples * np.float32(0.1))),
        "pre-emphasised": agreement(truth, melody(sharp)),
    }


def shown(label, row):
    print(label, " ".join(f"{name} {value:.3f}" for name, value in row.items()), flush=True)


def mean(rows):
    return {name: float(np.nanmean([row[name] for row in rows])) for name in rows[0]}


def main(data, voices, work, targets, parts):
    songs = sorted((data / "songs" / "dev").glob("evfree_*"))
    work.mkdir(parents=True, exist_ok=True)
    if "instrument" in parts:
        for song in songs:
            for label, row in of_instrument(song).items():
                shown(f"{song.name}, {label}:", row)
    opened = [load(target, voices) for target in targets]
    phrases = [(p, p.stem) for p in sorted((data / "songs" / "dev" / "solo").glob("*.flac"))]
    for kind, sources in (("vocals", [(s / "vocals.opus", s.name) for s in songs]), ("solo phrases", phrases)):
        rows = []
        for voice in opened if "dry" in parts else ():
            for source, name in sources:
                rows.append(of_dry(source, name, voice, target_of(data / "target" / voice.name), work))
                shown(f"{name}, dry, as {voice.name}:", rows[-1])
        if rows:
            shown(f"mean of the dry {kind}:", mean(rows))
    rows = []
    for voice in opened if "mixes" in parts else ():
        for song in songs:
            rows.append(of_mix(song, voice, target_of(data / "target" / voice.name), work))
            shown(f"{song.name} as {voice.name}:", rows[-1])
    if rows:
        shown("mean:", mean(rows))


if __name__ == "__main__":
    arguments = sys.argv[1:]
    parts = arguments[arguments.index("--") + 1 :] if "--" in arguments else ["mixes", "dry", "instrument"]
    arguments = arguments[: arguments.index("--")] if "--" in arguments else arguments
    if len(arguments) < 4:
        sys.exit(__doc__)
    data, voices, work = map(Path, arguments[:3])
    main(data, voices, work, arguments[3:], parts)
