"""What can be read is finite and at a sane rate; everything else is refused with its reason."""

import os
import struct

import numpy as np
import pytest
import soundfile

from voiceswap.audio.read import probe, read_blocks, read_mono, read_parts
from voiceswap.errors import AudioError, UsageError


def wav(path, samples, rate=16000):
    soundfile.write(path, samples, rate, subtype="FLOAT")
    return path


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "is empty (0 bytes)"), (b"hello" * 100, "is not a recording"), (os.urandom(4096), "is not a recording")],
)
def test_no_recording(tmp_path, content, says):
    path = tmp_path / "x.wav"
    path.write_bytes(content)
    with pytest.raises(AudioError) as caught:
        probe(path)
    assert says in caught.value.message and caught.value.hint and caught.value.exit_code == 3


def test_missing_folder_fifo_device_and_loop(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        probe(tmp_path / "none.wav")
    os.mkfifo(tmp_path / "fifo.wav")
    (tmp_path / "loop.wav").symlink_to("loop.wav")
    for path, says in [
        (tmp_path, "is a folder"),
        (tmp_path / "fifo.wav", "not a regular file"),
        (os.devnull, "not a regular file"),
        (tmp_path / "loop.wav", "cannot open"),
    ]:
        with pytest.raises(AudioError, match=says):
            probe(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_samples_that_are_no_sound_are_named(tmp_path, value):
    samples = np.zeros(16000, np.float32)
    samples[8000] = value
    with pytest.raises(AudioError, match=r"1 samples are no sound.* at 0\.500 s"):
        list(read_blocks(wav(tmp_path / "x.wav", samples)))


@pytest.mark.parametrize("rate", [1, 2_000, 2**31 - 1])
def test_absurd_rates_are_refused(tmp_path, rate):
    path = wav(tmp_path / "x.wav", np.zeros(100, np.float32))
    data = bytearray(path.read_bytes())
    data[24:28] = struct.pack("<I", rate)
    path.write_bytes(data)
    with pytest.raises(AudioError, match=f"claims {rate} Hz"):
        probe(path)


def test_parts_are_the_whole(tmp_path):
    samples = np.random.default_rng(0).normal(0, 0.1, 200_000).astype(np.float32)
    path = wav(tmp_path / "x.wav", samples, 44_100)
    whole = read_mono(path, 22_050)
    parts = list(read_parts(path, 22_050, 1.0))
    assert len(parts) > 2 and min(len(p) for p in parts[:-1]) >= 22_050
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    np.testing.assert_array_equal(read_mono(path, 22_050, max_s=0.5), whole[:11_025])
