"""Frames of MPEG audio are counted one by one, tags and junk left out."""

import numpy as np
import pytest

from conftest import encoded
from voiceswap.audio.mpeg_frames import Frame, find_first_frame, find_mpeg_links, id3_bytes, parse_header, walk_frames

RATE = 44_100
NOISE = np.random.default_rng(0).normal(0, 0.1, (2 * RATE, 1)).astype(np.float32)
APE = (
    b"APETAGEX" + (2000).to_bytes(4, "little") + (32).to_bytes(4, "little") + bytes(4) + (1 << 29).to_bytes(4, "little")
)
TAGS = (
    b"TAG" + b"x" * 125,
    b"ID3\x04\0\0\0\0\x02\0" + b"\xff\xfb\x90\x00" * 64,
    APE + bytes(8) + b"x" * 32,
    b"LYRICSBEGININD00003110" + b"LYRICS200",
)


@pytest.mark.parametrize(
    ("header", "frame"),
    [
        (b"\xff\xfb\x90\x64", Frame(3, 44_100, 2, 1152, 417, 32)),
        (b"\xff\xfb\x92\xc4", Frame(3, 44_100, 1, 1152, 418, 17)),
        (b"\xff\xf3\x64\xc4", Frame(3, 24_000, 1, 576, 144, 9)),
        (b"\xff\xe3\x18\xc4", Frame(3, 8_000, 1, 576, 72, 9)),
        (b"\xff\xfd\xa4\x04", Frame(2, 48_000, 2, 1152, 576, 32)),
        (b"\xff\xff\xc4\x04", Frame(1, 48_000, 2, 384, 384, 32)),
    ],
)
def test_headers_say_what_the_standard_says(header, frame):
    assert parse_header(header) == frame


@pytest.mark.parametrize(
    "header", [b"", b"\xff\xfb", b"RIFF", b"\xff\xf1\x50\x80", b"\xff\xfb\xf0\x00", b"\xff\xfb\x9c\x00"]
)
def test_what_begins_no_frame(header):
    assert parse_header(header) is None


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("mpeg") / "x.mp3"
    return encoded(path, NOISE, "libmp3lame", RATE).read_bytes()


def test_an_encoder_tells_frames_delay_and_padding(data):
    (link,) = find_mpeg_links(data, 0, len(data))
    assert link.declared_frames == link.n_frames and link.n_stray_bytes == 0 == link.lost_samples
    assert link.n_frames * 1152 - link.delay - link.padding == len(NOISE)


def test_tags_between_frames_are_no_sound_and_no_loss(data):
    (link,) = find_mpeg_links(data, 0, len(data))
    stop = 100 * 417 + link.start
    cut = [at for at, frame, _ in walk_frames(data, link.start, len(data)) if frame is not None and at < stop][-1]
    with_tags = data[:cut] + b"".join(TAGS) + data[cut:]
    (found,) = find_mpeg_links(with_tags, 0, len(with_tags))
    assert (found.n_frames, found.n_stray_bytes) == (link.n_frames, 0)
    assert id3_bytes(TAGS[1]) == len(TAGS[1])


def test_a_hole_is_lost_sound(data):
    middle = len(data) // 2
    holed = data[:middle] + bytes(16_000) + data[middle + 16_000 :]
    (link,) = find_mpeg_links(holed, 0, len(holed))
    lost = (link.declared_frames - link.n_frames) * 1152
    assert link.lost_samples == lost and lost / RATE == pytest.approx(16_000 * 8 / 128_000, rel=0.3)


def test_a_few_frames_in_a_row_are_wanted(data):
    assert find_first_frame(b"\xff\xfb\x90\x64" + bytes(4096), 0, 4100) is None
    first = find_first_frame(data, 0, len(data))
    assert find_first_frame(bytes(77) + data[first:], 0, len(data)) == 77
