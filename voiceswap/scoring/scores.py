"""How good a conversion is: whom it sounds like, what became of melody, loudness and silence, how natural it is.

Source and conversion are read side by side in stretches of a minute, cut where the source is quiet, so that an hour
takes the memory of a minute. What is kept of each stretch are contours and sums.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from voiceswap.arrays import Array, db_to_power, power_to_db
from voiceswap.audio.channels import find_channel_signs
from voiceswap.audio.resample import resample
from voiceswap.audio.source import BlockReader, Source
from voiceswap.config import FeatureConfig
from voiceswap.conversion.windows import mix_and_resample
from voiceswap.errors import AudioError
from voiceswap.model.speaker import WIDTH
from voiceswap.scoring import external
from voiceswap.scoring.embedding import SpeakerEmbedding, speaker_encoder
from voiceswap.scoring.external import count_word_errors
from voiceswap.signal import loudness
from voiceswap.signal.f0 import MIN_VOICED_FRAMES, estimate_f0
from voiceswap.signal.features import decoder_mel

NAN = float("nan")
STRETCH_S = 60.0
CUT_WITHIN_S = 10.0
CLIPPED = 0.999


@dataclass(frozen=True)
class Scores:
    """Scores of one conversion; nan where there was nothing to measure, or nothing to measure it with.

    Attributes:
        source: What was converted.
        duration_s: Its length.
        to_target: Similarity to the target's real recordings, -1 to 1: the same person's have .87 on average, two
            people's .53.
        to_source: Similarity to the source.
        f0_correlation: Correlation of log F0 over the frames that both voice.
        f0_rmse_cents: Root mean square distance of both melodies, once the transposition is taken out.
        shift_cents: The transposition: the median distance.
        voicing_error: Share of the frames that only one of both voices.
        loudness_rmse_db: Root mean square distance of both loudness contours, the change of level taken out.
        level_change_db: How much louder the conversion is: the median distance.
        pause_db: Level of the conversion where the source pauses, dBFS; nan where it never does.
        source_pause_db: Level of the source there.
        clipped_share: Share of the conversion's samples at full scale.
        dnsmos_ovrl: Naturalness as DNSMOS predicts it, 1 to 5.
        dnsmos_p808: The same by its second network.
        words: How many words a recogniser hears in the source.
        word_errors: How many of them it hears differently in the conversion.
    """

    source: Path
    duration_s: float = 0.0
    to_target: float = NAN
    to_source: float = NAN
    f0_correlation: float = NAN
    f0_rmse_cents: float = NAN
    shift_cents: float = NAN
    voicing_error: float = NAN
    loudness_rmse_db: float = NAN
    level_change_db: float = NAN
    pause_db: float = NAN
    source_pause_db: float = NAN
    clipped_share: float = 0.0
    dnsmos_ovrl: float = NAN
    dnsmos_p808: float = NAN
    words: int = 0
    word_errors: int = 0

    @property
    def nearer_to_source(self) -> bool:
        """Whether it sounds more like the source than like the target."""
        return self.to_source > self.to_target

    def verdict(self, name: str) -> str:
        """Whom it sounds like, as a sentence; `name` is the voice's."""
        return verdict(name, self.to_target, self.to_source)


def verdict(name: str, to_target: float, to_source: float, n_nearer: int = 0, n_clips: int = 1) -> str:
    """Whom conversions sound like, as a sentence.

    Args:
        name: The voice's.
        to_target: Similarity to it, nan if it is not known.
        to_source: Similarity to the source, nan if it is not known.
        n_nearer: How many of the conversions are nearer to their source.
        n_clips: How many there are.

    Returns:
        The sentence, without a full stop.
    """
    both = f"similarity {to_target:.2f} to {name}, {to_source:.2f} to the source"
    if math.isnan(to_target) or math.isnan(to_source):
        return f"whether the result is nearer to {name} or to the source is not known"
    if to_source > to_target:
        return f"the result is nearer to the source than to {name}: {both}"
    if n_nearer:
        return (
            f"on the whole nearer to {name} than to the source ({both}), but not in {n_nearer} of {n_clips} recordings"
        )
    return f"nearer to {name} than to the source: {both}"


@dataclass(frozen=True)
class Scorer:
    """What scores a conversion.

    Attributes:
        config: Framing.
        target: Whom conversions are to sound like; None if nothing says so.
        mos: Says how natural something sounds; None without.
        words: Hears words; None without.
    """

    config: FeatureConfig
    target: SpeakerEmbedding | None
    mos: external.Mos | None
    words: external.Words | None = None

    def missing(self, without_words: str) -> list[str]:
        """What is not measured, and what to do about it: a line for each.

        Args:
            without_words: What to say if there is no recogniser; "" for nothing.

        Returns:
            The lines.
        """
        lines = []
        if self.target is None:
            lines.append("similarity to the target is not measured: its card holds no speaker; give `target` FOLDER")
        if self.mos is None:
            lines.append(f"DNSMOS is not measured: {external.EXTRA}")
        if self.words is None and without_words:
            lines.append(without_words)
        return lines

    def scores(self, path: Path, source: Source, made: Source) -> Scores:
        """Score a conversion.

        Args:
            path: What to call the source.
            source: The voice that was converted.
            made: What became of it, as long as the source.

        Returns:
            The scores.

        Raises:
            AudioError: One of both cannot be read.
        """
        counter = _ClipCounter(made)
        sums = _Sums()
        for source_stretch, made_stretch in paired_stretches(source, counter.source(), self.config):
            self._add_stretch(sums, source_stretch, made_stretch)
        rate = self.config.mel_rate_hz
        source_f0_hz, made_f0_hz = (np.concatenate(parts) for parts in zip(*sums.f0, strict=True))
        source_db, made_db = (np.concatenate(parts) for parts in zip(*sums.levels, strict=True))
        duration_s = sums.n_samples / rate
        target = self.target.vector if self.target is not None else np.full(WIDTH, NAN)
        embedding = sums.directions[1]
        mos = sums.mos / duration_s if self.mos is not None and duration_s else np.full(2, NAN)
        return Scores(
            path,
            round(duration_s, 3),
            _cosine(embedding, target),
            _cosine(embedding, sums.directions[0]),
            **melody_scores(source_f0_hz, made_f0_hz),
            **loudness_scores(source_db, made_db),
            clipped_share=counter.n_clipped / max(1, counter.n_samples),
            dnsmos_ovrl=float(mos[0]),
            dnsmos_p808=float(mos[1]),
            words=sums.n_words,
            word_errors=sums.n_word_errors,
        )

    def _add_stretch(self, sums: _Sums, source: Array, made: Array) -> None:
        f = self.config
        sums.n_samples += len(source)
        sums.f0.append((estimate_f0(source, f), estimate_f0(made, f)))
        levels = partial(loudness.frame_levels_db, sample_rate_hz=f.mel_rate_hz)
        sums.levels.append((levels(source), levels(made)))
        at_16k = [resample(x, f.mel_rate_hz, external.SAMPLE_RATE_HZ) for x in (source, made)]
        for summed, samples in zip(sums.directions, at_16k, strict=True):
            summed += speaker_encoder().embed_pieces(samples).sum(axis=0)
        if self.mos is not None:
            answer = self.mos(at_16k[1])
            sums.mos += np.array([answer["ovrl_mos"], answer["p808_mos"]]) * len(source) / f.mel_rate_hz
        if self.words is not None:
            words_said, words_heard = (self.words(samples) for samples in at_16k)
            sums.n_words += len(words_said)
            sums.n_word_errors += count_word_errors(words_said, words_heard)


@dataclass
class _Sums:
    """What has been found so far: pairs are of source and conversion."""

    n_samples: int = 0
    f0: list[tuple[Array, Array]] = field(default_factory=list)
    levels: list[tuple[Array, Array]] = field(default_factory=list)
    directions: tuple[Array, Array] = field(default_factory=lambda: (np.zeros(WIDTH), np.zeros(WIDTH)))
    mos: Array = field(default_factory=lambda: np.zeros(2))
    n_words: int = 0
    n_word_errors: int = 0


class _ClipCounter:
    """Counts what clips in a recording while it is read."""

    def __init__(self, source: Source) -> None:
        self._source, self.n_samples, self.n_clipped = source, 0, 0

    def source(self) -> Source:
        return Source(self._blocks, self._source.sample_rate_hz, self._source.n_channels, self._source.label)

    def _blocks(self) -> Iterator[Array]:
        self.n_samples = self.n_clipped = 0
        for block in self._source.open():
            self.n_samples += block.size
            self.n_clipped += int(np.count_nonzero(np.abs(block) >= CLIPPED))
            yield block


def paired_stretches(source: Source, made: Source, config: FeatureConfig) -> Iterator[tuple[Array, Array]]:
    """Both recordings side by side, mono (n,) at `mel_rate_hz`, cut at quiet moments of the source.

    Args:
        source: What was converted.
        made: What became of it; silence where it ends before the source.
        config: The rate.

    Yields:
        Stretches of at most a minute, of equal length.

    Raises:
        AudioError: The source is empty, or one of both cannot be read.
    """
    rate = config.mel_rate_hz
    mixed = []
    for each in (source, made):
        signs = find_channel_signs(each.open(), each.n_channels)
        mixed.append(mix_and_resample(each.open(), signs, each.sample_rate_hz, rate))
    source_blocks, made_blocks = mixed[0], BlockReader(mixed[1])
    longest, within = round(STRETCH_S * rate), round(CUT_WITHIN_S * rate)
    rest, n_all = np.zeros(0, np.float32), 0
    for block in source_blocks:
        rest = np.concatenate([rest, block])
        n_all += len(block)
        while len(rest) >= longest:
            levels_db = loudness.frame_levels_db(rest[longest - within : longest], rate)
            cut = longest - within + round(float(np.argmin(levels_db) + 0.5) * loudness.LEVEL_FRAME_S * rate)
            yield rest[:cut], made_blocks.take(cut)
            rest = rest[cut:]
    if not n_all:
        raise AudioError(f"{source.label} is empty", "give a longer recording")
    if len(rest):
        yield rest, made_blocks.take(len(rest))


def melody_scores(source: Array, made: Array) -> dict[str, float]:
    """How well one melody follows another.

    Args:
        source: Shape (n_frames,), Hz, 0.0 = unvoiced.
        made: The same, of its conversion.

    Returns:
        voicing_error, and f0_correlation, f0_rmse_cents and shift_cents where enough is voiced in both: see Scores.
    """
    scores = {"voicing_error": float(np.mean((source > 0) != (made > 0))) if len(source) else NAN}
    both = (source > 0) & (made > 0)
    if both.sum() < MIN_VOICED_FRAMES:
        return scores
    a, b = np.log2(source[both].astype(np.float64)), np.log2(made[both].astype(np.float64))
    cents = 1200 * (b - a)
    shift = float(np.median(cents))
    flat = min(a.std(), b.std()) < 1e-6
    scores["f0_correlation"] = NAN if flat else float(np.corrcoef(a, b)[0, 1])
    return scores | {"f0_rmse_cents": float(np.sqrt(np.mean((cents - shift) ** 2))), "shift_cents": shift}


def melody_correlation(source: Array, made: Array, config: FeatureConfig) -> float:
    """Correlation of log F0 over the frames that both voice.

    Args:
        source: Shape (n_samples,), float32, at `mel_rate_hz`.
        made: The same, of its conversion.
        config: Framing.

    Returns:
        -1 to 1; nan if hardly anything is voiced.
    """
    source_f0_hz = estimate_f0(source, config)
    made_f0_hz = estimate_f0(made, config)
    n_frames = min(len(source_f0_hz), len(made_f0_hz))
    return melody_scores(source_f0_hz[:n_frames], made_f0_hz[:n_frames]).get("f0_correlation", NAN)


def timbre(samples: Array, config: FeatureConfig) -> Array:
    """The mean log spectrum of a voice, (n_mels,), over its louder half, level taken out.

    Args:
        samples: Shape (n_samples,), float32, at `mel_rate_hz`.
        config: Framing.

    Returns:
        Shape (n_mels,), natural log, zero mean.
    """
    mel = decoder_mel(samples, config)
    level = mel.mean(axis=1)
    mean = mel[level >= np.median(level)].mean(axis=0)
    return np.asarray(mean - mean.mean())


def timbre_distance_db(a: Array, b: Array) -> float:
    """Root mean square difference of two timbres, in dB."""
    return float(np.sqrt(np.mean((a - b) ** 2)) * 20 / np.log(10))


def level_db(samples: Array, sample_rate_hz: int) -> float:
    """Level of the sounding parts in dBFS."""
    return loudness.active_level_db(loudness.frame_levels_db(samples, sample_rate_hz))


def loudness_scores(source_db: Array, made_db: Array) -> dict[str, float]:
    """How well one loudness follows another.

    Args:
        source_db: Shape (n_frames,), the levels of frames of 20 ms, dBFS.
        made_db: The same, of its conversion.

    Returns:
        pause_db and source_pause_db; loudness_rmse_db and level_change_db where there is sound: see Scores.
    """
    active_db = loudness.active_level_db(source_db)
    sounding = source_db > max(active_db - loudness.ACTIVE_RANGE_DB, loudness.NO_SPEECH_DB)
    scores = {"pause_db": _mean_db(made_db[~sounding]), "source_pause_db": _mean_db(source_db[~sounding])}
    if not sounding.any():
        return scores
    distance = (made_db - source_db)[sounding]
    change = float(np.median(distance))
    return scores | {"loudness_rmse_db": float(np.sqrt(np.mean((distance - change) ** 2))), "level_change_db": change}


def _mean_db(levels_db: Array) -> float:
    return float(power_to_db(np.mean(db_to_power(levels_db)))) if len(levels_db) else NAN


def _cosine(a: Array, b: Array) -> float:
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / length if length > 0 else NAN
