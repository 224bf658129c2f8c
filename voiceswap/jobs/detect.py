"""Was it made with voiceswap? Looks for the watermark, and reads what a recording's tags say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from voiceswap.arrays import Array
from voiceswap.audio.read import AudioInfo, describe_tracks, probe, read_blocks, read_tags
from voiceswap.errors import StoppedError
from voiceswap.events import Note, OnEvent, Progress, ignore_events
from voiceswap.jobs.piped import keep_inputs
from voiceswap.provenance.c2pa import Credentials, read_credentials
from voiceswap.provenance.detector import Detection, detect_watermark
from voiceswap.provenance.record import Record, read_sidecar, record_from_tags


@dataclass(frozen=True)
class Finding:
    """What was found in one recording."""

    path: Path
    detection: Detection


@dataclass(frozen=True)
class Account:
    """What a recording's tags and signature say. Only a valid signature proves anything: who signed it.

    Attributes:
        path: The recording.
        kind: Rate, channels, format, title and artist.
        tags: All its tags, as they are: data from anyone.
        record: How it was made, if it says so.
        sidecar: What is to be said of the record beside it; empty if there is none.
        credentials: Its Content Credentials; None if it has none.
        faults: What contradicts what it says; empty if nothing does.
    """

    path: Path
    kind: AudioInfo
    tags: dict[str, str]
    record: Record | None
    sidecar: str
    credentials: Credentials | None
    faults: tuple[str, ...]


def describe_recording(path: Path) -> Account:
    """Read what a recording's tags and signature say, not its sound.

    Args:
        path: A recording of any format that `convert` reads.

    Returns:
        What it says, and what contradicts it.

    Raises:
        UsageError: No such file.
        AudioError: It is no recording.
    """
    info = probe(path)
    tags = read_tags(path)
    tag_record = record_from_tags(tags)
    sidecar_record, sidecar_state = read_sidecar(path)
    credentials = read_credentials(path, info.format)
    faults = []
    if sidecar_state and sidecar_record is None:
        faults.append(f"the record beside it {sidecar_state}")
    if credentials is not None and credentials.state == "broken":
        faults.append(f"changed since it was signed: {', '.join(credentials.problems) or 'unsound'}")
    if tag_record is not None and tag_record.signed and credentials is None:
        faults.append("it was signed, but its signature is gone")
    return Account(path, info, tags, tag_record or sidecar_record, sidecar_state, credentials, tuple(faults))


def detect(
    *inputs: str | Path, on_event: OnEvent = ignore_events, stopped: Callable[[], bool] = lambda: False
) -> list[Finding]:
    """Look for the watermark that conversions carry.

    Args:
        *inputs: Recordings in any format that `convert` reads, of any length; "-" is standard input.
        on_event: Called with each event.
        stopped: Called after each block; True ends it.

    Returns:
        One finding per recording, in their order.

    Raises:
        UsageError: A recording is missing.
        AudioError: A recording cannot be read.
        StoppedError: `stopped` returned True.

    Example:
        >>> import voiceswap
        >>> voiceswap.detect("song.speakerB.wav")[0].detection.decision  # doctest: +SKIP
        'yes'
    """
    findings = []
    with keep_inputs(inputs, on_event) as piped:
        for i, path in enumerate(piped.paths):
            piped.on_event(Progress(path.name, "detecting", i, len(inputs)))
            info = probe(path)
            if tracks := describe_tracks(path, info):
                piped.on_event(Note(tracks))
            blocks = read_blocks(path, damaged=lambda text: piped.on_event(Note(text, warning=True)))
            detection = detect_watermark(_raise_if_stopped(blocks, stopped), info.sample_rate_hz)
            findings.append(Finding(piped.name(path), detection))
    return findings


def _raise_if_stopped(blocks: Iterator[Array], stopped: Callable[[], bool]) -> Iterator[Array]:
    for block in blocks:
        if stopped():
            raise StoppedError("stopped")
        yield block
