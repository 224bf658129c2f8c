"""What libsndfile reads, and what a header leaves out."""

import struct

import numpy as np
import pytest

from conftest import save
from voiceswap.audio.plain import PlainReader
from voiceswap.audio.read import read_blocks
from voiceswap.errors import AudioError

RATE = 16_000
NOISE = np.random.default_rng(0).normal(0, 0.1, 3 * RATE)


def test_a_wav_whose_header_was_left_behind_says_what_lies_beyond_it(tmp_path):
    """A recorder that is switched off may leave the length of its last save."""
    path = save(tmp_path / "x.wav", NOISE, RATE)
    data = bytearray(path.read_bytes())
    data[4:8], data[40:44] = struct.pack("<I", 36 + 2 * RATE), struct.pack("<I", 2 * RATE)
    path.write_bytes(data)
    with pytest.raises(AudioError, match=r"damaged after 1\.0 s: the rest of it is missing; 2\.0 s are lost"):
        list(read_blocks(path))


@pytest.mark.parametrize(
    "more", [b"TAG" + b"x" * 125, b"id3 " + struct.pack("<I", 20_000) + bytes(20_000), bytes(20_000)]
)
def test_tags_and_chunks_behind_a_wav_are_no_loss(more, tmp_path):
    path = save(tmp_path / "x.wav", NOISE, RATE)
    path.write_bytes(path.read_bytes() + more)
    assert sum(map(len, read_blocks(path))) == len(NOISE)


def test_a_part_of_a_file_is_read_as_a_file(tmp_path):
    path = save(tmp_path / "x.flac", NOISE, RATE)
    data = path.read_bytes()
    path.write_bytes(b"junk" + data + b"junk")
    reader = PlainReader(path, (4, 4 + len(data)))
    assert len(reader.read(1 << 20)) == len(NOISE) and reader.lost_samples(len(NOISE)) is None
    reader.close()
