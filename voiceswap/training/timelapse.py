"""How a voice comes to be: one held-out sentence said by it whenever it has become better, kept as files.

    .runs/speakerA/timelapse/source.flac             a sentence of speakerB, whom this voice never hears
                             real.flac               a held-out sentence of speakerA
                             step-00000000.flac ...  speakerB's sentence as speakerA, at the steps that were best

Nothing here changes what is learnt: the same weights come out with and without it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import numpy as np

from voiceswap.arrays import Array, Arrays
from voiceswap.audio.read import AudioInfo, read_mono
from voiceswap.audio.source import array_source
from voiceswap.audio.write import Writer
from voiceswap.config import Config, FeatureConfig
from voiceswap.conversion.analysis import Analysis, analyse
from voiceswap.conversion.engine import Engine, Settings
from voiceswap.conversion.speaker import open_speaker
from voiceswap.conversion.stream import convert_stream
from voiceswap.conversion.voice import find_pitch, weights_sha256
from voiceswap.errors import AudioError, ModelError, UsageError
from voiceswap.model.base import Base
from voiceswap.model.encoder import ContentEncoder
from voiceswap.model.weights import to_half
from voiceswap.provenance import record
from voiceswap.provenance.record import file_sha256, record_tags
from voiceswap.provenance.watermark import Watermarker
from voiceswap.signal.f0 import F0Range
from voiceswap.storage import atomic
from voiceswap.training.dataset import HELD_OUT_EVERY, cut_clips, read_levelled_parts
from voiceswap.training.loop import Check
from voiceswap.version import __version__

FOLDER, SOURCE, REAL = "timelapse", "source.flac", "real.flac"
FRAME_NAME = re.compile(r"step-(\d{8,})\.flac")
# A sentence shorter than this is only taken if there is none that is longer.
ENOUGH_S = 2.0
# ... and no more is taken than this, about three seconds.
MAX_SENTENCE_FRAMES = 256
FADE_S = 0.03
LOOKED_THROUGH = 60
# Beyond this every second one goes: a few megabytes at most.
MAX_FRAMES = 24
# Of all the time that the training is going to take, as far as can be told; then only the last frame is yet to come.
MAX_SHARE = 0.05


def find_sentence(files: Sequence[Path], config: FeatureConfig) -> Array | None:
    """One held-out stretch of someone's speech.

    Args:
        files: Their recordings, in the order in which they are trained on.
        config: Rate, framing and level.

    Returns:
        Shape (n_samples,), float32, at `mel_rate_hz`, at most about three seconds; None if no
        speech is found.
    """
    enough = round(ENOUGH_S * config.mel_rate_hz)
    chosen = last = None
    for i, piece in enumerate(islice(_clips(files, config), LOOKED_THROUGH)):
        last = piece
        if i % HELD_OUT_EVERY == HELD_OUT_EVERY - 1:
            if chosen is None or len(chosen) < len(piece):
                chosen = piece
            if len(chosen) >= enough:
                break
    found = last if chosen is None else chosen
    if found is None:
        return None
    found = found[: MAX_SENTENCE_FRAMES * config.hop_samples]
    fade = np.clip(np.arange(len(found)) / (FADE_S * config.mel_rate_hz), 0, 1)
    return np.asarray(found * fade * fade[::-1], dtype=np.float32)


def _clips(files: Sequence[Path], config: FeatureConfig) -> Iterator[Array]:
    for path in files:
        try:
            for samples in read_levelled_parts(path, config):
                yield from cut_clips(samples, config)
        except (AudioError, UsageError):
            continue  # The training says which ones it leaves out.


def find_borrowed_sentence(runs: Path, own: str) -> Path | None:
    """A held-out sentence that an earlier training of another voice kept; None if there is none."""
    found = sorted(runs.glob(f"*/{FOLDER}/{REAL}"))
    return next((path for path in found if path.parent.parent.name != own), None)


@dataclass(frozen=True)
class Frame:
    """What the voice sounded like at a step: samples (n_samples,) float32 at `mel_rate_hz`, and its mel."""

    step: int
    samples: Array
    mel: Array


class _Remembering:
    """An encoder that hears each window once: the sentence stays the same while the decoder learns."""

    def __init__(self, encoder: ContentEncoder) -> None:
        self._encoder = encoder
        self._contents: dict[bytes, Array] = {}

    def prepare(self) -> None:
        self._encoder.prepare()

    def encode_window(self, mel: Array) -> Array:
        key = mel.tobytes()
        if key not in self._contents:
            self._contents[key] = self._encoder.encode_window(mel)
        return self._contents[key]


class Timelapse:
    """Renders one sentence with the decoder as it is, and keeps it.

    Args:
        run_folder: Where the training keeps its files.
        base: The base of the voice.
        config: The settings of the decoder that learns.
        name: The voice's name.
        f0_range: The voice's range; None for none.
    """

    def __init__(self, run_folder: Path, base: Base, config: Config, name: str, f0_range: F0Range | None) -> None:
        self.folder = run_folder / FOLDER
        self._seconds = 0.0
        self._base, self._config, self._name, self._range = base, config, name, f0_range
        self._said: Array | None = None
        self._analysis: Analysis | None = None
        self._encoder = _Remembering(base.encoder)

    def resume(self) -> bool:
        """Take up the sentence that is kept; False if there is none that can be read."""
        with suppress(AudioError, UsageError):
            self._said = read_mono(self.folder / SOURCE, self._base.config.features.mel_rate_hz)
        return self._said is not None

    def begin(self, said: Array, who: str, real: Array | None) -> None:
        """Keep what is to be said by the voice, whose sentence it is, and a real one of the voice's person."""
        atomic.make_folder(self.folder)
        if real is not None:
            self._write(REAL, real, {"title": self._name})
        # Last, since its being there means that nothing is missing.
        self._write(SOURCE, said, {"title": who})
        # As the file has it, so that a training that goes on says the very same.
        self.resume()

    def checked(self, found: Check, weights: Arrays) -> Frame | None:
        """Keep a frame if the weights are the best so far, and time allows.

        Args:
            found: What the check found.
            weights: The decoder's.

        Returns:
            The frame, if one was made.
        """
        began = time.monotonic()
        step = found.state.step
        for late in (kept for kept, path in list_frames(self.folder) if kept > step):
            self._path(late).unlink(missing_ok=True)  # From a training that went on from an earlier step.
        expected_s = found.state.trained_s * found.state.n_steps / max(1, step)
        due = step == 0 or self._seconds <= MAX_SHARE * expected_s
        made = self._kept(step, weights) if found.is_best and due else None
        self._seconds += time.monotonic() - began
        return made

    def rehearse(self, weights: Arrays) -> None:
        """Render a frame as `checked` does, and keep nothing."""
        self._rendered(0, weights)

    def finish(self, step: int, weights: Arrays) -> None:
        """Keep the frame of the step that became the voice, if it had been left out; the training is over."""
        if not self._path(step).exists():
            self._kept(step, weights)

    def _kept(self, step: int, weights: Arrays) -> Frame | None:
        made = self._rendered(step, weights)
        if made is not None:
            marker = Watermarker(self._base.config.features.mel_rate_hz, 1, int(weights_sha256(weights)[:4], 16))
            marked = np.concatenate([marker.push(made.samples[:, None]), marker.finish()])[:, 0]
            self._write(self._path(step).name, marked, record_tags(self._record(weights, marker.bears_mark)))
            self._thin()
        return made

    def _rendered(self, step: int, weights: Arrays) -> Frame | None:
        """What `convert` would give for the sentence by these weights; None if they make no sound."""
        sentence = self._said
        if sentence is None:
            return None
        source = array_source(sentence[:, None], self._base.config.features.mel_rate_hz)
        if self._analysis is None:
            self._analysis = analyse(source, self._base.config)
        settings = Settings(find_pitch(self._analysis, self._range, self._base.config) if self._range else 0.0)
        speaker = open_speaker(self._config, lambda expected: to_half(weights))
        engine = Engine(self._encoder, speaker, self._base.get_vocoder, self._base.config)
        mels: list[Array] = []
        converted = convert_stream(source, self._analysis, engine, settings, lambda content, mel: mels.append(mel))
        try:
            samples = np.concatenate(list(converted))[:, 0]
        except ModelError:
            return None
        return Frame(step, samples, np.concatenate(mels) if mels else np.zeros((0, self._base.config.features.n_mels)))

    def _record(self, weights: Arrays, marked: bool) -> record.Record:
        return record.Record(
            __version__,
            self._name,
            weights_sha256(weights),
            datetime.now(UTC).isoformat(timespec="seconds"),
            record.SOURCE_TYPE,
            file_sha256(self.folder / SOURCE),
            marked=marked,
        )

    def _write(self, name: str, samples: Array, tags: dict[str, str]) -> None:
        kind = AudioInfo(self._base.config.features.mel_rate_hz, 1, "FLAC", "PCM_16")
        with Writer(self.folder / name, kind, tags, len(samples)) as writer:
            writer.write(samples[:, None])

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step:08d}.flac"

    def _thin(self) -> None:
        kept = list_frames(self.folder)
        if len(kept) > MAX_FRAMES:
            for _, path in kept[1:-1:2]:
                path.unlink(missing_ok=True)


def list_frames(folder: Path) -> list[tuple[int, Path]]:
    """The steps that a timelapse kept, and their files, in order."""
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted((int(match[1]), path) for path in found if (match := FRAME_NAME.fullmatch(path.name)))
