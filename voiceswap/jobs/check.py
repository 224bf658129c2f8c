"""Is a folder of recordings fit to train a voice on? What is wrong with it, and what to do, before hours are spent."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voiceswap.arrays import Array
from voiceswap.audio.find import describe_left_out, find_recordings
from voiceswap.audio.read import describe_tracks, probe, read_blocks, read_parts
from voiceswap.audio.resample import resample
from voiceswap.audio.source import array_source
from voiceswap.config import FeatureConfig
from voiceswap.conversion import songs
from voiceswap.errors import AudioError, StoppedError, UsageError
from voiceswap.events import Note, OnEvent, Progress, ignore_events
from voiceswap.model.base import load_base
from voiceswap.model.separator import SAMPLE_RATE_HZ as MUSIC_HZ
from voiceswap.model.separator import load_separator
from voiceswap.model.speaker import SAMPLE_RATE_HZ as SPEAKER_HZ
from voiceswap.model.speaker import mean_embedding
from voiceswap.scoring.embedding import speaker_encoder
from voiceswap.signal.f0 import F0Range, estimate_f0, measure_f0_range
from voiceswap.signal.loudness import remove_dc
from voiceswap.signal.quality import Quality, QualityMeter
from voiceswap.training import dataset
from voiceswap.training.dataset import ENOUGH_SPEECH_S, MIN_SPEECH_S, cut_clips

VERDICTS = ("go", "go with care", "no-go")
CARE, NO_GO = VERDICTS[1:]
# Recordings are heard in parts, so that a long one takes the memory of a short one.
PART_S = 20.0
# What the networks and the pitch tracker listen to: so much of so many parts at most.
EXCERPT_S = 4.0
MAX_EXCERPTS = 40
MUSIC_S = 24.0
# The level of excerpts, root mean square, before they are searched for music.
MUSIC_LEVEL = 0.05
# The limits, and what they were taken from: docs/lab/check.md.
GOOD_SPEECH_S = 300.0
QUIET_DB = -40.0
MANY_CLIPPED_SHARE = 0.1
MOST_CLIPPED_SHARE = 0.6
NOISY_DB = 20.0
DROWNED_DB = 12.0
NARROW_HZ = 7000.0
TELEPHONE_HZ = 4300.0
ECHOING_S = 0.9
ACCOMPANIED_DB = -18.5
TONAL = 0.44
OTHER_COSINE = 0.85
CLEARLY_OTHER_COSINE = 0.72
# The gap between two groups of excerpts, in spreads within them, from which on they are two voices.
APART_SPREADS = 6.5
MIN_TO_COMPARE = 6
MAX_ROUNDS = 30
# A sound occurs if it takes so many vectors of 20 ms in all.
UNIT_VECTORS = 2
FEW_UNITS_SHARE = 0.5
SKIPPED_SHARE = 0.1


@dataclass(frozen=True)
class Concern:
    """Something that speaks against training on a folder.

    Attributes:
        what: One word: "little", "skipped", "level", "clipping", "noise", "telephone", "bandwidth", "mp3", "echo",
            "music", "speakers", "sounds" or "melody".
        verdict: "go with care" or "no-go".
        found: What was found.
        advice: What to do about it.
    """

    what: str
    verdict: str
    found: str
    advice: str


@dataclass(frozen=True)
class CheckResult:
    """What a folder holds, and whether to train on it.

    Attributes:
        folder: The folder, or the one recording.
        n_files: Recordings in it.
        skipped: Those that cannot be used, each with the reason.
        condition: What the signal says.
        accompaniment_db: How loud what is no voice is against what is; -99 if nothing fills the pauses.
        second_voice: How alike the two halves are into which the recordings fall most clearly, as the speaker encoder
            hears them, -1 to 1; nan if they do not fall into two, or are too few.
        f0_range: The voice's range; None if hardly anything is voiced.
        units: Which share of the sounds that people make was heard in the excerpts, 0 to 1; nan if it cannot be told.
        verdict: "go", "go with care" or "no-go": the worst of the concerns.
        concerns: What speaks against it, the worst first.
    """

    folder: Path
    n_files: int
    skipped: tuple[tuple[Path, str], ...]
    condition: Quality
    accompaniment_db: float
    second_voice: float
    f0_range: F0Range | None
    units: float
    verdict: str
    concerns: tuple[Concern, ...]


def check(
    *folders: str | Path, on_event: OnEvent = ignore_events, stopped: Callable[[], bool] = lambda: False
) -> tuple[CheckResult, ...]:
    """Listen to folders of recordings before a training.

    Args:
        *folders: Folders, searched recursively, or single recordings; each of one person.
        on_event: Told of the progress.
        stopped: Asked before each recording; True ends it.

    Returns:
        What each holds, in their order.

    Raises:
        UsageError: Nothing to check, no such folder, or one without recordings.
        StoppedError: `stopped` said so.

    Example:
        >>> from voiceswap.jobs.check import check
        >>> check("speakerA")[0].verdict  # doctest: +SKIP
    """
    if not folders:
        raise UsageError("nothing to check", "name a folder of recordings")
    recordings = [(Path(folder), find_recordings(Path(folder))) for folder in folders]
    tell_left_out((folder for folder, _ in recordings), on_event)
    return tuple(check_recordings(folder, files, on_event, stopped) for folder, files in recordings)


def tell_left_out(sources: Iterable[Path], on_event: OnEvent) -> None:
    """Warn of sound in folders that is of no kind that is read, with how much of which."""
    for source in sources:
        if text := describe_left_out(source):
            on_event(Note(text, warning=True))


def check_recordings(
    folder: Path, files: Sequence[Path], on_event: OnEvent = ignore_events, stopped: Callable[[], bool] = lambda: False
) -> CheckResult:
    """One folder's recordings, as `check` finds them."""
    meter = QualityMeter()
    excerpts = _Excerpts()
    skipped: list[tuple[Path, str]] = []
    n_narrow = 0
    for i, path in enumerate(files):
        if stopped():
            raise StoppedError(f"stopped while the recordings in {folder} were checked")
        on_event(Progress(str(folder), "listening", i, len(files)))
        try:
            kind = probe(path)
            rate_hz = kind.sample_rate_hz
            if tracks := describe_tracks(path, kind):
                on_event(Note(tracks))
            speaks = False
            # To its end before any of it counts: what is damaged further on is left out as a whole.
            for _ in read_blocks(path):
                pass
            for part in read_parts(path, rate_hz, PART_S):
                if spans := meter.hear(part, rate_hz):
                    excerpts.add(part[spans[0][0] :], rate_hz)
                    speaks = True
            if not speaks:
                skipped.append((path, "no speech found"))
            n_narrow += speaks and rate_hz < 2 * NARROW_HZ
        except (AudioError, UsageError) as error:
            skipped.append((path, error.message))
    quality = meter.found()
    on_event(Progress(str(folder), "comparing", 0, 1))
    music_db = measure_accompaniment_db(excerpts.pieces)
    similarity = find_second_voice(excerpts.pieces)
    voice_range = estimate_f0_range(excerpts.pieces)
    units_share = measure_units_share(excerpts.pieces)
    concerns = sorted(
        _concerns(len(files), skipped, n_narrow, quality, music_db, similarity, voice_range, units_share),
        key=lambda c: -VERDICTS.index(c.verdict),
    )
    verdict = concerns[0].verdict if concerns else VERDICTS[0]
    return CheckResult(
        folder,
        len(files),
        tuple(skipped),
        quality,
        music_db,
        similarity,
        voice_range,
        units_share,
        verdict,
        tuple(concerns),
    )


class _Excerpts:
    """The beginnings of parts, at most `MAX_EXCERPTS`, drawn out of however many come.

    Drawn, since every second or third recording may be another person's; always the same ones of the same recordings.
    """

    def __init__(self) -> None:
        self.pieces: list[tuple[Array, int]] = []
        self._lots: list[float] = []
        self._random = np.random.default_rng(0)

    def add(self, samples: Array, rate_hz: int) -> None:
        (steady,) = remove_dc([samples[: round(EXCERPT_S * rate_hz)]], rate_hz)
        self.pieces.append((steady, rate_hz))
        self._lots.append(self._random.random())
        if len(self.pieces) > MAX_EXCERPTS:
            highest = int(np.argmax(self._lots))
            del self.pieces[highest], self._lots[highest]


def measure_accompaniment_db(excerpts: Sequence[tuple[Array, int]]) -> float:
    """How loud what is no voice is against what is, in dB, over 24 s out of excerpts (samples, rate)."""
    parts, n_samples = [], 0
    for samples, rate in excerpts:
        level = math.sqrt(float(np.mean(np.square(samples)))) if len(samples) else 0.0
        if level > 0 and n_samples < MUSIC_S * MUSIC_HZ:
            parts.append(resample(samples * np.float32(MUSIC_LEVEL / level), rate, MUSIC_HZ))
            n_samples += len(parts[-1])
    if not parts:
        return songs.NO_ACCOMPANIMENT_DB
    mix = np.concatenate(parts)[: round(MUSIC_S * MUSIC_HZ), None]
    return songs.measure_accompaniment(array_source(mix, MUSIC_HZ), load_separator())


def find_second_voice(excerpts: Sequence[tuple[Array, int]]) -> float:
    """How alike the two groups are into which excerpts (samples, rate) fall; nan if they do not fall apart.

    Two-means over the directions of the excerpts. One person's excerpts are cut in two as well: but then the halves
    touch, while between two persons there is a gap.
    """
    pieces = speaker_encoder().embed_recordings([resample(x, rate, SPEAKER_HZ) for x, rate in excerpts])
    embeddings = np.array([mean_embedding(p) for p in pieces if len(p)])
    if len(embeddings) < MIN_TO_COMPARE:
        return math.nan
    of_one = embeddings @ np.linalg.svd(embeddings - embeddings.mean(axis=0), full_matrices=False)[2][0]
    of_one = of_one > np.mean(of_one)
    for _ in range(MAX_ROUNDS):
        if of_one.all() or not of_one.any():
            return math.nan
        one, other = mean_embedding(embeddings[of_one]), mean_embedding(embeddings[~of_one])
        nearer = embeddings @ one > embeddings @ other
        if (nearer == of_one).all():
            break
        of_one = nearer
    along = embeddings @ (one - other)
    spread = math.sqrt(np.var(along[of_one]) * of_one.mean() + np.var(along[~of_one]) * (~of_one).mean() + 1e-12)
    gap = (along[of_one].mean() - along[~of_one].mean()) / spread
    return float(one @ other) if gap > APART_SPREADS else math.nan


def estimate_f0_range(excerpts: Sequence[tuple[Array, int]]) -> F0Range | None:
    """The range of the voice in excerpts (samples, rate)."""
    f = FeatureConfig()
    contours = [estimate_f0(resample(x, rate, f.mel_rate_hz), f) for x, rate in excerpts]
    return measure_f0_range(np.concatenate(contours)) if contours else None


def measure_units_share(excerpts: Sequence[tuple[Array, int]]) -> float:
    """Which share of the sounds that the base knows occurs in excerpts (samples, rate); nan if it knows none."""
    base = load_base()
    if base.units is None:
        return math.nan
    f = base.config.features
    clips = [c for x, rate in excerpts for c in cut_clips(resample(x, rate, f.mel_rate_hz), f)]
    if not clips:
        return 0.0
    content = np.concatenate(base.encoder.encode_pieces([dataset.encoder_mel(clip, f) for clip in clips]))
    nearest = np.argmin(np.square(base.units).sum(axis=1) - 2 * content @ base.units.T, axis=1)
    return float(np.mean(np.bincount(nearest, minlength=len(base.units)) >= UNIT_VECTORS))


def _concerns(
    n_files: int,
    skipped: Sequence[tuple[Path, str]],
    n_narrow: int,
    quality: Quality,
    music_db: float,
    similarity: float,
    voice_range: F0Range | None,
    units_share: float,
) -> Iterator[Concern]:
    if quality.speech_s < ENOUGH_SPEECH_S:
        verdict = NO_GO if quality.speech_s < MIN_SPEECH_S else CARE
        wanted = f"at least {MIN_SPEECH_S:.0f} s, better {GOOD_SPEECH_S / 60:.0f} minutes"
        finding = f"{quality.speech_s:.0f} s of speech, wanted {wanted}"
        yield Concern("little", verdict, finding, "record more; 5 to 20 minutes make a good voice")
    if len(skipped) > SKIPPED_SHARE * n_files:
        finding = f"{len(skipped)} of {n_files} recordings cannot be used; the first: {skipped[0][1]}"
        yield Concern("skipped", CARE, finding, "look at the list; leave them out or export them again")
    if not quality.speech_s:
        return
    if voice_range is None:
        yield Concern("melody", NO_GO, "hardly any voiced sound", "are these recordings of someone speaking?")
    if units_share < FEW_UNITS_SHARE and quality.speech_s > ENOUGH_SPEECH_S:
        finding = f"only {units_share:.0%} of the sounds of speech occur"
        yield Concern("sounds", CARE, finding, "read different sentences, not the same few")
    if quality.level_db < QUIET_DB:
        finding = f"the speech is at {quality.level_db:.0f} dBFS"
        yield Concern("level", CARE, finding, "record louder: peaks between -12 and -3 dBFS; turning it up adds noise")
    if quality.clipped_share > MANY_CLIPPED_SHARE:
        verdict = NO_GO if quality.clipped_share > MOST_CLIPPED_SHARE else CARE
        finding = f"peaks are cut off in {quality.clipped_share:.0%} of what was recorded"
        yield Concern("clipping", verdict, finding, "record those again, with peaks between -12 and -3 dBFS")
    music = music_db > ACCOMPANIED_DB and quality.tonality < TONAL
    if music:
        finding = f"something plays under the voice ({music_db:.0f} dB against it)"
        yield Concern("music", CARE, finding, "record without music; even quiet music comes back in the voice")
    if quality.snr_db < NOISY_DB and not (music and quality.snr_db > DROWNED_DB):
        verdict = NO_GO if quality.snr_db < DROWNED_DB else CARE
        finding = f"the pauses are only {quality.snr_db:.0f} dB below the speech"
        yield Concern(
            "noise", verdict, finding, "record in a quiet room, nearer to the microphone; the voice learns noise"
        )
    if quality.bandwidth_hz < TELEPHONE_HZ:
        finding = f"nothing above {quality.bandwidth_hz / 1000:.1f} kHz, as by telephone"
        yield Concern("telephone", NO_GO, finding, "find a recording at 16 kHz or more; the voice would sound muffled")
    elif quality.bandwidth_hz < NARROW_HZ:
        finding = f"nothing above {quality.bandwidth_hz / 1000:.1f} kHz"
        yield Concern("bandwidth", CARE, finding, "record at 24 kHz or more; the voice will sound dull")
    elif n_narrow > SKIPPED_SHARE * n_files:
        finding = f"{n_narrow} of {n_files} recordings have nothing above {NARROW_HZ / 1000:.0f} kHz"
        yield Concern("bandwidth", CARE, finding, "leave them out, or record them again; they make the voice duller")
    elif not math.isnan(quality.edge_hz):
        finding = f"the sound ends steeply at {quality.edge_hz / 1000:.1f} kHz: MP3 or the like at a low bit rate"
        yield Concern("mp3", CARE, finding, "take the original recordings, not a compressed copy")
    # In noise a fall ends early, where nothing is heard of it any more.
    if quality.echo_s > ECHOING_S and quality.snr_db > NOISY_DB:
        finding = f"sounds ring on for about {quality.echo_s:.1f} s"
        yield Concern("echo", CARE, finding, "record in a room with soft furniture, nearer to the microphone")
    if similarity < (CLEARLY_OTHER_COSINE if quality.clipped_share > MANY_CLIPPED_SHARE else OTHER_COSINE):
        verdict = NO_GO if similarity < CLEARLY_OTHER_COSINE else CARE
        finding = f"the recordings fall into two voices (similarity {similarity:.2f}; one person has .9 and more)"
        yield Concern("speakers", verdict, finding, "keep one person in a folder, recorded in one way")


def check_lines(result: CheckResult) -> Iterator[str]:
    """The three lines that matter: how much of what, in what condition, and whether to go on."""
    quality = result.condition
    left_out = f", {len(result.skipped)} left out" if result.skipped else ""
    many = "" if result.n_files == 1 else "s"
    yield f"{quality.speech_s / 60:.1f} minutes of speech in {result.n_files} recording{many}{left_out}"
    band = "" if math.isnan(quality.bandwidth_hz) else f", sound up to {quality.bandwidth_hz / 1000:.1f} kHz"
    snr = "" if math.isnan(quality.snr_db) else f", pauses {quality.snr_db:.0f} dB below it"
    yield f"speech at {quality.level_db:.0f} dBFS{snr}{band}" if quality.speech_s else "no speech is heard in it"
    reasons = "; ".join(f"{c.found} ({c.advice})" for c in result.concerns)
    yield f"{result.verdict}{': ' + reasons if reasons else ''}"
