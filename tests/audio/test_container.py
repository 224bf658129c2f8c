"""Sound tracks of containers: which one is read, and what becomes of one that changes on the way."""

import numpy as np
import pytest

from conftest import encoded
from voiceswap.audio.container import ContainerReader
from voiceswap.audio.read import describe_tracks, probe, read_blocks
from voiceswap.errors import UsageError

RATE = 48_000


def tone(hz, seconds=1.0):
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def with_tracks(path, *tones):
    """A container with a sound track for each tone."""
    import av

    with av.open(str(path), "w") as container:
        streams = [container.add_stream("libopus", rate=RATE, layout="mono") for _ in tones]
        for stream, language in zip(streams, ("eng", "fre"), strict=True):
            stream.metadata["language"] = language
        for stream, hz in zip(streams, tones, strict=True):
            frame = av.AudioFrame.from_ndarray(tone(hz)[None], format="fltp", layout="mono")
            frame.rate = RATE
            for packet in [*stream.encode(frame), *stream.encode(None)]:
                container.mux(packet)
    return path


def heard_hz(path, track=1):
    samples = np.concatenate(list(read_blocks(path, track=track)))
    return float(np.argmax(np.abs(np.fft.rfft(samples[: RATE // 2, 0])))) * 2


def test_the_track_that_was_chosen_is_read_and_named(tmp_path):
    path = with_tracks(tmp_path / "x.mkv", 440, 660)
    assert [heard_hz(path), heard_hz(path, 1), heard_hz(path, 2)] == pytest.approx([440, 440, 660], abs=2)
    info = probe(path, 2)
    assert info.tracks == ("eng 1 ch", "fre 1 ch")
    assert describe_tracks(path, info, 2) == f"{path} has 2 sound tracks: 1 (eng 1 ch), 2 (fre 1 ch); number 2 is used"


def test_one_track_needs_no_words_and_a_track_that_is_not_there_is_refused(tmp_path):
    single = encoded(tmp_path / "x.m4a", tone(440)[:, None], "aac", RATE)
    assert describe_tracks(single, probe(single)) == ""
    for path, n, said in (
        (single, 2, "1 sound track,"),
        (with_tracks(tmp_path / "y.mkv", 440, 660), 3, "2 sound tracks,"),
    ):
        with pytest.raises(UsageError, match=f"it has {said} wanted number {n}") as caught:
            probe(path, n)
        assert "`track`" in caught.value.hint
    import soundfile

    soundfile.write(tmp_path / "z.wav", tone(440), RATE)
    with pytest.raises(UsageError, match="it has 1 sound track, wanted number 2"):
        probe(tmp_path / "z.wav", 2)


def test_a_part_of_a_file_is_read_as_a_file(tmp_path):
    path = encoded(tmp_path / "x.m4a", tone(440)[:, None], "aac", RATE)
    data = path.read_bytes()
    path.write_bytes(b"junk" + data + b"junk")
    reader = ContainerReader(path, (4, 4 + len(data)))
    assert len(reader.read(1 << 20)) / RATE == pytest.approx(1.0, abs=0.03)
    assert reader.lost_samples(RATE) is None
    reader.close()
