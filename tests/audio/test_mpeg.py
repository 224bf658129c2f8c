"""MPEG audio that does not say how long it is, or not truly: decoded to its very end, at the right place."""

import numpy as np
import pytest
import soundfile

from conftest import encoded
from voiceswap.audio.decode import open_reader
from voiceswap.audio.links import find_layout
from voiceswap.audio.mpeg import MpegReader, says_its_length
from voiceswap.audio.plain import PlainReader
from voiceswap.audio.read import probe, read_blocks
from voiceswap.errors import AudioError

RATE = 44_100


def take(seed, seconds, rate=RATE):
    """Silence, a tone, then noise: its first frames say nothing of how long it is at a variable bit rate."""
    t = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(seed).normal(0, 0.15, len(t))
    quiet = np.where(
        t < seconds / 3, 0.0, np.where(t < 2 * seconds / 3, 0.3 * np.sin(2 * np.pi * (300 + 50 * seed) * t), noise)
    )
    return quiet.astype(np.float32)[:, None]


def read(path):
    return np.concatenate(list(read_blocks(path)))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("quality", [2, 4, 9, None])
def test_an_mp3_without_a_count_is_read_to_its_end(seed, quality, tmp_path):
    samples = take(seed, 3.0 + seed)
    coder = {"flags": "+qscale", "global_quality": str(118 * quality)} if quality else {}
    path = encoded(tmp_path / "x.mp3", samples, "libmp3lame", RATE, options={"write_xing": "0"}, coder=coder)
    # At a variable bit rate a guess from the first frames is far off.
    assert (abs(soundfile.SoundFile(path).frames - len(samples)) > RATE / 4) == (quality is not None)
    heard = read(path)
    assert isinstance(open_reader(path), MpegReader)
    # The encoder's delay at the beginning and what fills up the last frame stay: nothing says how much they are.
    assert 0 <= len(heard) - len(samples) < 4 * 1152
    loud = np.abs(heard[:, 0]) > 0.05
    assert np.flatnonzero(loud)[-1] > len(samples) - 100


def test_frame_by_frame_is_where_libsndfile_has_it(tmp_path):
    samples = take(1, 3.0)
    path = encoded(tmp_path / "x.mp3", samples, "libmp3lame", RATE)
    layout = find_layout(path)
    assert says_its_length(layout)
    ours, theirs = MpegReader(path, layout.mpeg[0], {}), PlainReader(path)
    one, other = ours.read(1 << 20), theirs.read(1 << 20)
    assert len(one) == len(other) == len(samples)
    assert np.abs(one - other).max() < 1e-3
    ours.close()


@pytest.mark.parametrize(("codec", "subtype"), [("libmp3lame", "MPEG_LAYER_III"), ("mp2", "MPEG_LAYER_II")])
def test_mpeg_audio_in_a_wav_is_whole(codec, subtype, tmp_path):
    samples = take(2, 3.0)
    path = encoded(tmp_path / "x.wav", samples, codec, RATE, "wav")
    info = probe(path)
    assert (info.format, info.subtype, info.sample_rate_hz) == ("WAV", subtype, RATE)
    heard = read(path)
    assert 0 <= len(heard) - len(samples) < 4 * 1152
    path.write_bytes(path.read_bytes().replace(b"data", b"junk", 1))
    with pytest.raises(AudioError):
        read(path)


def test_a_capture_that_begins_amid_a_frame_is_read(tmp_path):
    path = encoded(tmp_path / "x.mp3", take(3, 3.0), "libmp3lame", RATE, options={"write_xing": "0"})
    path.write_bytes(path.read_bytes()[1000:])
    assert len(read(path)) / RATE == pytest.approx(2.93, abs=0.1)


def test_a_hole_amid_frames_is_told_with_its_seconds(tmp_path):
    path = encoded(tmp_path / "x.mp3", take(3, 6.0), "libmp3lame", RATE, options={"write_xing": "0"})
    data = path.read_bytes()
    path.write_bytes(data[:20_000] + bytes(8_000) + data[28_000:])
    with pytest.raises(AudioError, match="some of it is no sound"):
        read(path)
    damage = []
    n = sum(len(block) for block in read_blocks(path, damaged=damage.append))
    lost_s = float(damage[0].split("; ")[1].split(" s")[0])
    assert lost_s == pytest.approx(1.0, abs=0.15)
    assert n / RATE + lost_s == pytest.approx(6.0, abs=0.15)


def test_tags_of_what_is_decoded_here_are_kept(tmp_path):
    path = encoded(tmp_path / "x.mp3", take(3, 1.0), "libmp3lame", RATE)
    path.write_bytes(2 * path.read_bytes())
    assert probe(path).title == "A song"
    assert len(read(path)) == 2 * RATE
