"""A trained voice: its folder, and what it does to samples."""

from __future__ import annotations

import hashlib
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from voiceswap.arrays import Arrays
from voiceswap.audio.samples import to_float
from voiceswap.audio.source import array_source
from voiceswap.config import Config
from voiceswap.conversion.analysis import Analysis, analyse
from voiceswap.conversion.engine import Engine, Settings
from voiceswap.conversion.options import PROTECT, VOCODER, ConvertOptions
from voiceswap.conversion.speaker import Speaker, open_speaker
from voiceswap.conversion.stream import convert_stream
from voiceswap.errors import ModelError, UsageError
from voiceswap.model import decoder
from voiceswap.model.base import Base, load_base
from voiceswap.model.weights import to_half
from voiceswap.provenance.consent import consent_line
from voiceswap.provenance.watermark import Watermarker
from voiceswap.signal.f0 import F0Range, find_transposition, is_singing
from voiceswap.storage import paths
from voiceswap.storage.folder import Expected, Folder, open_folder, pack, write_folder

VOICE_KIND = "voice"
WEIGHTS = "weights.safetensors"
# So many voices stay open at once, a decoder of some megabytes each; encoder and vocoder they share.
MAX_OPEN = 4
VOICE_MAX_BYTES = 10_000_000


class Voice:
    """One person's voice, ready to convert any recording into it; two of one unchanged folder are equal.

    Args:
        folder: Its folder, opened and verified.

    Attributes:
        name: Its name.
        path: Its folder.
        card: Who, from how much speech, F0 range, scores.
        config: The settings it was trained with.
        f0_range: The voice's own range.
        id: The sha256 of its weights, in hexadecimal.
        tag: 0 to 65535: what the mark in its conversions says, the first four digits of `id`.
    """

    def __init__(self, folder: Folder) -> None:
        self.path = folder.path
        self.config = Config.from_json(folder.document("config"), str(folder.path / "config.json"))
        self.card: dict[str, Any] = folder.document("card")
        try:
            self.name = paths.check_voice_name(self.card["name"])
            self.base_id = str(self.card["base"])
            ranges = self.card["f0_range"]
            self.f0_range = F0Range(*(float(ranges[key]) for key in ("low_hz", "mid_hz", "high_hz")))
        except UsageError as error:
            raise ModelError(f"{self.path / 'card.json'}: {error.message}", "train the voice again") from error
        except (KeyError, OverflowError, TypeError, ValueError) as error:
            raise ModelError(f"{self.path / 'card.json'} lacks a sound {error}", "train the voice again") from error
        f, found = self.config.features, self.f0_range
        if not f.f0_min_hz <= found.low_hz <= found.mid_hz <= found.high_hz <= f.f0_max_hz:
            raise ModelError(f"{self.path / 'card.json'} has the F0 range {found}", "train the voice again")
        self._folder = folder
        self.id = folder.sum_of(WEIGHTS)
        self.tag = int(self.id[:4], 16)

    def __eq__(self, other: object) -> bool:
        # Its manifest has the sum of each file.
        return isinstance(other, Voice) and self.path == other.path and self._folder.manifest == other._folder.manifest

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def consent_line(self) -> str:
        """What its card says of consent, or that it says nothing."""
        return consent_line(self.card)

    @cached_property
    def engine(self) -> Engine:
        """What takes a window into this voice, opened when first needed; raises ModelError if the base is another."""
        engine = _engine(self)
        # What the network holds by now is needed no longer as it was stored.
        self._folder = self._folder.without(WEIGHTS)
        return engine

    def arrays(self) -> Arrays:
        """Its weights as they are stored; raises ModelError if they are not those of its decoder."""
        return self.read(decoder.expected_decoder(self.config))

    def read(self, expected: Expected) -> Arrays:
        """Its weights, if they have these names, shapes and types; raises ModelError if not."""
        folder = self._folder if WEIGHTS in self._folder.files else _open(self.path)
        if folder.sum_of(WEIGHTS) != self.id:
            raise ModelError(f"{self.path} was replaced while it was in use", "load the voice again")
        return folder.arrays("weights", expected)

    def convert(
        self,
        samples: np.ndarray,
        sample_rate_hz: int,
        pitch_semitones: float | None = None,
        *,
        formant_semitones: float = 0.0,
        protect: float = PROTECT,
        vocoder: str = VOCODER,
        mark: bool = True,
    ) -> np.ndarray:
        """Convert samples into this voice.

        Args:
            samples: Shape (n_samples,) or (n_samples, n_channels), float in [-1, 1], finite, at least 50 ms; integers
                are scaled by their type.
            sample_rate_hz: Their rate, 4,000 to 384,000.
            pitch_semitones: How far to move F0, -48 to 48; found from both ranges if not given.
            formant_semitones: How far to move the voice's formants, -12 to 12.
            protect: How much of the source's own breaths, plosives and sibilants stays, 0 to 1; a breath that the voice
                does not draw stays in any case.
            vocoder: "fast", "best", in full precision, or "quick", where the base has it.
            mark: Whether the result is marked as made with voiceswap, inaudibly.

        Returns:
            The same shape, float32, between -1 and 1.

        Raises:
            AudioError: Samples of another type or shape, not finite, or too few.
            UsageError: A pitch, formant or protect out of range, an unknown vocoder.
            ModelError: The voice belongs to another base, or is damaged.

        Example:
            >>> import voiceswap
            >>> speaker_b = voiceswap.load("speakerB")  # doctest: +SKIP
            >>> converted = speaker_b.convert(samples, 44_100)  # doctest: +SKIP
        """
        options = ConvertOptions(
            self.path,
            pitch_semitones=pitch_semitones,
            formant_semitones=formant_semitones,
            protect=protect,
            vocoder=vocoder,
            mark=mark,
        )
        block, sample_rate_hz = to_float(samples, sample_rate_hz), int(sample_rate_hz)
        source = array_source(block, sample_rate_hz)
        analysis = analyse(source, self.config)
        settings = self.settings(analysis, options)
        converted = np.concatenate(list(convert_stream(source, analysis, self.engine, settings)))
        if mark:
            watermarker = Watermarker(sample_rate_hz, converted.shape[1], self.tag)
            converted = np.concatenate([watermarker.push(converted), watermarker.finish()])
        return converted.reshape(np.shape(samples))

    def settings(self, analysis: Analysis, options: ConvertOptions, *, in_key: bool = False) -> Settings:
        """How a source is carried over into this voice.

        Args:
            analysis: The source's.
            options: What is wanted; without a pitch, it is found.
            in_key: Whether it is over an accompaniment: see `find_pitch`.

        Returns:
            The settings.
        """
        pitch = options.pitch_semitones
        if pitch is None:
            pitch = find_pitch(analysis, self.f0_range, self.config, in_key=in_key)
        return Settings(pitch, options.formant_semitones, options.protect, options.vocoder)


# Who converts many recordings one by one opens the voice for each: it is read anew, but built only if it has changed.
@lru_cache(maxsize=MAX_OPEN)
def _engine(voice: Voice) -> Engine:
    base = load_base()
    if base.id != voice.base_id:
        raise ModelError(
            f"the voice {voice.name} was made with base {voice.base_id}, this voiceswap has base {base.id}",
            f"train it again: voiceswap train FOLDER_OF_{voice.name} `fresh`",
        )
    # A network is as large as its settings say: only those of the base are built.
    for section in ("features", "encoder", "decoder", "vocoder"):
        if getattr(voice.config, section) != getattr(decoder.single_speaker(base.config), section):
            raise ModelError(f"{voice.path / 'config.json'}: {section} is not as in its base", "train the voice again")
    return engine_of(base, open_speaker(voice.config, voice.read))


def find_pitch(analysis: Analysis, voice_range: F0Range, config: Config, *, in_key: bool = False) -> float:
    """How far a source's F0 is to move into a voice, in semitones.

    Args:
        analysis: The source's.
        voice_range: The voice's own range.
        config: Framing.
        in_key: Whether it is over an accompaniment, so that only whole octaves keep the key.

    Returns:
        What brings the middles of both ranges together, of singing the whole ranges as well as they can.
    """
    singing = is_singing(analysis.melody_hz, config.features.frames_per_s)
    semitones = find_transposition(analysis.f0_range, voice_range, sung=singing)
    return 12.0 * round(semitones / 12) if in_key else semitones


def engine_of(base: Base, speaker: Speaker) -> Engine:
    """A speaker amid the base's encoder and vocoder."""
    return Engine(base.encoder, speaker, base.get_vocoder, base.config)


def base_speaker(base: Base) -> Speaker:
    """Nobody in particular: the mean of all whom the base has learnt from, where each voice's training begins."""
    start = decoder.start_of_voice(base.arrays("decoder"))
    return open_speaker(decoder.single_speaker(base.config), lambda expected: start)


def load(name_or_folder: str | Path, voices: str | Path | None = None) -> Voice:
    """Open a voice.

    Args:
        name_or_folder: Its name, or the path of its folder.
        voices: The voices folder; VOICESWAP_VOICES or the user's data directory if not given.

    Returns:
        The voice, its files verified.

    Raises:
        ModelError: There is no such voice, or it is damaged.
    """
    folder = paths.voices_folder(Path(voices) if voices is not None else None)
    return Voice(_open(paths.find_voice(name_or_folder, folder)))


def _open(path: Path) -> Folder:
    return open_folder(path, kind=VOICE_KIND, max_bytes=VOICE_MAX_BYTES)


def rewrite_card(voice: Voice, card: dict[str, Any]) -> Voice:
    """Write a voice anew with another card, and open it; raises WriteError."""
    write_voice(voice.path, voice.config, card, voice.arrays())
    return load(voice.path)


def write_voice(path: Path, config: Config, card: dict[str, Any], arrays: Arrays) -> None:
    """Write a voice whole, in half precision, in place of a former one; raises WriteError."""
    documents = {"config": config.to_json(), "card": card}
    write_folder(path, kind=VOICE_KIND, documents=documents, arrays={"weights": to_half(arrays)})


def weights_sha256(arrays: Arrays) -> str:
    """The `id` that a voice of these weights has."""
    return hashlib.sha256(pack(to_half(arrays))).hexdigest()
