"""A song put together again: the converted voice over its accompaniment, as loud as the song was."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import numpy as np

from voiceswap.arrays import Array
from voiceswap.audio.prefetch import prefetch
from voiceswap.audio.read import AudioInfo, read_blocks
from voiceswap.audio.source import BlockReader, Source
from voiceswap.audio.write import Writer
from voiceswap.conversion.options import ConvertOptions
from voiceswap.conversion.songs import STEMS, Song
from voiceswap.conversion.stream import soft_clip
from voiceswap.events import Note, OnEvent
from voiceswap.signal.lufs import Balance
from voiceswap.storage import atomic

# Of a song taken apart the mark lies where somebody sings; throughout, if that is less than detection hears at once.
SPARSE_S = 8.0
# A mix is louder than a voice alone and was limited when it was made: only what exceeds this is clipped.
MIX_KNEE = 0.97
MIX_CEILING = 0.999


@contextmanager
def mix_song(
    converted: Iterator[Array],
    song: Song,
    options: ConvertOptions,
    rate_like: AudioInfo,
    n_samples: int,
    on_progress: Callable[[int], None],
    on_event: OnEvent,
) -> Iterator[Iterator[tuple[Array, Array | None]]]:
    """The converted voice over its accompaniment, as loud as the song was, each stem kept where that is wanted.

    Of a song all is converted before anything can be mixed.

    Args:
        converted: The converted voice in blocks (n, n_channels).
        song: What it came from.
        options: Gains, and where stems go.
        rate_like: The recording's kind.
        n_samples: How many samples a channel it has.
        on_progress: How many samples are converted, while nothing can be mixed yet.
        on_event: Told which gain keeps the song's loudness.

    Yields:
        What gives blocks (n, n_channels) float32, |sample| < 1, and where they hold what was converted, (n,) bool; None
        for all.

    Raises:
        UsageError: A stem exists.
        WriteError: A stem cannot be written.
    """
    channels = rate_like.n_channels
    with ExitStack() as stack:
        writers = _open_stems(stack, options.stems, rate_like, n_samples)
        if song.backing is None:
            backing = None
        else:
            converted = stack.enter_context(
                _balance_loudness(converted, song.voice, song.backing, on_progress, on_event)
            )
            backing = BlockReader(song.backing(), channels)
        yield stack.enter_context(closing(prefetch(_mix(converted, backing, song, options, writers))))


def _mix(
    converted: Iterator[Array], backing: BlockReader | None, song: Song, options: ConvertOptions, writers: list[Writer]
) -> Iterator[tuple[Array, Array | None]]:
    """As `mix_song` gives them; the stems are written on the way."""
    vocal_gain, backing_gain = (
        np.float32(10 ** (gain_db / 20)) for gain_db in (options.vocal_gain_db, options.backing_gain_db)
    )
    vocals = BlockReader(song.voice.open(), song.voice.n_channels) if writers else None
    for block in converted:
        rest = backing.take(len(block)) if backing is not None else np.zeros_like(block)
        if vocals is not None:
            for writer, stem in zip(writers, (vocals.take(len(block)), block, rest), strict=True):
                writer.write(stem)
        if backing is None:
            yield soft_clip(block * vocal_gain), None
        else:
            is_converted = np.any(block, axis=1) if song.sung_s >= SPARSE_S else None
            yield soft_clip(block * vocal_gain + rest * backing_gain, MIX_KNEE, MIX_CEILING), is_converted


@contextmanager
def _balance_loudness(
    converted: Iterator[Array],
    voice: Source,
    backing: Callable[[], Iterator[Array]],
    on_progress: Callable[[int], None],
    on_event: OnEvent,
) -> Iterator[Iterator[Array]]:
    """The converted voice with the gain that keeps the song's loudness; it lies in a temporary file meanwhile.

    A voice is less loud to a listener than another one of the same power, and adds up with what the separator left of
    the singer in the accompaniment otherwise. The accompaniment stays as it is.
    """
    balance = Balance(voice.sample_rate_hz, voice.n_channels)
    n_done = 0
    singer, rest = (BlockReader(blocks, voice.n_channels) for blocks in (voice.open(), backing()))
    with tempfile.TemporaryDirectory(prefix="voiceswap-") as folder:
        path = Path(folder) / "converted.w64"
        with Writer(path, AudioInfo(voice.sample_rate_hz, voice.n_channels, "W64", "FLOAT")) as writer:
            for block in converted:
                writer.write(block)
                behind = rest.take(len(block))
                balance.push(block, behind, behind + singer.take(len(block)))
                n_done += len(block)
                on_progress(n_done)
        gain_db = balance.gain_db()
        on_event(Note(f"{voice.label}: the voice is put back with {gain_db:+.1f} dB: as loud a song as before"))
        gain = np.float32(10 ** (gain_db / 20))
        yield (block * gain for block in read_blocks(path))


def _open_stems(stack: ExitStack, folder: Path | None, like: AudioInfo, n_samples: int) -> list[Writer]:
    if folder is None:
        return []
    atomic.make_folder(folder)
    paths = [folder / f"{stem}.wav" for stem in STEMS]
    kind = AudioInfo(like.sample_rate_hz, like.n_channels, "WAV", "FLOAT")
    return [stack.enter_context(Writer(path, kind, n_samples=n_samples)) for path in paths]
