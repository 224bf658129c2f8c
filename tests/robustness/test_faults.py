"""Bad recordings and bad places, given to train and convert: one line, the right exit code, nothing lost."""

import errno
import hashlib
import os

import numpy as np
import pytest
import soundfile

import voiceswap
from conftest import save
from voiceswap.errors import AudioError, ModelError, UsageError, VoiceswapError, WriteError
from voiceswap.events import Found
from voiceswap.signal import synthetic

SPOKEN = synthetic.speech(synthetic.BORIS, 2.0, seed=3).samples


@pytest.fixture
def voices(home, voice):
    """A voices folder with one tiny voice."""
    return home / "voices"


def tree(folder):
    return {p: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


def refused(voices, source, kind, says, **options):
    """The conversion fails with one printable line and a next step; no file has changed, appeared or gone."""
    before = tree(source.parent)
    with pytest.raises(VoiceswapError) as caught:
        voiceswap.convert(source, as_="speakerA", voices=voices, **options)
    assert type(caught.value) is kind
    assert says.lower() in caught.value.message.lower() and "\n" not in caught.value.message and caught.value.hint
    assert tree(source.parent) == before


@pytest.mark.parametrize("name", ["empty", "header", "random", "text", "truncated flac"])
def test_r10_what_is_no_recording(name, voices, tmp_path):
    path = tmp_path / "x.wav"
    save(tmp_path / "good.wav", SPOKEN)
    save(tmp_path / "good.flac", SPOKEN)
    flac = (tmp_path / "good.flac").read_bytes()
    contents = {
        "empty": b"",
        "header": (tmp_path / "good.wav").read_bytes()[:44],
        "random": np.random.default_rng(0).bytes(5000),
        "text": b"not a sound " * 99,
        "truncated flac": flac[: len(flac) // 2] + b"\0" * (len(flac) // 2),
    }
    path.write_bytes(contents[name])
    # Without --strict, what is left of a cut recording is converted.
    refused(voices, path, AudioError, "x.wav", strict=True)


def test_r10_what_is_no_file(voices, tmp_path):
    refused(voices, tmp_path / "none.wav", UsageError, "no such file")
    os.mkfifo(tmp_path / "fifo.wav")
    refused(voices, tmp_path / "fifo.wav", AudioError, "not a regular file")
    (tmp_path / "loop.wav").symlink_to("loop.wav")
    refused(voices, tmp_path / "loop.wav", AudioError, "cannot open")
    (tmp_path / "folder.wav").mkdir()
    refused(voices, tmp_path / "folder.wav", UsageError, "holds no recording")


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_r13_samples_that_are_no_sound(value, voices, tmp_path):
    samples = SPOKEN.astype(np.float32)
    samples[22050] = value
    path = save(tmp_path / "x.wav", samples, subtype="FLOAT")
    refused(voices, path, AudioError, "1 samples are no sound, the first")
    with pytest.raises(AudioError, match=r"1 samples are no sound, the first .* at 1\.000 s"):
        voiceswap.load("speakerA", voices=voices).convert(samples, 22050)


@pytest.mark.parametrize("n", [1, 220, 1000])
def test_r13_too_short(n, voices, tmp_path):
    refused(voices, save(tmp_path / "x.wav", SPOKEN[:n]), AudioError, "ms long, wanted at least 50 ms")


@pytest.mark.parametrize(
    "kind", ["offset", "clipped", "float over full scale", "silence", "noise", "one side inverted"]
)
def test_r13_odd_recordings_convert_to_something_finite(kind, voices, tmp_path):
    samples = {
        "offset": SPOKEN * 0.3 + 0.6,
        "clipped": np.clip(SPOKEN * 100, -1, 1),
        "float over full scale": SPOKEN * 20,
        "silence": np.zeros(44100),
        "noise": np.random.default_rng(0).normal(0, 0.2, 44100),
        "one side inverted": np.stack([SPOKEN, -SPOKEN], axis=-1),
    }[kind]
    path = save(tmp_path / "x.wav", samples.astype(np.float32), subtype="FLOAT")
    # Noise alone would be refused as a song that nobody sings: tests/jobs/test_song_options.py.
    mode = "dry" if kind == "noise" else "auto"
    (made,) = voiceswap.convert(path, as_="speakerA", voices=voices, mode=mode)
    result, rate = soundfile.read(made.output)
    assert result.shape == samples.shape and rate == 22050
    assert np.isfinite(result).all() and np.abs(result).max() <= 1.0
    assert result.any() == (kind != "silence")


def test_r5_places_that_cannot_be_written(voices, tmp_path):
    path = save(tmp_path / "in" / "song.wav", SPOKEN)
    refused(voices, path, WriteError, "there is no folder", out=tmp_path / "gone" / "x.wav")
    (tmp_path / "in" / "song.speakerA.wav").mkdir()
    refused(voices, path, WriteError, "is no file", force=True)
    refused(voices, path, UsageError, "is the input itself", out=path, force=True)
    refused(voices, path, UsageError, "ending that cannot be written", out=tmp_path / "in" / "song.docx")


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_r5_a_place_that_refuses_the_write(code, voices, tmp_path, monkeypatch):
    path = save(tmp_path / "song.wav", SPOKEN)
    former = os.replace

    def fail(source, target, **options):
        if str(target).endswith("song.speakerA.wav"):
            raise OSError(code, os.strerror(code))
        former(source, target, **options)

    monkeypatch.setattr(os, "replace", fail)
    refused(voices, path, WriteError, os.strerror(code))


def test_r5_a_voices_folder_that_cannot_be_written(recordings, use_tiny, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WriteError, match="file"):
        voiceswap.train(recordings, voices=tmp_path / "file" / "voices")
    assert (tmp_path / "file").read_text() == "in the way"


def test_voices_that_do_not_exist(voices, tmp_path):
    path = save(tmp_path / "song.wav", SPOKEN)
    with pytest.raises(ModelError, match="no voice 'bob'") as caught:
        voiceswap.convert(path, as_="bob", voices=voices)
    assert caught.value.hint == "voices here: speakerA"


def test_r30_bad_recordings_among_good_ones_are_named(recordings, use_tiny, tmp_path):
    recordings.rename(tmp_path / "bea")
    (tmp_path / "bea" / "empty.wav").write_bytes(b"")
    (tmp_path / "bea" / "text.mp3").write_text("hello")
    save(tmp_path / "bea" / "silence.wav", np.zeros(22050))
    (tmp_path / "bea" / "notes.txt").write_text("not looked at")
    events = []
    voiceswap.train(tmp_path / "bea", on_event=events.append)
    (found,) = [e for e in events if isinstance(e, Found)]
    assert {p.name for p, _ in found.skipped} == {"empty.wav", "text.mp3", "silence.wav"}
    assert all(reason for _, reason in found.skipped)
