"""What it takes to remove the mark: attacks of our own on marked speech, what they leave of it, and of the sound.

    python -m benchmarks.watermark.attack make DATA WORK [--clips 10] [--only ATTACK ...]
    SCORER_PYTHON -m benchmarks.watermark.attack score WORK

DATA as for mark.py. `make` marks clips, attacks them, looks for the mark, writes what is left into WORK, and prints a
table; `score` adds DistillMOS, and runs in any Python that has distillmos, torch, soundfile and soxr.
"""

import argparse
import inspect
import time
from pathlib import Path

import numpy as np
import soundfile
import soxr

RATE_HZ = 22_050


def nothing(y):
    return y


def key_and_detector(y):
    """Whoever reads the source: the detector finds beginning and tag, and the marker runs with its signs turned."""
    from voiceswap.provenance import watermark as mark
    from voiceswap.provenance.detector import detect_watermark
    from voiceswap.provenance.watermark import Watermarker

    tag = detect_watermark(iter([y[:, None]]), RATE_HZ).tag
    marker = Watermarker(RATE_HZ, 1, tag or 0)
    sync, codes = marker._patterns
    marker._patterns = -sync, -codes if tag is not None else 0 * codes
    agreement = mark.correlation(mark._fold_start(y[:, None], RATE_HZ), sync)
    marker._start_s = float(np.argmax(agreement)) * mark.STEP_S
    return np.concatenate([marker.push(y[:, None]), marker.finish()])[:, 0]


def random_levels(most_db):
    """Whoever knows the method: each cell of 40 ms and 130 Hz becomes louder or softer, at random."""

    def attack(y):
        from scipy.signal import istft, stft

        _, _, spectra = stft(y, RATE_HZ, nperseg=1764)
        rng = np.random.default_rng(1)
        cells = rng.uniform(-most_db, most_db, (len(spectra) // 10 + 1, spectra.shape[1]))
        return istft(spectra * 10 ** (np.repeat(cells, 10, axis=0)[: len(spectra)] / 20), RATE_HZ, nperseg=1764)[1]

    return attack


def telephone(y):
    """Everything but 300 to 3400 Hz thrown away."""
    from scipy.signal import butter, sosfiltfilt

    return sosfiltfilt(butter(6, (300, 3400), "bandpass", fs=RATE_HZ, output="sos"), y)


def opus_12k(y):
    """A codec at a tenth of the usual rate."""
    from benchmarks.watermark import mark

    coded, rate = mark.opus(y, RATE_HZ, 12)
    return soxr.resample(coded, rate, RATE_HZ)


def pitch_shift(y):
    """Two semitones down: more than the detector looks for."""
    import librosa

    return librosa.effects.pitch_shift(y, sr=RATE_HZ, n_steps=-2)


def speed(y):
    """Played 8 percent faster: a little more than the detector looks for. Cut to the same length."""
    return soxr.resample(y, RATE_HZ * 1.08, RATE_HZ)


def world(y):
    """Taken apart into F0, envelope and aperiodicity by WORLD, and put together again."""
    from voiceswap.config import FeatureConfig
    from voiceswap.signal.world import analyse_world, warp_world

    return warp_world(analyse_world(y, FeatureConfig()), f0_ratio=1.0, envelope_ratio=1.0)


def vocoder(y):
    """Taken apart into a mel spectrogram, and made anew by the vocoder that voiceswap ships."""
    from voiceswap.model.base import load_base
    from voiceswap.signal.features import decoder_mel

    base = load_base()
    return base.vocoder(decoder_mel(y, base.config.features))


def converted_again(y):
    """Converted by voiceswap without a mark, into the voice that training starts from."""
    from voiceswap.audio.source import array_source
    from voiceswap.conversion.analysis import analyse
    from voiceswap.conversion.engine import Settings
    from voiceswap.conversion.stream import convert_stream
    from voiceswap.conversion.voice import base_speaker, engine_of
    from voiceswap.model.base import load_base

    base = load_base()
    engine = engine_of(base, base_speaker(base))
    source = array_source(y[:, None], RATE_HZ)
    return np.concatenate(list(convert_stream(source, analyse(source, base.config), engine, Settings())))[:, 0]


ATTACKS = {
    "none": nothing,
    "key and detector": key_and_detector,
    "random levels, 3 dB": random_levels(3),
    "random levels, 6 dB": random_levels(6),
    "random levels, 12 dB": random_levels(12),
    "telephone": telephone,
    "opus 12k": opus_12k,
    "pitch -2 semitones": pitch_shift,
    "speed +8 %": speed,
    "WORLD": world,
    "vocoder": vocoder,
    "converted again": converted_again,
}


def make(data, work, n_clips, only):
    from benchmarks.watermark import mark as figures

    work.mkdir(parents=True, exist_ok=True)
    rows = {name: [] for name in only or ATTACKS}
    for i, (rate, clip) in enumerate(figures.clips(data, n_clips, seed=11)):
        x = soxr.resample(clip, rate, RATE_HZ).astype(np.float32)
        y = figures.Ours().mark(x, RATE_HZ)
        soundfile.write(work / f"{i:03d} unmarked.flac", x, RATE_HZ)
        for name in rows:
            began = time.process_time()
            z = np.asarray(ATTACKS[name](y), np.float32)[: len(y)]
            took_s = time.process_time() - began
            z = np.pad(z, (0, len(y) - len(z)))
            found = figures.find(z, RATE_HZ)
            snr_db = float(figures.segmental_snr_db(x, z, RATE_HZ)[0])
            rows[name].append(
                [found.decision, found.p_value, found.tag == figures.TAG, snr_db, took_s * RATE_HZ / len(y)]
            )
            soundfile.write(work / f"{i:03d} {name}.flac", np.clip(z, -1, 1), RATE_HZ)
        table(rows)


def table(rows):
    for name, found in rows.items():
        decisions, p_values, tags, snr_db, cost = zip(*found, strict=True)
        shares = [np.mean([d == word for d in decisions]) for word in ("yes", "uncertain")]
        n_lines = len(inspect.getsource(ATTACKS[name]).splitlines())
        print(
            f"{name:22s} yes {shares[0]:4.0%} uncertain {shares[1]:4.0%} tag {np.mean(tags):4.0%} "
            f"median p {np.median(p_values):7.1g} segmental SNR {np.mean(snr_db):5.1f} dB, {n_lines} lines, "
            f"{np.median(cost):.2f} s of processor a second",
            flush=True,
        )


def score(work):
    import distillmos
    import torch

    torch.set_num_threads(1)
    model = distillmos.ConvTransformerSQAModel().eval()
    for name in ("unmarked", *ATTACKS):
        scores = []
        for path in sorted(work.glob(f"* {name}.flac")):
            x, rate = soundfile.read(path, dtype="float32")
            with torch.no_grad():
                scores.append(
                    float(model(torch.from_numpy(soxr.resample(x, rate, 16_000).astype(np.float32))[None])[0])
                )
        print(f"{name:22s} DistillMOS {np.mean(scores):.2f} ({len(scores)} clips)", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=["make", "score"])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--clips", type=int, default=10)
    parser.add_argument("--only", action="append", choices=list(ATTACKS), help="one attack; may be repeated")
    given = parser.parse_args()
    if given.part == "make":
        make(*given.folders, given.clips, given.only)
    else:
        score(*given.folders)


if __name__ == "__main__":
    main()
