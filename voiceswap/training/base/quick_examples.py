"""What the quick vocoder learns from: recordings with their mel, melody and the phase of their own fundamental."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from safetensors.numpy import save
from scipy.ndimage import gaussian_filter1d
from scipy.signal import oaconvolve

from voiceswap.arrays import Array
from voiceswap.audio.read import read_parts
from voiceswap.config import Config, FeatureConfig
from voiceswap.errors import AudioError, UsageError
from voiceswap.model.vocoders.quick_vocoder import make_inputs, noise_scale
from voiceswap.signal.excitation import follow_melody, integrate_f0, make_pulses
from voiceswap.signal.f0 import estimate_f0, interpolate_f0
from voiceswap.signal.features import SILENT_MEL, decoder_mel, stft_magnitudes
from voiceswap.signal.loudness import remove_dc
from voiceswap.storage import atomic
from voiceswap.training.dataset import hash_file, load_cached, normalise_level

# Changes whenever the same recording would give other examples.
CACHE_VERSION = 1
# Recordings are heard in parts, of each person no more than this.
PART_S = 30.0
MAX_S = 900.0
# Bands above the mel's that a recording must have, and how loud they are at least beside its loudest.
WIDE_HZ = (8200.0, 10_700.0)
WIDE_SHARE = 1e-4
# Recordings that have these bands are drawn so many times as often.
WIDE_WEIGHT = 2.0
# The fundamental's phase is heard over so many frames to either side, and smoothed by a Gaussian of this width: finer
# irregularities are nothing that a melody could tell when the vocoder is used.
HEARD_FRAMES = 2
SMOOTH_FRAMES = 5.0
# Crops are made softer and louder, in dB.
GAIN_DB = (-8.0, 3.0)
INT16_SCALE = 32767


@dataclass(frozen=True)
class Example:
    """A stretch of a recording.

    Attributes:
        samples: Shape (n_frames * hop_samples,), int16.
        mel: Shape (n_frames, n_mels), natural log, float16.
        f0_hz: Shape (n_frames,), float32, interpolated through unvoiced frames.
        voiced: Shape (n_frames,), bool.
        angle: Shape (n_frames,), float32, in periods: how far the recording's fundamental is ahead of the integral of
            its F0, so that pulses fall where the recording's do.
        is_wide: Shape (1,), bool: whether there is sound above the mel's bands.
    """

    samples: Array
    mel: Array
    f0_hz: Array
    voiced: Array
    angle: Array
    is_wide: Array


@dataclass(frozen=True)
class QuickBatch:
    """Crops for the quick vocoder; all float32.

    Attributes:
        inputs: Shape (batch, n_frames, 2 * n_mels + 3): what its network is given.
        mel: Shape (batch, n_frames, n_mels), natural log.
        pulses: Shape (batch, n_frames * hop_samples + n_fft - step_samples), like `noise`, `cosine`, `sine`: as
            `vocoders.quick_vocoder.Excitation` has them.
        noise: See there.
        cosine: See there.
        sine: See there.
        samples: Shape (batch, n_frames * hop_samples): what was recorded.
        is_wide: Shape (batch,), 0 or 1.
    """

    inputs: Array
    mel: Array
    pulses: Array
    noise: Array
    cosine: Array
    sine: Array
    samples: Array
    is_wide: Array

    def cut(self, start: int, stop: int) -> QuickBatch:
        """Some of the crops."""
        return QuickBatch(*(getattr(self, field.name)[start:stop] for field in fields(self)))


def prepare_examples(
    files: Sequence[Path], config: Config, cache: Path, on_recording: Callable[[], None]
) -> list[Example]:
    """Examples of one person's recordings, out of the cache where these very recordings were seen before.

    Args:
        files: Recordings; those that cannot be read are left out.
        config: Framing.
        cache: Folder of the feature cache.
        on_recording: Called before each recording that is read.

    Returns:
        The examples, in the order of the recordings.

    Raises:
        WriteError: The cache cannot be written.
    """
    fingerprint = {
        "quick_vocoder": CACHE_VERSION,
        "features": config.features.model_dump(mode="json"),
        "files": [hash_file(path) for path in files],
    }
    entry = cache / f"{hashlib.sha256(json.dumps(fingerprint, sort_keys=True).encode()).hexdigest()}.safetensors"
    arrays = load_cached(entry)
    if arrays is None:
        atomic.make_folder(cache)
        atomic.sweep(cache)
        examples = _hear_all(files, config.features, on_recording)
        arrays = {
            f"{field.name}_{i:05d}": np.ascontiguousarray(getattr(example, field.name))
            for i, example in enumerate(examples)
            for field in fields(Example)
        }
        atomic.write_bytes(entry, save(arrays))
    n_examples = sum(name.startswith("samples_") for name in arrays)
    return [Example(*(arrays[f"{field.name}_{i:05d}"] for field in fields(Example))) for i in range(n_examples)]


def _hear_all(files: Sequence[Path], config: FeatureConfig, on_recording: Callable[[], None]) -> list[Example]:
    examples: list[Example] = []
    heard_s = 0.0
    for path in files:
        on_recording()
        of_recording: list[Example] = []
        try:
            for samples in remove_dc(read_parts(path, config.mel_rate_hz, PART_S), config.mel_rate_hz):
                if len(samples) >= config.n_fft and np.abs(samples).max() > 0:
                    of_recording.append(make_example(normalise_level(samples, config), config))
        except (AudioError, UsageError):
            continue
        examples += of_recording
        heard_s += sum(len(example.mel) for example in of_recording) / config.frames_per_s
        if heard_s >= MAX_S:
            break
    return examples


def make_example(samples: Array, config: FeatureConfig) -> Example:
    """An example of samples (n_samples,), float32, at `mel_rate_hz` and at the level of speech."""
    mel = decoder_mel(samples, config)
    f0_hz = estimate_f0(samples, config)
    n_frames = min(len(mel), len(f0_hz))
    samples = samples[: n_frames * config.hop_samples]
    f0_hz = f0_hz[:n_frames]
    curve = interpolate_f0(f0_hz, config.frames_per_s).astype(np.float32)
    return Example(
        np.rint(np.clip(samples, -1, 1) * INT16_SCALE).astype(np.int16),
        mel[:n_frames].astype(np.float16),
        curve,
        f0_hz > 0,
        find_angle(samples, curve, f0_hz > 0, config),
        np.array([has_top(samples, config)]),
    )


def has_top(samples: Array, config: FeatureConfig) -> bool:
    """Whether samples (n_samples,) have sound above the mel's bands, as those of a telephone or at 16 kHz have not."""
    spectrum = stft_magnitudes(samples, config.n_fft, config.n_fft).mean(axis=0)
    low, high = (round(hz * config.n_fft / config.mel_rate_hz) for hz in WIDE_HZ)
    return bool(spectrum[low:high].mean() > WIDE_SHARE * spectrum.max())


def find_angle(samples: Array, f0_hz: Array, voiced: Array, config: FeatureConfig) -> Array:
    """How far a recording's fundamental is ahead of the integral of its F0.

    Args:
        samples: Shape (n_frames * hop_samples,).
        f0_hz: Shape (n_frames,), interpolated through unvoiced frames.
        voiced: Shape (n_frames,), bool.
        config: Framing.

    Returns:
        Shape (n_frames,), float32, in periods, without leaps, in straight lines through what is not voiced.
    """
    at_frames = np.flatnonzero(voiced)
    if not len(at_frames):
        return np.zeros(len(f0_hz), np.float32)
    _, periods = follow_melody(f0_hz, integrate_f0(f0_hz, config), 0, len(samples), config)
    # Shifted down by F0, the fundamental is what remains after smoothing.
    window = np.hanning(2 * HEARD_FRAMES * config.hop_samples + 1)
    shifted = oaconvolve(samples * np.exp(-2j * np.pi * periods), window / window.sum(), mode="same")
    centres = shifted[config.hop_samples // 2 :: config.hop_samples]
    unwrapped = np.unwrap(np.angle(centres[at_frames])) / (2 * np.pi)
    angle = np.interp(np.arange(len(f0_hz)), at_frames, unwrapped)
    return gaussian_filter1d(angle, SMOOTH_FRAMES, mode="nearest").astype(np.float32)


class QuickSampler:
    """Draws crops of examples; a batch is a function of (seed, step).

    Args:
        examples: Each at least `crop_frames` long.
        sources: The recording of each, or the folder of the person.
        config: How long crops are, how many to a batch.
        seed: Names the batches.
    """

    def __init__(self, examples: Sequence[Example], sources: Sequence[Path], config: Config, seed: int) -> None:
        self._examples = examples
        self._sources = sources
        self._config = config
        self._seed = seed
        weights = [len(e.mel) * (WIDE_WEIGHT if e.is_wide[0] else 1.0) for e in examples]
        self._shares = np.array(weights) / np.sum(weights)

    def batch(self, step: int) -> QuickBatch:
        """The batch of one step."""
        random = np.random.default_rng([self._seed, step])
        chosen = random.choice(len(self._examples), self._config.train.batch, p=self._shares)
        crops = []
        for i in chosen:
            n_spare = len(self._examples[i].mel) - self._config.train.crop_frames
            first = int(random.integers(0, n_spare + 1))
            crops.append(make_crop(self._examples[i], first, float(random.uniform(*GAIN_DB)), random, self._config))
        return stack_crops(crops)

    def sources(self, step: int) -> list[Path]:
        """The recordings that the batch of one step is drawn from, sorted."""
        random = np.random.default_rng([self._seed, step])
        chosen = random.choice(len(self._examples), self._config.train.batch, p=self._shares)
        return sorted({self._sources[i] for i in chosen})


def make_held_out(examples: Sequence[Example], config: Config, n_crops: int) -> QuickBatch:
    """About so many crops, evenly picked from examples, at their own level, always with the same noise."""
    n_frames = config.train.crop_frames
    places = [(e, first) for e in examples for first in range(0, len(e.mel) - n_frames + 1, n_frames)]
    picked = places[:: max(1, len(places) // n_crops)]
    random = np.random.default_rng(0)
    return stack_crops([make_crop(example, first, 0.0, random, config) for example, first in picked])


def make_crop(
    example: Example, first: int, gain_db: float, random: np.random.Generator, config: Config
) -> tuple[Array, ...]:
    """A crop of `crop_frames` frames: the fields of QuickBatch, without the batch."""
    f = config.features
    hop = f.hop_samples
    n_frames = config.train.crop_frames
    frames = slice(first, first + n_frames)
    gain = np.float32(10 ** (gain_db / 20))
    mel = np.maximum(example.mel[frames].astype(np.float32) + np.log(gain), SILENT_MEL)
    inputs = make_inputs(mel, example.f0_hz[frames], example.voiced[frames], f, is_wide=bool(example.is_wide[0]))
    margin = (config.quick_vocoder.n_fft - config.quick_vocoder.step_samples) // 2
    n_samples = n_frames * hop + 2 * margin
    start = first * hop - margin
    f0_hz, periods = follow_melody(example.f0_hz, integrate_f0(example.f0_hz, f), start, n_samples, f)
    at_frames = (np.arange(start, start + n_samples) + 0.5) / hop - 0.5
    periods = periods + np.interp(at_frames, np.arange(len(example.angle)), example.angle)
    periods -= np.round(periods)
    pulses = make_pulses(f0_hz, periods, f.mel_rate_hz) / np.float32(hop)
    noise = random.standard_normal(n_samples, np.float32) * np.float32(noise_scale(f))
    samples = example.samples[first * hop : (first + n_frames) * hop].astype(np.float32) * (gain / INT16_SCALE)
    phase = (2 * np.pi * periods).astype(np.float32)
    is_wide = np.asarray(example.is_wide[0])
    return inputs, mel, pulses, noise, np.cos(phase), np.sin(phase), samples, is_wide


def stack_crops(crops: Sequence[tuple[Array, ...]]) -> QuickBatch:
    """Crops as a batch."""
    return QuickBatch(*(np.stack(each).astype(np.float32) for each in zip(*crops, strict=True)))
