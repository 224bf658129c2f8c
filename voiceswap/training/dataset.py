"""Recordings to features to seeded batches."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from voiceswap.arrays import Array
from voiceswap.audio.read import read_parts
from voiceswap.audio.resample import resample
from voiceswap.config import Config, FeatureConfig, TrainConfig
from voiceswap.errors import AudioError, UsageError
from voiceswap.events import Note, OnEvent, Progress
from voiceswap.model.encoder import ContentEncoder
from voiceswap.signal import features, loudness
from voiceswap.signal.f0 import estimate_f0
from voiceswap.signal.loudness import remove_dc
from voiceswap.signal.perturb import perturb_speech
from voiceswap.signal.world import analyse_world
from voiceswap.storage import atomic

# Changes whenever the same recording would give other features.
CACHE_VERSION = 6
HELD_OUT_EVERY = 10
# With less speech no voice is trained; with less than enough it is, with a warning.
MIN_SPEECH_S = 30.0
ENOUGH_SPEECH_S = 180.0
MAX_SPEECH_S = 3600.0
# Long recordings are heard in parts of ten minutes, so that ten hours take the memory of one.
PART_S = 600.0


@dataclass(frozen=True)
class Clip:
    """Features of one stretch of speech.

    Attributes:
        contents: Content of the recording and of its perturbed copies, each (n_vectors, content_dim), float16.
        mel: Shape (n_frames, n_mels), natural log, float16.
        f0_hz: Shape (n_frames,), float32.
        source: The recording that it was heard in.
    """

    contents: tuple[Array, ...]
    mel: Array
    f0_hz: Array
    source: Path


@dataclass(frozen=True)
class Speech:
    """One person's clips, and what the reading of their recordings came to.

    Attributes:
        clips: In the order of the recordings.
        n_files: How many recordings there are.
        skipped: Those that cannot be used, each with the reason.
        speech_s: Seconds of speech in the clips.
        total_s: Seconds that were read, pauses and all.
        data_sha256: Names these very recordings, in whatever order.
    """

    clips: tuple[Clip, ...]
    n_files: int
    skipped: tuple[tuple[Path, str], ...]
    speech_s: float
    total_s: float
    data_sha256: str

    @property
    def training(self) -> tuple[Clip, ...]:
        """The clips to learn from."""
        return tuple(c for i, c in enumerate(self.clips) if not self._is_held_out(i))

    @property
    def held_out(self) -> tuple[Clip, ...]:
        """The tenth that is kept apart to judge by."""
        return tuple(c for i, c in enumerate(self.clips) if self._is_held_out(i))

    def _is_held_out(self, i: int) -> bool:
        # Few clips: the last one; else every tenth, spread over the recordings.
        every = min(HELD_OUT_EVERY, len(self.clips))
        return i % every == every - 1 and len(self.clips) > 1


def prepare_speech(
    name: str,
    files: Sequence[Path],
    encoder: ContentEncoder,
    encoder_id: str,
    config: Config,
    cache: Path,
    on_event: OnEvent,
) -> Speech:
    """Features of one person's recordings, out of the cache where these very recordings were seen before.

    Args:
        name: Who, for the events.
        files: Recordings; those that cannot be read are skipped with their reason.
        encoder: The content encoder.
        encoder_id: What names the encoder's weights in the cache.
        config: Framing, and how many perturbed copies.
        cache: Folder of the feature cache.
        on_event: Called with each event.

    Returns:
        The clips in the order of the files.

    Raises:
        WriteError: The cache cannot be written.
    """
    digests = {path: hash_file(path) for path in files}
    fingerprint = {
        "version": CACHE_VERSION,
        "features": config.features.model_dump(mode="json"),
        "encoder": encoder_id,
        "copies": config.train.perturbed_copies,
        "rooms": config.train.perturbed_rooms,
        "files": list(digests.values()),
    }
    data_sha256 = hashlib.sha256(json.dumps(sorted(digests.values())).encode()).hexdigest()
    entry = cache / f"{hashlib.sha256(json.dumps(fingerprint, sort_keys=True).encode()).hexdigest()}.safetensors"
    arrays = load_cached(entry)
    if arrays is None:
        atomic.make_folder(cache)
        atomic.sweep(cache)
        arrays, reasons = _extract(name, files, encoder, config, on_event)
        arrays["skipped"] = np.frombuffer(json.dumps(reasons).encode(), dtype=np.uint8)
        atomic.write_bytes(entry, save(arrays))
    reasons = json.loads(arrays["skipped"].tobytes())
    clips = _unpack(arrays, config.train.perturbed_copies, files)
    return Speech(
        clips=clips,
        n_files=len(files),
        skipped=tuple((files[int(i)], reason) for i, reason in reasons.items()),
        speech_s=sum(len(c.mel) for c in clips) / config.features.frames_per_s,
        total_s=float(arrays["total_s"][0]),
        data_sha256=data_sha256,
    )


def hash_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return f"unreadable: {error.strerror}"


def load_cached(entry: Path) -> dict[str, Array] | None:
    try:
        return load(entry.read_bytes())
    except (OSError, SafetensorError):
        return None


def _extract(
    name: str, files: Sequence[Path], encoder: ContentEncoder, config: Config, on_event: OnEvent
) -> tuple[dict[str, Array], dict[str, str]]:
    extraction = _Extraction(config)
    reasons: dict[str, str] = {}
    for i, path in enumerate(files):
        on_event(Progress(name, "reading", i, len(files)))
        try:
            if not extraction.add(path, i):
                reasons[str(i)] = "no speech found"
        except (AudioError, UsageError) as error:
            reasons[str(i)] = error.message
        if extraction.speech_s > MAX_SPEECH_S:
            on_event(Note(f"{name}: only the first {MAX_SPEECH_S / 60:.0f} minutes of speech are used", warning=True))
            break
    contents = []
    for copy, mels in enumerate(extraction.encoder_mels):
        on_event(Progress(name, "listening", copy, len(extraction.encoder_mels)))
        contents.append(encode_clips(encoder, mels, backwards=copy % 2 == 1))
    arrays: dict[str, Array] = {
        "total_s": np.array([extraction.total_s]),
        "sources": np.array(extraction.sources, np.int64),
    }
    for j, (mel, f0) in enumerate(zip(extraction.mels, extraction.f0s, strict=True)):
        arrays[f"mel_{j}"], arrays[f"f0_{j}"] = mel, f0
        for copy, of_copy in enumerate(contents):
            arrays[f"content_{j}_{copy}"] = np.ascontiguousarray(of_copy[j].astype(np.float16))
    return arrays, reasons


class _Extraction:
    """What has been heard of one person so far, clip by clip."""

    def __init__(self, config: Config) -> None:
        self._features, self._train = config.features, config.train
        self.mels: list[Array] = []
        self.f0s: list[Array] = []
        self.sources: list[int] = []
        self.encoder_mels: list[list[Array]] = [[] for _ in range(1 + self._train.perturbed_copies)]
        self.total_s = self.speech_s = 0.0

    def add(self, path: Path, index: int) -> int:
        """Hear one recording, up to the most that is used; the number of clips found. Of a damaged one nothing is."""
        n_before, total_s, speech_s = len(self.mels), self.total_s, self.speech_s
        try:
            return self._hear(path, index)
        except (AudioError, UsageError):
            per_clip: tuple[list[Any], ...] = (self.mels, self.f0s, self.sources, *self.encoder_mels)
            for of_clips in per_clip:
                del of_clips[n_before:]
            self.total_s, self.speech_s = total_s, speech_s
            raise

    def _hear(self, path: Path, index: int) -> int:
        f, n_clips = self._features, 0
        for samples in read_levelled_parts(path, f):
            self.total_s += len(samples) / f.mel_rate_hz
            for piece in cut_clips(samples, f):
                self.speech_s += len(piece) / f.mel_rate_hz
                self.mels.append(features.decoder_mel(piece, f).astype(np.float16))
                self.f0s.append(estimate_f0(piece, f))
                self.sources.append(index)
                copies = perturb_copies(piece, f, self._train, seed=[index, n_clips])
                for mels, samples_of_copy in zip(self.encoder_mels, [piece, *copies], strict=True):
                    mels.append(encoder_mel(samples_of_copy, f))
                n_clips += 1
            if self.speech_s > MAX_SPEECH_S:
                break
        return n_clips


def read_levelled_parts(path: Path, config: FeatureConfig) -> Iterator[Array]:
    """A recording at `mel_rate_hz`, without its offset, in parts (n_samples,); raises UsageError or AudioError."""
    return remove_dc(read_parts(path, config.mel_rate_hz, PART_S), config.mel_rate_hz)


def cut_clips(samples: Array, config: FeatureConfig) -> list[Array]:
    """Speech cut at its pauses, silence left out, each clip at the same level.

    Args:
        samples: Shape (n_samples,), float32, at `mel_rate_hz`.
        config: Rate and level.

    Returns:
        Clips of shape (n,), float32, about 0.6 to 14 s each.
    """
    segments = loudness.speech_segments(samples, config.mel_rate_hz)
    return [normalise_level(samples[start:stop], config) for start, stop in segments]


def normalise_level(samples: Array, config: FeatureConfig) -> Array:
    """The samples with their speech at `speech_level_db`, unclipped."""
    level_db = loudness.active_level_db(loudness.frame_levels_db(samples, config.mel_rate_hz))
    return loudness.limit(samples * np.float32(10 ** ((config.speech_level_db - level_db) / 20)))


def encoder_mel(samples: Array, config: FeatureConfig) -> Array:
    """The encoder's mel of samples (n,) at `mel_rate_hz`."""
    return features.encoder_mel(resample(samples, config.mel_rate_hz, config.content_rate_hz), config)


def encode_clips(encoder: ContentEncoder, mels: Sequence[Array], *, backwards: bool) -> list[Array]:
    """Content of many pieces, packed into windows in their order or, `backwards`, in the opposite one.

    What a moment sounds like to the encoder hangs on its place in the window and on its neighbours; a copy that lies
    elsewhere, beside others, tells how much.
    """
    return encoder.encode_pieces(mels[::-1])[::-1] if backwards else encoder.encode_pieces(mels)


def perturb_copies(piece: Array, config: FeatureConfig, train: TrainConfig, seed: list[int]) -> list[Array]:
    """Perturbed copies of one clip: formants up and down in turn.

    Args:
        piece: Shape (n_samples,), float32, at `mel_rate_hz`.
        config: Rate, frame length and F0 range.
        train: How many, and whether through other microphones and rooms, too.
        seed: What the copies are drawn by.

    Returns:
        `perturbed_copies` arrays of the piece's shape, float32.
    """
    if not train.perturbed_copies:
        return []
    analysis = analyse_world(piece, config)
    return [
        perturb_speech(
            analysis,
            np.random.default_rng([*seed, copy]),
            up=(sum(seed) + copy) % 2 == 1,
            rooms=train.perturbed_rooms,
        )
        for copy in range(train.perturbed_copies)
    ]


def _unpack(arrays: dict[str, Array], n_copies: int, files: Sequence[Path]) -> tuple[Clip, ...]:
    n_clips = sum(key.startswith("mel_") for key in arrays)
    return tuple(
        Clip(
            tuple(arrays[f"content_{j}_{copy}"] for copy in range(1 + n_copies)),
            arrays[f"mel_{j}"],
            arrays[f"f0_{j}"],
            files[arrays["sources"][j]],
        )
        for j in range(n_clips)
        if len(arrays[f"content_{j}_0"])
    )
