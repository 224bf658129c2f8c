"""Songs: is there accompaniment, what is voice and what is not, and both put together again."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from scipy.ndimage import maximum_filter1d, minimum_filter1d, uniform_filter1d

from voiceswap.arrays import Array
from voiceswap.audio.read import BLOCK_SAMPLES, AudioInfo, probe, read_blocks
from voiceswap.audio.resample import Resampler
from voiceswap.audio.source import BlockReader, Source
from voiceswap.audio.write import Writer
from voiceswap.conversion.analysis import SILENT_DB
from voiceswap.conversion.options import ConvertOptions
from voiceswap.errors import AudioError
from voiceswap.events import Note, OnEvent, Progress
from voiceswap.model.separator import SAMPLE_RATE_HZ, Separator, load_separator
from voiceswap.signal import loudness
from voiceswap.signal.loudness import remove_dc

# Accompaniment that is louder than this against the voice is music, not room or noise; but where a quarter of the
# recording lies so far below its loud parts, nothing fills the pauses between phrases (docs/design.md).
ACCOMPANIED_DB = -4.0
PAUSED_PERCENT = 25
LOUD_PERCENT = 90
PAUSE_DB = 45.0
NO_ACCOMPANIMENT_DB = -99.0
# It is looked for around each of these shares of the recording, for as long as one window of the separator serves.
EXCERPT_S = 8.8
EXCERPT_POSITIONS = (0.2, 0.5, 0.8)
# Somebody sings where the voice is pitched for so long (docs/lab/unsung.md) and, averaged over so long, the separated
# voice is no further below its loud notes, and no further below the mix,
NOTE_S = 0.1
PROMINENCE_S = 0.2
SOFTEST_NOTE_DB = -14.0
FAINTEST_IN_MIX_DB = -14.0
# and so long before and after; longer where, averaged over a tenth of a second, it is no further below its loud notes.
CONSONANT_S = 0.12
BREATH_S = 0.6
SOFTEST_BREATH_DB = -18.0
MIN_SUNG_S = 0.5
# An accompaniment may end so much earlier or later than the song.
BACKING_SLACK_S = 0.1
STEMS = ("vocals", "converted", "accompaniment")


@dataclass(frozen=True)
class Song:
    """A recording taken apart.

    Attributes:
        voice: What is to be converted.
        backing: Gives the accompaniment in blocks (n, n_channels) at the voice's rate; None for a dry voice.
        separated: Whether both came out of a mix, and add up to it.
        levels_db: How loud what was separated and the mix are in each 20 ms, (2, n), dBFS; None if nothing was.
        sung_s: For how long what was separated is converted; 0 if nothing was.
    """

    voice: Source
    backing: Callable[[], Iterator[Array]] | None
    separated: bool = False
    levels_db: Array | None = None
    sung_s: float = 0.0


@dataclass(frozen=True)
class _Levels:
    """How many samples a channel there are, and how loud each 20 ms is, all channels together, in dBFS."""

    n_samples: int
    frames_db: Array

    @property
    def active_db(self) -> float:
        """How loud it is where it sounds, dBFS."""
        return loudness.active_level_db(self.frames_db)


@lru_cache(maxsize=1)
def _load_separator_once() -> Separator:
    return load_separator()


@contextmanager
def open_song(mix: Source, options: ConvertOptions, on_event: OnEvent) -> Iterator[Song]:
    """Take a recording apart, if there is accompaniment; its voice lies in a temporary file meanwhile.

    Args:
        mix: The recording.
        options: What is wanted.
        on_event: Told of what was found, and of the progress.

    Yields:
        The voice and the accompaniment.

    Raises:
        AudioError: There is no voice in it, or the accompaniment does not fit.
    """
    if options.mode == "dry" and options.backing is None:
        yield Song(mix, None)
        return
    levels = _measure_levels(mix)
    needs_voice = options.backing is not None or options.mode == "song"
    if needs_voice and levels.frames_db.max(initial=SILENT_DB) <= SILENT_DB:
        raise AudioError(f"{mix.label} is silent: there is no singing in it", "give a recording with a voice")
    if options.backing is not None:
        yield Song(mix, _open_backing(options.backing, mix))
        return
    if options.mode == "auto":
        # What is too short for half a second of singing is no song.
        if levels.n_samples < MIN_SUNG_S * mix.sample_rate_hz:
            yield Song(mix, None)
            return
        separator = _load_separator_once()
        accompaniment_db = _measure_accompaniment(mix, levels, separator)
        accompanied = accompaniment_db > ACCOMPANIED_DB
        result = "accompaniment found" if accompanied else "no accompaniment found"
        action = "the singing is separated" if accompanied else "all of it is converted"
        alternative = "`mode=dry` takes all for voice" if accompanied else "`mode=song` separates nevertheless"
        level_text = f"{accompaniment_db:+.0f} dB against the voice"
        on_event(Note(f"{mix.label}: {result} ({level_text}): {action}; {alternative}"))
        if not accompanied:
            # What comes next needs its memory.
            separator.network.close()
            yield Song(mix, None)
            return
    with tempfile.TemporaryDirectory(prefix="voiceswap-") as folder:
        yield _separate(mix, levels, Path(folder) / "vocals.w64", on_event)


def measure_accompaniment(mix: Source, separator: Separator) -> float:
    """How loud what is not voice is against what is, in dB, in excerpts; -99 if pauses are silent, or all is."""
    return _measure_accompaniment(mix, _measure_levels(mix), separator)


def _measure_accompaniment(mix: Source, levels: _Levels, separator: Separator) -> float:
    n_samples = levels.n_samples
    if not n_samples:
        return NO_ACCOMPANIMENT_DB
    paused_db, loud_db = np.percentile(levels.frames_db, [PAUSED_PERCENT, LOUD_PERCENT])
    if paused_db < loud_db - PAUSE_DB:
        return NO_ACCOMPANIMENT_DB
    half = round(EXCERPT_S * mix.sample_rate_hz / 2)
    spans = [(round(share * n_samples) - half, round(share * n_samples) + half) for share in EXCERPT_POSITIONS]
    if n_samples <= 2 * half * len(spans):
        spans = [(0, n_samples)]
    voice_energy = 1e-12
    rest_energy = 1e-12
    for samples in _read_spans(mix, spans):
        excerpt = samples - samples.mean(axis=0)
        excerpt_source = replace(mix, open=partial(_single_block, excerpt))
        vocals = np.concatenate(list(_separate_vocals(excerpt_source, separator, levels.active_db, roughly=True)))
        n = min(len(vocals), len(excerpt))
        voice_energy += float(np.square(vocals[:n], dtype=np.float64).sum())
        rest_energy += float(np.square(excerpt[:n] - vocals[:n], dtype=np.float64).sum())
    is_audible = max(voice_energy, rest_energy) > 1e-9 * n_samples
    return 10 * float(np.log10(rest_energy / voice_energy)) if is_audible else NO_ACCOMPANIMENT_DB


def _measure_levels(mix: Source) -> _Levels:
    levels = loudness.Levels(mix.sample_rate_hz, mix.n_channels)
    for block in remove_dc(mix.open(), mix.sample_rate_hz):
        levels.push(block)
    return _Levels(levels.n_samples, levels.finish())


def _single_block(samples: Array) -> Iterator[Array]:
    yield samples


def _read_spans(source: Source, spans: list[tuple[int, int]]) -> list[Array]:
    """The samples of each span [first, last), (n, n_channels); they are in order."""
    span_blocks: list[list[Array]] = [[] for _ in spans]
    position = 0
    for block in source.open():
        for blocks, (first, last) in zip(span_blocks, spans, strict=True):
            blocks.append(block[max(0, first - position) : max(0, last - position)])
        position += len(block)
        if position >= spans[-1][1]:
            break
    return [np.concatenate(blocks) for blocks in span_blocks]


def _separate_vocals(
    mix: Source, separator: Separator, level_db: float, *, roughly: bool = False
) -> Generator[Array, None, None]:
    """The singing at the mix's rate, to a sample or two as long as the mix."""
    to_separator = Resampler(mix.sample_rate_hz, SAMPLE_RATE_HZ, mix.n_channels)
    from_separator = Resampler(SAMPLE_RATE_HZ, mix.sample_rate_hz, mix.n_channels)

    def resample_mix() -> Iterator[Array]:
        for block in mix.open():
            yield to_separator.push(block)
        yield to_separator.finish()

    for block in separator.separate_vocals(resample_mix(), level_db, roughly=roughly):
        yield from_separator.push(block)
    yield from_separator.finish()


def _separate(mix: Source, levels: _Levels, path: Path, on_event: OnEvent) -> Song:
    info = AudioInfo(mix.sample_rate_hz, mix.n_channels, "W64", "FLOAT")
    n_samples = levels.n_samples
    n_done = 0
    voice_levels = loudness.Levels(mix.sample_rate_hz, mix.n_channels)
    with (
        closing(_separate_vocals(mix, _load_separator_once(), levels.active_db)) as vocal_blocks,
        Writer(path, info, n_samples=n_samples) as writer,
    ):
        reader = BlockReader(vocal_blocks, mix.n_channels)
        while n_done < n_samples:
            on_event(Progress(Path(mix.label).name, "separating", n_done, n_samples))
            block = reader.take(min(BLOCK_SAMPLES, n_samples - n_done))
            writer.write(block)
            voice_levels.push(block)
            n_done += len(block)
    voice = replace(mix, open=lambda: read_blocks(path))

    def subtract_vocals() -> Iterator[Array]:
        vocals = BlockReader(voice.open(), mix.n_channels)
        for block in mix.open():
            yield block - vocals.take(len(block))

    return Song(voice, subtract_vocals, separated=True, levels_db=np.stack([voice_levels.finish(), levels.frames_db]))


def mute_unsung(song: Song, f0_hz: Array, frames_per_s: float) -> Song:
    """A separated song whose voice is silent where nobody sings; what was there goes back to the accompaniment.

    Between phrases, what is taken for voice is accompaniment, and would come out as someone humming to it.

    Args:
        song: A recording taken apart.
        f0_hz: Shape (n_frames,), the F0 of its voice, 0.0 = unvoiced.
        frames_per_s: Their rate.

    Returns:
        Voice and accompaniment, which still add up to the mix; the song itself if it was not separated.

    Raises:
        AudioError: There is an accompaniment, but less than half a second of singing.
    """
    if song.backing is None:
        return song
    note_frames = _odd_frame_count(NOTE_S, frames_per_s)
    consonant_frames = _odd_frame_count(2 * CONSONANT_S, frames_per_s)
    breath_frames = _odd_frame_count(2 * BREATH_S, frames_per_s)
    prominent, audible = _find_prominent(song, f0_hz > 0, frames_per_s)
    pitched = ((f0_hz > 0) & prominent).astype(np.float32)
    notes = maximum_filter1d(minimum_filter1d(pitched, note_frames, mode="constant"), note_frames)
    if notes.sum() < MIN_SUNG_S * frames_per_s:
        raise AudioError(
            f"{song.voice.label} has {notes.sum() / frames_per_s:.1f} s of singing, wanted at least {MIN_SUNG_S} s",
            "`mode=dry` takes all of it for a voice" if song.separated else "give a longer recording of the voice",
        )
    if not song.separated:
        return song
    breaths = maximum_filter1d(notes, breath_frames) * maximum_filter1d(audible.astype(np.float32), note_frames)
    sung_frames = np.maximum(maximum_filter1d(notes, consonant_frames), breaths)
    frame_gains = uniform_filter1d(sung_frames, note_frames)
    samples_per_frame = song.voice.sample_rate_hz / frames_per_s

    def apply_gains(sung: bool) -> Iterator[Array]:
        position = 0
        for block in filter(len, song.voice.open()):
            frames = np.clip((position + np.arange(len(block))) / samples_per_frame - 0.5, 0, len(frame_gains) - 1)
            # Of a long song, only the gains around this block.
            first = int(frames[0])
            gains = frame_gains[first : int(frames[-1]) + 2]
            gain = np.interp(frames - first, np.arange(len(gains)), gains)[:, None].astype(np.float32)
            position += len(block)
            yield block * (gain if sung else 1 - gain)

    def add_unsung(accompaniment: Callable[[], Iterator[Array]] = song.backing) -> Iterator[Array]:
        unsung = BlockReader(apply_gains(sung=False), song.voice.n_channels)
        for block in accompaniment():
            yield block + unsung.take(len(block))

    voice = replace(song.voice, open=partial(apply_gains, sung=True))
    return replace(song, voice=voice, backing=add_unsung, sung_s=float(frame_gains.sum()) / frames_per_s)


def _odd_frame_count(duration_s: float, frames_per_s: float) -> int:
    return 2 * round(duration_s * frames_per_s / 2) + 1


def _find_prominent(song: Song, voiced: Array, frames_per_s: float) -> tuple[Array, Array]:
    """In which frames the separated voice is as loud as sung notes are, and in which as loud as a breath."""
    if song.levels_db is None or not voiced.any():
        return np.ones(len(voiced), bool), np.ones(len(voiced), bool)
    power = 10 ** (song.levels_db / 10)
    voice_power, mix_power = power
    level_frames = (np.arange(len(voiced)) + 0.5) / frames_per_s / loudness.LEVEL_FRAME_S
    level_frames = np.minimum(level_frames, power.shape[1] - 1).astype(int)

    def average_db(values: Array, over_s: float) -> Array:
        mean = uniform_filter1d(values, round(over_s / loudness.LEVEL_FRAME_S))
        return np.asarray(10 * np.log10(np.maximum(mean, 1e-12))[level_frames])

    voice_db = average_db(voice_power, PROMINENCE_S)
    mix_db = average_db(mix_power, PROMINENCE_S)
    loud_db = np.percentile(voice_db[voiced], 95)
    prominent = (voice_db > loud_db + SOFTEST_NOTE_DB) & (voice_db > mix_db + FAINTEST_IN_MIX_DB)
    return prominent, average_db(voice_power, NOTE_S) > loud_db + SOFTEST_BREATH_DB


def _open_backing(path: Path, song: Source) -> Callable[[], Iterator[Array]]:
    info = probe(path)
    if info.sample_rate_hz != song.sample_rate_hz or info.n_channels not in (1, song.n_channels):
        raise AudioError(
            f"{path} has {info.sample_rate_hz} Hz and {info.n_channels} channels, {song.label} has "
            f"{song.sample_rate_hz} Hz and {song.n_channels}",
            "give an accompaniment of the same rate and channels",
        )
    n_song, n_backing = (sum(len(block) for block in blocks) for blocks in (song.open(), read_blocks(path)))
    if abs(n_song - n_backing) > BACKING_SLACK_S * song.sample_rate_hz:
        raise AudioError(
            f"{path} is {n_backing / song.sample_rate_hz:.2f} s long, "
            f"{song.label} is {n_song / song.sample_rate_hz:.2f} s",
            "give an accompaniment that is as long as the song",
        )

    def read_backing() -> Iterator[Array]:
        for block in read_blocks(path):
            yield np.broadcast_to(block, (len(block), song.n_channels))

    return read_backing
