"""Recordings good and bad: R10, R12, R13 of the reliability list."""

import os
import struct

import numpy as np
import pytest
import soundfile

from conftest import encoded
from voiceswap.audio import write
from voiceswap.audio.bext import Bext
from voiceswap.audio.channels import find_channel_signs, mix_to_mono
from voiceswap.audio.read import AudioInfo, probe, read_blocks, read_mono, read_parts, read_tags
from voiceswap.audio.resample import Resampler, resample
from voiceswap.audio.write import FORMATS, UNTAGGED, Writer
from voiceswap.errors import AudioError, UsageError, WriteError


def wav(path, samples, rate=16000):
    soundfile.write(path, samples, rate, subtype="FLOAT")
    return path


def test_blocks_do_not_change_what_is_resampled():
    samples = np.random.default_rng(0).normal(0, 0.1, 50_000).astype(np.float32)
    whole = resample(samples, 44100, 22050)
    stream = Resampler(44100, 22050)
    parts = [stream.push(samples[i : i + 777]) for i in range(0, len(samples), 777)]
    np.testing.assert_allclose(np.concatenate([*parts, stream.finish()]), whole, atol=1e-6)
    assert abs(len(whole) - 25_000) <= 1


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


@pytest.mark.parametrize(
    ("sides", "signs"),
    [
        ([1.0, 1.0], [1, 1]),
        ([1.0, -0.98], [1, -1]),
        ([0.5, -0.6], [-1, 1]),
        ([1.0, 0.0], [1, 1]),
        ([1.0, -0.2], [1, 1]),
    ],
)
@pytest.mark.parametrize("offsets", [(0.0, 0.0), (0.6, 0.5), (0.6, -0.5)])
def test_channels_that_cancel_are_turned_round(sides, signs, offsets):
    noise = np.random.default_rng(0).normal(0, 0.1, (30_000, 1)).astype(np.float32)
    blocks = np.split(noise * np.float32(sides) + np.float32(offsets), 3)
    np.testing.assert_array_equal(find_channel_signs(iter(blocks), 2), signs)
    assert mix_to_mono(blocks[0], np.float32(signs)).any()


def test_channels_with_nothing_in_common_are_not_turned():
    noise = np.random.default_rng(0).normal(0, 0.1, (30_000, 8)).astype(np.float32)
    assert find_channel_signs(iter([noise]), 8).min() == 1


def test_parts_are_the_whole(tmp_path):
    samples = np.random.default_rng(0).normal(0, 0.1, 200_000).astype(np.float32)
    path = wav(tmp_path / "x.wav", samples, 44_100)
    whole = read_mono(path, 22_050)
    parts = list(read_parts(path, 22_050, 1.0))
    assert len(parts) > 2 and min(len(p) for p in parts[:-1]) >= 22_050
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    np.testing.assert_array_equal(read_mono(path, 22_050, max_s=0.5), whole[:11_025])


@pytest.mark.parametrize(
    ("name", "codec", "rate"), [("x.m4a", "aac", 44_100), ("x.mp4", "aac", 48_000), ("x.webm", "libopus", 48_000)]
)
def test_sound_tracks_are_decoded(name, codec, rate, tmp_path):
    t = np.arange(2 * rate) / rate
    samples = np.stack([0.3 * np.sin(2 * np.pi * 440 * t), 0.1 * np.sin(2 * np.pi * 880 * t)], axis=-1).astype(
        np.float32
    )
    path = encoded(tmp_path / name, samples, codec, rate)
    info = probe(path)
    assert (info.sample_rate_hz, info.n_channels, info.title) == (rate, 2, "A song")
    assert read_tags(path)["title"] == "A song"
    made = np.concatenate(list(read_blocks(path)))
    assert abs(len(made) - len(samples)) < 0.1 * rate
    spectra = np.abs(np.fft.rfft(made[: 2 * rate], axis=0))
    hz = np.fft.rfftfreq(min(len(made), 2 * rate), 1 / rate)
    np.testing.assert_allclose(hz[spectra.argmax(axis=0)], [440, 880], atol=1)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(AudioError, match="not a recording that can be read"):
        list(read_blocks(path))


def test_containers_open_no_other_file(tmp_path):
    """R19: what names further files is refused, whatever its ending."""
    secret = wav(tmp_path / "secret.wav", np.zeros(1000, np.float32))
    for text in (f"#EXTM3U\n#EXTINF:1,\nfile://{secret}\n", f"ffconcat version 1.0\nfile '{secret}'\n", "hello"):
        path = tmp_path / "list.m4a"
        path.write_text(text)
        with pytest.raises(AudioError, match="not a recording that can be read"):
            probe(path)


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
