"""Recordings joined in one file: all of them are read, whatever lies between them; what cannot be read is told."""

import struct

import numpy as np
import pytest
import soundfile

from conftest import encoded
from voiceswap.audio.links import Slice, find_layout
from voiceswap.audio.read import read_blocks
from voiceswap.errors import AudioError

TAG = b"TAG" + b"x" * 125
# With what looks like frames of MPEG audio in it.
ID3 = b"ID3\x04\0\0\0\0\x08\0" + b"\xff\xfb\x90\x00" * 256
PLAIN = {
    "ogg": ("OGG", "VORBIS"), "opus": ("OGG", "OPUS"), "flac": ("FLAC", "PCM_16"), "wav": ("WAV", "PCM_16"),
    "rf64": ("RF64", "PCM_16"), "aiff": ("AIFF", "PCM_16"), "au": ("AU", "PCM_16"), "w64": ("W64", "PCM_16"),
    "caf": ("CAF", "ALAC_16"),
}  # fmt: skip
PACKED = {
    "mp3": ("libmp3lame", "mp3"), "mp2": ("mp2", "mp2"), "m4a": ("aac", "ipod"), "3gp": ("aac", "3gp"),
    "webm": ("libopus", "webm"), "aac": ("aac", "adts"),
}  # fmt: skip
# Encoders put so much around each recording, if nothing says how much it is.
SLACK_S = {"m4a": 0.05, "3gp": 0.05, "aac": 0.07, "mp2": 0.04}


def tone(seconds, hz, rate, n_channels=1):
    t = np.arange(round(seconds * rate)) / rate
    return (0.3 * np.sin(2 * np.pi * hz * t)).astype(np.float32)[:, None].repeat(n_channels, axis=1)


def made(path, ending, seconds, hz, other=False):
    """A tone in a file; of the `other` kind, at another rate with two channels."""
    of_opus = ending in ("opus", "webm")
    rate, n_channels = ((24_000 if of_opus else 22_050) if other else 48_000 if of_opus else 44_100), 1 + other
    if of_opus and other and ending == "webm":
        rate = 48_000
    samples = tone(seconds, hz, rate, n_channels)
    if ending in PLAIN:
        form, subtype = PLAIN[ending]
        soundfile.write(path, samples, rate, format=form, subtype=subtype)
    else:
        encoded(path, samples, PACKED[ending][0], rate, PACKED[ending][1])
    return path.read_bytes()


def heard_hz(samples, rate):
    return float(np.argmax(np.abs(np.fft.rfft(samples[: rate // 2, 0])))) * 2


@pytest.mark.parametrize("between", ["nothing", "tags", "another rate"])
@pytest.mark.parametrize("ending", [*PLAIN, *PACKED])
def test_all_that_was_joined_is_read(ending, between, tmp_path):
    one = made(tmp_path / "one", ending, 1.5, 440)
    two = made(tmp_path / "two", ending, 1.0, 660, other=between == "another rate")
    path = tmp_path / f"joined.{ending}"
    path.write_bytes(one + (TAG + ID3 if between == "tags" else b"") + two + (TAG if between == "tags" else b""))
    rate = 48_000 if ending in ("opus", "webm") else 44_100
    samples = np.concatenate(list(read_blocks(path)))
    assert samples.shape[1] == 1
    assert len(samples) / rate == pytest.approx(2.5, abs=2 * SLACK_S.get(ending, 0.001))
    assert heard_hz(samples[rate // 2 :], rate) == pytest.approx(440, abs=2)
    assert heard_hz(samples[-3 * rate // 4 :], rate) == pytest.approx(660, abs=2)


def test_the_same_recording_three_times_is_read_three_times(tmp_path):
    """Their streams have one serial number, so that only the first pages tell them apart."""
    for ending in ("ogg", "flac", "wav"):
        data = made(tmp_path / "one", ending, 1.0, 440)
        (tmp_path / f"x.{ending}").write_bytes(3 * data)
        assert len(find_layout(tmp_path / f"x.{ending}").spans) == 3
        assert sum(map(len, read_blocks(tmp_path / f"x.{ending}"))) == 3 * 44_100


def test_piped_wavs_that_do_not_know_their_length_are_told_apart(tmp_path):
    data = bytearray(made(tmp_path / "one", "wav", 1.0, 440))
    data[4:8] = data[40:44] = struct.pack("<I", 0xFFFFFFFF)
    (tmp_path / "x.wav").write_bytes(2 * data)
    assert sum(map(len, read_blocks(tmp_path / "x.wav"))) == 2 * 44_100


def test_live_matroska_and_fragmented_mp4_are_told_apart(tmp_path):
    samples = tone(1.0, 440, 48_000)
    live = encoded(tmp_path / "live.webm", samples, "libopus", 48_000, "webm", {"live": "1"}).read_bytes()
    flags = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "200000"}
    fragments = encoded(tmp_path / "f.mp4", samples, "aac", 48_000, "mp4", flags).read_bytes()
    for name, data in (("x.webm", live), ("x.mp4", fragments)):
        (tmp_path / name).write_bytes(2 * data)
        assert sum(map(len, read_blocks(tmp_path / name))) / 48_000 == pytest.approx(2.0, abs=0.05)


def test_a_joined_recording_of_which_one_is_cut_says_how_much_is_lost(tmp_path):
    one, two = (made(tmp_path / "x", "flac", seconds, 440) for seconds in (2.0, 1.0))
    path = tmp_path / "x.flac"
    path.write_bytes(one[: len(one) // 2] + two)
    with pytest.raises(AudioError, match="joined from several, of which one is incomplete"):
        list(read_blocks(path))
    damage = []
    n = sum(map(len, read_blocks(path, damaged=damage.append)))
    lost_s = float(damage[0].split("; ")[1].split(" s")[0])
    assert n / 44_100 + lost_s == pytest.approx(3.0, abs=0.1) and 0.8 < lost_s < 1.3


def test_one_recording_has_no_parts(tmp_path):
    for ending in ("ogg", "opus", "wav", "flac", "m4a", "webm", "caf", "aiff", "au", "w64"):
        made(tmp_path / f"x.{ending}", ending, 0.5, 440)
        assert find_layout(tmp_path / f"x.{ending}").spans == (), ending


def test_what_was_found_is_not_kept_for_a_file_that_changed(tmp_path):
    path = tmp_path / "x.wav"
    data = made(path, "wav", 0.5, 440)
    assert find_layout(path).spans == ()
    path.write_bytes(data + data)
    assert find_layout(path).spans == ((0, len(data)), (len(data), 2 * len(data)))


def test_a_slice_is_a_file_of_its_own(tmp_path):
    (tmp_path / "x").write_bytes(bytes(range(100)))
    with Slice(tmp_path / "x", 10, 20) as part:
        assert part.read() == bytes(range(10, 20)) and part.read(5) == b""
        assert part.seek(-3, 2) == part.tell() == 7
        assert part.read(99) == bytes(range(17, 20))
        assert part.seek(2) == 2 and part.seek(1, 1) == 3 and part.read(1) == b"\x0d"
