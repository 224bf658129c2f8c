"""What a file is, its content tells; its name never does."""

import numpy as np
import pytest

from conftest import encoded, save
from voiceswap.audio.read import probe, read_blocks
from voiceswap.audio.sniff import HEAD_BYTES, skip_id3, sniff
from voiceswap.errors import AudioError

RATE = 44_100
TONE = (0.3 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype(np.float32)[:, None]
ID3 = b"ID3\x04\0\0\0\0\x08\0" + bytes(1024)


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    """A second of 440 Hz in files of many kinds."""
    import soundfile

    folder = tmp_path_factory.mktemp("kinds")
    for ending, form, subtype in (
        ("wav", "WAV", "PCM_16"), ("aiff", "AIFF", "PCM_16"), ("w64", "W64", "PCM_16"), ("caf", "CAF", "PCM_16"),
        ("au", "AU", "PCM_16"), ("ogg", "OGG", "VORBIS"), ("flac", "FLAC", "PCM_16"), ("mp3", "MP3", "MPEG_LAYER_III"),
    ):  # fmt: skip
        soundfile.write(folder / f"x.{ending}", TONE, RATE, format=form, subtype=subtype)
    for ending, codec, form in (
        ("m4a", "aac", None), ("mov", "aac", "mov"), ("3gp", "aac", "3gp"), ("webm", "libopus", None),
        ("mka", "libopus", "matroska"), ("aac", "aac", "adts"),
    ):  # fmt: skip
        rate = 48_000 if codec == "libopus" else RATE
        tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
        encoded(folder / f"x.{ending}", tone.astype(np.float32)[:, None], codec, rate, form)
    return folder


EXPECTED = {
    "wav": "wav", "aiff": "aiff", "w64": "w64", "caf": "caf", "au": "au", "ogg": "ogg", "flac": "flac", "mp3": "mpeg",
    "m4a": "mov", "mov": "mov", "3gp": "mov", "webm": "matroska", "mka": "matroska", "aac": "aac",
}  # fmt: skip


@pytest.mark.parametrize("ending", EXPECTED)
def test_each_kind_is_known_by_its_first_bytes(ending, kinds):
    data = (kinds / f"x.{ending}").read_bytes()
    assert sniff(data[:HEAD_BYTES]) == sniff(data[:4096]) == EXPECTED[ending]
    assert sniff((ID3 + ID3 + data)[:HEAD_BYTES]) == EXPECTED[ending]


def test_what_is_no_sound_is_of_no_kind():
    for data in (
        b"",
        b"hello" * 100,
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        np.random.default_rng(0).bytes(HEAD_BYTES),
        ID3,
    ):
        assert sniff(data) == ""
    assert skip_id3(ID3 + b"x") == len(ID3) and skip_id3(b"ID3") == 0


@pytest.mark.parametrize(
    ("ending", "name"),
    [
        ("m4a", "memo.wav"), ("webm", "x.mp3"), ("mp3", "x.m4a"), ("wav", "x.webm"), ("ogg", "x.flac"), ("aac", "x.m4a"),
        ("m4a", "x"), ("mp3", "x.txt"), ("3gp", "x.3gp"), ("mka", "x.mka"), ("m4a", "x.m4r"), ("mov", "x.qt"),
    ],
)  # fmt: skip
def test_a_wrong_or_unusual_ending_is_no_reason_to_refuse(ending, name, kinds, tmp_path):
    path = tmp_path / name
    path.write_bytes((kinds / f"x.{ending}").read_bytes())
    info = probe(path)
    samples = np.concatenate(list(read_blocks(path)))
    assert len(samples) / info.sample_rate_hz == pytest.approx(1.0, abs=0.07)
    middle = samples[len(samples) // 4 : len(samples) // 4 + info.sample_rate_hz // 2, 0]
    assert np.argmax(np.abs(np.fft.rfft(middle))) * 2 == pytest.approx(440, abs=2)


def test_what_names_other_files_is_refused_whatever_it_is_called(tmp_path):
    """R19."""
    secret = save(tmp_path / "secret.wav", np.zeros(1000))
    for name in ("x", "x.m3u8", "x.3gp", "x.mka"):
        (tmp_path / name).write_text(f"#EXTM3U\n#EXTINF:1,\nfile://{secret}\n")
        with pytest.raises(AudioError, match="not a recording that can be read"):
            probe(tmp_path / name)
