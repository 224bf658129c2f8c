"""A bext chunk is read by others, and harms nothing."""

import errno
import os
import struct

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from voiceswap.audio import write
from voiceswap.audio.bext import Bext, append_bext
from voiceswap.audio.read import AudioInfo
from voiceswap.audio.write import Writer
from voiceswap.errors import WriteError

SAID = Bext("voiceswap 1", "0123456789abcdef" * 2, "2026-05-03T12:34:56+00:00", "made, for a test")


def chunks(data):
    """Name and content of each chunk; the sizes have to add up to the file's."""
    assert data[:4] + data[8:12] == b"RIFFWAVE"
    assert struct.unpack("<I", data[4:8])[0] == len(data) - 8
    found, at = {}, 12
    while at < len(data):
        size = struct.unpack("<I", data[at + 4 : at + 8])[0]
        found[data[at : at + 4]] = data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    assert at == len(data)
    return found


@given(n=st.integers(0, 500), subtype=st.sampled_from(["PCM_U8", "PCM_16", "PCM_24", "FLOAT", "ULAW"]))
def test_sound_and_tags_stay_as_they_were(tmp_path_factory, n, subtype):
    path = tmp_path_factory.mktemp("wav") / "a.wav"
    samples = (0.5 * np.sin(np.arange(n))).astype(np.float32)
    with soundfile.SoundFile(path, "w", 8000, 1, subtype=subtype) as file:
        file.title = "A song"
        file.write(samples)
    before = soundfile.read(path)[0]
    append_bext(path, SAID)
    assert np.array_equal(soundfile.read(path)[0], before)
    assert chunks(path.read_bytes())[b"bext"][602:] == b"T=made; for a test\r\n"
    with soundfile.SoundFile(path) as file:
        assert file.title == "A song"


def test_ffmpeg_reads_it(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(801, np.float32), 8000)
    append_bext(path, SAID)
    with av.open(str(path)) as container:
        said = {name: value.strip() for name, value in container.metadata.items()}
    assert {"voiceswap 1", SAID.reference, "2026-05-03", "12:34:56", "T=made; for a test"} <= set(said.values())


@pytest.mark.parametrize("text", ["é\n\0" * 300, "", "x" * 256])
def test_any_text_fits(tmp_path, text):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(8, np.float32), 8000)
    append_bext(path, Bext(text, text, text, text))
    content = chunks(path.read_bytes())[b"bext"]
    wanted = text.encode("ascii", "replace")
    assert content[256:288].rstrip(b"\0") == wanted[:32].rstrip(b"\0")
    assert content[602:].startswith(b"T=" + wanted)


@pytest.mark.parametrize("data", [b"", b"RIFF", b"RF64\xff\xff\xff\xffWAVE" + bytes(80), b"fLaC" + bytes(80)])
def test_what_is_no_wav_stays(tmp_path, data):
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    append_bext(path, SAID)
    assert path.read_bytes() == data


def test_what_riff_cannot_count_stays(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF\0\0\0\0WAVE")
    os.truncate(path, 2**32 - 300)
    append_bext(path, SAID)
    assert path.stat().st_size == 2**32 - 300


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    def full(path, bext):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(write, "append_bext", full)
    with (
        pytest.raises(WriteError, match=r"a\.wav"),
        Writer(tmp_path / "a.wav", AudioInfo(8000, 1, "WAV", "PCM_16"), bext=SAID) as writer,
    ):
        writer.write(np.zeros((80, 1), np.float32))
    assert list(tmp_path.iterdir()) == []
