"""Files to blocks of samples, checked: what leaves here is finite float32 at a rate that recordings have."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voiceswap.arrays import Array
from voiceswap.audio.channels import find_channel_signs, mix_to_mono
from voiceswap.audio.container import wanted_track
from voiceswap.audio.decode import Refused, Track, describe_error
from voiceswap.audio.decoder_process import (
    MAX_COMMENT_CHARACTERS,
    MAX_TAG_CHARACTERS,
    MAX_TAGS,
    Remote,
    open_track,
)
from voiceswap.audio.pipes import find_real_path
from voiceswap.audio.resample import Resampler
from voiceswap.errors import AudioError, UsageError

BLOCK_SAMPLES = 65_536
WANTED = "wanted a recording: wav, flac, ogg, opus, mp3, m4a, mp4, webm, aiff, caf, w64"
MIN_RATE_HZ = 4_000
MAX_RATE_HZ = 384_000
MAX_TRACKS_NAMED = 8
MAX_NAMESAKES = 3
MAX_CHANNELS = 64
# Float files may exceed full scale; beyond this it is not audio.
MAX_ABS = 1e3


@dataclass(frozen=True)
class AudioInfo:
    """What a file says of itself; its length is left out, since headers lie."""

    sample_rate_hz: int
    n_channels: int
    format: str
    subtype: str
    title: str = ""
    artist: str = ""
    tracks: tuple[str, ...] = ()


def probe(path: Path, track: int = 1) -> AudioInfo:
    """What kind of recording this is.

    Args:
        path: A file.
        track: Which of several sound tracks, from 1.

    Returns:
        Rate, channels, soundfile's names of format and subtype, title and artist; of several sound tracks, each in a
        few words.

    Raises:
        UsageError: No such file.
        AudioError: Not a regular file, empty, not audio, or with a rate or channel count that no recording has.
    """
    with closing(_open_checked(path, track)) as opened:
        title, artist = (opened.tags.get(name, "")[:MAX_TAG_CHARACTERS] for name in ("title", "artist"))
        kind = (opened.sample_rate_hz, opened.n_channels, opened.format, opened.subtype)
        return AudioInfo(*kind, title, artist, opened.tracks)


def describe_tracks(path: Path, info: AudioInfo, track: int = 1) -> str:
    """Which of several sound tracks is used, for a person; empty if there is but one."""
    if len(info.tracks) < 2:
        return ""
    listed = ", ".join(f"{i} ({words})" for i, words in enumerate(info.tracks[:MAX_TRACKS_NAMED], 1))
    return f"{path} has {len(info.tracks)} sound tracks: {listed}; number {track} is used"


def read_tags(path: Path) -> dict[str, str]:
    """What a file says of itself in words.

    Args:
        path: A file.

    Returns:
        Its title, artist, comment, software, date and the like, by those names, as far as it has them: data from
        anyone, with whatever characters.

    Raises:
        UsageError: No such file.
        AudioError: As `probe`.
    """
    with closing(_open_checked(path)) as opened:
        tags = {str(name)[:MAX_TAG_CHARACTERS]: str(text) for name, text in opened.tags.items() if text}
    return {
        name: text[: MAX_COMMENT_CHARACTERS if name == "comment" else MAX_TAG_CHARACTERS]
        for name, text in list(tags.items())[:MAX_TAGS]
    }


def read_blocks(
    path: Path,
    block_samples: int = BLOCK_SAMPLES,
    *,
    track: int = 1,
    damaged: Callable[[str], object] | None = None,
) -> Iterator[Array]:
    """A recording, block by block.

    Args:
        path: A file.
        block_samples: Samples a channel in each block, but for the last.
        track: Which of several sound tracks, from 1.
        damaged: Told how much of a damaged or cut recording is lost, after all that could be read of it; without it, or
            where nobody can tell how much it is, that is an error.

    Yields:
        Shape (n, n_channels), float32, finite.

    Raises:
        UsageError: No such file.
        AudioError: As `probe`; or damaged, or with samples that are not finite or absurd.
    """
    with closing(_open_checked(path, track)) as opened:
        position = 0
        while True:
            try:
                block = opened.read(block_samples)
            except Refused as error:
                raise _damage_error(
                    f"{path} is damaged after {position / opened.sample_rate_hz:.1f} s: {error}"
                ) from error
            if len(block):
                check_samples(str(path), block, position, opened.sample_rate_hz)
                yield block
            position += len(block)
            if opened.damage and (damaged is None or opened.lost_s is None or not position):
                raise _damage_error(f"{path} is {opened.damage}")
            if len(block) < block_samples:
                break
        if damaged is not None and opened.damage:
            damaged(f"{path} is {opened.damage}")


def _damage_error(message: str) -> AudioError:
    return AudioError(message, "copy it anew, or re-encode it")


def read_parts(path: Path, sample_rate_hz: int, part_s: float) -> Iterator[Array]:
    """A recording, mono, at another rate, in parts: an hour of it takes the memory of a part.

    Args:
        path: A file.
        sample_rate_hz: The rate wanted.
        part_s: Each part is at least so long, but for the last.

    Yields:
        Shape (n_samples,), float32.

    Raises:
        UsageError: No such file.
        AudioError: As `read_blocks`.
    """
    info = probe(path)
    signs = find_channel_signs(read_blocks(path), info.n_channels)
    resampler = Resampler(info.sample_rate_hz, sample_rate_hz)
    parts = list[Array]()
    n_samples = 0
    for block in read_blocks(path):
        parts.append(resampler.push(mix_to_mono(block, signs)))
        n_samples += len(parts[-1])
        if n_samples >= part_s * sample_rate_hz:
            yield np.concatenate(parts)
            parts = []
            n_samples = 0
    yield np.concatenate([*parts, resampler.finish()])


def read_mono(path: Path, sample_rate_hz: int, max_s: float = np.inf) -> Array:
    """A recording in one piece, mono, at another rate.

    Args:
        path: A file.
        sample_rate_hz: The rate wanted.
        max_s: How much of it.

    Returns:
        Shape (n_samples,), float32.

    Raises:
        UsageError: No such file.
        AudioError: As `read_blocks`.
    """
    if max_s == np.inf:
        return np.concatenate(list(read_parts(path, sample_rate_hz, np.inf)))
    return next(read_parts(path, sample_rate_hz, max_s))[: round(max_s * sample_rate_hz)]


def check_is_there(path: Path) -> None:
    """Raise UsageError if there is no such file, AudioError if it cannot be a recording; nothing is read of it."""
    try:
        kind = os.stat(path)
    except FileNotFoundError as error:
        hint = find_namesakes(path) or "check the spelling, and the folder you are in"
        raise UsageError(f"no such file: {path}", hint) from error
    except (OSError, ValueError) as error:
        raise AudioError(f"cannot open {path}: {describe_error(error)}", WANTED) from error
    if not stat.S_ISREG(kind.st_mode):
        what = "a folder" if stat.S_ISDIR(kind.st_mode) else "not a regular file"
        raise AudioError(f"{path} is {what}", WANTED)
    if not kind.st_size:
        raise AudioError(f"{path} is empty (0 bytes)", WANTED)


def find_namesakes(path: Path) -> str:
    """Which files have this name with an ending, or with another one, for a hint; empty if none has."""
    try:
        names = sorted(os.listdir(path.parent))
    except (OSError, ValueError):
        return ""
    stems = {path.name, path.stem}
    alike = [name for name in names if Path(name).suffix and Path(name).stem in stems and name != path.name]
    files = [name for name in alike if os.path.isfile(path.parent / name)][:MAX_NAMESAKES]
    return f"{', '.join(files)} {'is' if len(files) == 1 else 'are'} there" if files else ""


def _open_checked(path: Path, track: int = 1) -> Track | Remote:
    path = Path(path)
    check_is_there(path)
    try:
        opened = open_track(find_real_path(path), track)
    except Refused as error:
        if str(error).endswith(wanted_track(track)):
            raise UsageError(f"{path}: {error}", "`track` chooses one of them, counted from 1") from error
        raise AudioError(f"{path} is not a recording that can be read: {error}", WANTED) from error
    try:
        check_kind(str(path), opened.sample_rate_hz, opened.n_channels)
    except AudioError:
        opened.close()
        raise
    return opened


def check_kind(label: str, sample_rate_hz: int, n_channels: int) -> None:
    """Raise AudioError for a rate or a number of channels that no recording has."""
    if not MIN_RATE_HZ <= sample_rate_hz <= MAX_RATE_HZ or not 1 <= n_channels <= MAX_CHANNELS:
        raise AudioError(
            f"{label} claims {sample_rate_hz} Hz and {n_channels} channels, wanted {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz "
            f"and 1 to {MAX_CHANNELS} channels",
            "its header is damaged; convert it with another program",
        )


def check_samples(label: str, block: Array, position: int, sample_rate_hz: int) -> None:
    """Raise AudioError for samples that are not finite, or far beyond full scale; `block` begins at `position`."""
    bad = ~(np.abs(block) <= MAX_ABS)
    if bad.any():
        first = int(np.flatnonzero(bad.any(axis=1))[0])
        value = block[bad][0]
        raise AudioError(
            f"{label}: {int(bad.sum())} samples are no sound, the first ({value}) at "
            f"{(position + first) / sample_rate_hz:.3f} s",
            "it is damaged: export it again, as 16- or 24-bit",
        )
