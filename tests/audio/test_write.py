"""Files that are whole or not there, in every format, with their tags."""

import numpy as np
import pytest
import soundfile

from voiceswap.audio import write
from voiceswap.audio.bext import Bext
from voiceswap.audio.read import AudioInfo, probe, read_blocks, read_tags
from voiceswap.audio.write import FORMATS, UNTAGGED, Writer
from voiceswap.errors import UsageError, WriteError


def test_long_vorbis_is_written_in_blocks(tmp_path):
    path = tmp_path / "x.ogg"
    noise = np.random.default_rng(0).normal(0, 0.05, (90 * 44100, 1)).astype(np.float32)
    with Writer(path, AudioInfo(44100, 1, "WAV", "PCM_16")) as writer:
        writer.write(noise)
    assert soundfile.info(path).frames == len(noise)


def test_subtype_is_kept_where_the_format_knows_it(tmp_path):
    for subtype in ("PCM_16", "PCM_24", "FLOAT"):
        with Writer(tmp_path / "x.wav", AudioInfo(48000, 2, "WAV", subtype)) as writer:
            writer.write(np.zeros((100, 2), np.float32))
        assert probe(tmp_path / "x.wav") == AudioInfo(48000, 2, "WAV", subtype)


@pytest.mark.parametrize("suffix", sorted(FORMATS))
def test_every_kind_that_can_be_read_can_be_written_with_every_ending(suffix, tmp_path):
    for subtype in [*sorted(soundfile.available_subtypes()), "AAC", "PCM_S16LE"]:
        with Writer(tmp_path / f"x{suffix}", AudioInfo(48000, 2, "WAV", subtype)) as writer:
            writer.write(np.zeros((5000, 2), np.float32))
        assert sum(map(len, read_blocks(tmp_path / f"x{suffix}"))) == 5000, subtype


@pytest.mark.parametrize(("n_samples", "head"), [(4000, b"RIFF"), (6000, b"RF64")])
def test_a_wav_beyond_what_riff_can_count_is_an_rf64(n_samples, head, tmp_path, monkeypatch):
    monkeypatch.setattr(write, "MAX_COUNTED_BYTES", 20_000)
    kind = AudioInfo(48000, 2, "WAV", "PCM_16", "Title")
    said = Bext("us", "x", "2026-01-02T03:04:05", "made")
    with Writer(tmp_path / "x.wav", kind, {"comment": "said"}, n_samples, said) as writer:
        writer.write(np.zeros((n_samples, 2), np.float32))
    assert (tmp_path / "x.wav").read_bytes()[:4] == head
    assert read_tags(tmp_path / "x.wav")["comment"] == "said"
    assert sum(map(len, read_blocks(tmp_path / "x.wav"))) == n_samples


@pytest.mark.parametrize(("name", "n_samples"), [("x.aiff", 6000), ("x.aiff", None), ("x.wav", None)])
def test_what_a_format_cannot_count_is_refused(name, n_samples, tmp_path, monkeypatch):
    monkeypatch.setattr(write, "MAX_COUNTED_BYTES", 20_000)
    with (
        pytest.raises(WriteError, match=rf"{name}: it would have at least 0.024 MB") as caught,
        Writer(tmp_path / name, AudioInfo(48000, 2, "WAV", "PCM_16"), n_samples=n_samples) as writer,
    ):
        for _ in range(3):
            writer.write(np.zeros((2000, 2), np.float32))
    assert "flac" in caught.value.hint and list(tmp_path.iterdir()) == []


def test_what_the_system_refuses_is_told_with_its_reason(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WriteError, match=r"x.wav: not a directory \(8.0 MB needed"):
        Writer(tmp_path / "file" / "x.wav", AudioInfo(8000, 2, "WAV", "PCM_16"), n_samples=2_000_000).__enter__()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_nothing_stays_of_a_failed_write(tmp_path):
    with pytest.raises(ZeroDivisionError), Writer(tmp_path / "x.wav", AudioInfo(8000, 1, "WAV", "PCM_16")):
        raise ZeroDivisionError
    with pytest.raises(UsageError, match="ending that cannot be written"):
        Writer(tmp_path / "x.xyz", AudioInfo(8000, 1, "WAV", "PCM_16")).__enter__()
    with pytest.raises(WriteError, match="cannot write"):
        Writer(tmp_path / "x.mp3", AudioInfo(96000, 1, "WAV", "PCM_16")).__enter__()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", sorted(FORMATS))
def test_tags_are_written_and_read(suffix, tmp_path):
    kind = AudioInfo(48_000, 2, "WAV", "PCM_16", "Tïtle", "Ärtist")
    with Writer(tmp_path / f"x{suffix}", kind, {"comment": "said"}) as writer:
        writer.write(np.zeros((48_000, 2), np.float32))
    info = probe(tmp_path / f"x{suffix}")
    assert soundfile.info(tmp_path / f"x{suffix}").frames == info.sample_rate_hz == 48_000
    if FORMATS[suffix] not in UNTAGGED:
        assert (info.title, info.artist) == ("Tïtle", "Ärtist")
        wanted = {"title": "Tïtle", "artist": "Ärtist", "comment": "said"}
        assert read_tags(tmp_path / f"x{suffix}").items() >= wanted.items()
