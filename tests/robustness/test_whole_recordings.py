"""Everything of a recording that can be decoded is used, by each command; what is passed over is told."""

from contextlib import suppress

import numpy as np
import pytest
import soundfile

import voiceswap
from conftest import encoded, save
from voiceswap.audio.read import read_mono
from voiceswap.config import Config
from voiceswap.errors import AudioError, UsageError
from voiceswap.events import Note
from voiceswap.jobs import check
from voiceswap.jobs.check import check_recordings
from voiceswap.signal import synthetic
from voiceswap.training.dataset import read_levelled_parts

RATE = 44_100


def speech(seconds, seed, rate=RATE):
    samples = synthetic.speech(synthetic.BORIS, seconds, sample_rate_hz=rate, seed=seed).samples
    return np.asarray(samples, np.float32)[:, None]


def uncounted_mp3(path):
    quiet = np.zeros((RATE, 1), np.float32)
    samples, coder = np.concatenate([quiet, speech(2.0, 1)]), {"flags": "+qscale", "global_quality": "472"}
    return encoded(path, samples, "libmp3lame", RATE, options={"write_xing": "0"}, coder=coder), 3.0


def joined_ogg(path):
    parts = []
    for seed, seconds in ((1, 2.0), (2, 1.0)):
        soundfile.write(path, speech(seconds, seed), RATE, format="OGG", subtype="VORBIS")
        parts.append(path.read_bytes())
    path.write_bytes(b"".join(parts))
    return path, 3.0


def mp3_in_wav(path):
    return encoded(path, speech(3.0, 1), "libmp3lame", RATE, "wav"), 3.0


MADE = {"x.mp3": uncounted_mp3, "x.ogg": joined_ogg, "x.wav": mp3_in_wav}


@pytest.mark.parametrize("name", MADE)
def test_convert_check_and_train_hear_all_of_it(name, voice, home, monkeypatch):
    path, seconds = MADE[name](home / "in" / name if (home / "in").mkdir() is None else None)
    told = []
    out = home / f"out{path.suffix}"
    (made,) = voiceswap.convert(path, as_="speakerA", mode="dry", strict=True, out=out, on_event=told.append)
    assert made.duration_s == pytest.approx(seconds, abs=0.1)
    assert len(read_mono(out, RATE)) / RATE == pytest.approx(seconds, abs=0.1)
    assert not [e.text for e in told if isinstance(e, Note) and "damaged" in e.text]
    trained_s = sum(len(part) for part in read_levelled_parts(path, Config().features)) / 22_050
    assert trained_s == pytest.approx(seconds, abs=0.1)
    monkeypatch.undo()
    found = check_recordings(home / "in", [path])
    assert not found.skipped and found.condition.total_s == pytest.approx(seconds, abs=0.1)


def test_a_part_that_is_cut_is_told_by_convert_and_refused_by_strict(voice, home):
    soundfile.write(home / "one.flac", speech(3.0, 1), RATE)
    data = (home / "one.flac").read_bytes()
    (home / "x.flac").write_bytes(data[: len(data) // 2] + data)
    told = []
    (made,) = voiceswap.convert(home / "x.flac", as_="speakerA", mode="dry", on_event=told.append)
    (text,) = [e.text for e in told if isinstance(e, Note) and "damaged" in e.text]
    lost_s = float(text.split("; ")[1].split(" s")[0])
    assert made.duration_s + lost_s == pytest.approx(6.0, abs=0.1)
    with pytest.raises(AudioError, match="of which one is incomplete"):
        voiceswap.convert(home / "x.flac", as_="speakerA", mode="dry", strict=True, force=True)


@pytest.fixture
def with_others(home):
    """A folder of two recordings, and three of kinds that are not read."""
    for i in range(2):
        save(home / "mixed" / f"{i}.wav", speech(1.0, i)[:, 0], RATE)
    for name in ("a.wma", "b.wma", "c.amr"):
        (home / "mixed" / name).write_bytes(b"x")
    return home / "mixed"


def test_each_command_says_what_of_a_folder_it_passes_over(voice, with_others, home, monkeypatch):
    wanted = f"{with_others}: left out 2 .wma, 1 .amr; export them as flac or wav"

    def warnings(job, *arguments, **options):
        told = []
        with suppress(AudioError):  # Two seconds are too little to train on.
            job(*arguments, **options, on_event=told.append)
        return [e.text for e in told if isinstance(e, Note) and e.warning]

    monkeypatch.setattr("voiceswap.jobs.evaluate.load_dnsmos", lambda: None)
    assert wanted in warnings(voiceswap.train, with_others)
    assert wanted in warnings(voiceswap.convert, with_others, as_="speakerA", out=home / "out", mode="dry")
    assert wanted in warnings(voiceswap.evaluate, "speakerA", source=with_others)
    monkeypatch.setattr(check, "check_recordings", lambda *a: None)
    assert wanted in warnings(check.check, with_others)


def test_which_of_several_sound_tracks_is_converted_is_said_and_chosen(voice, home):
    import av

    path = home / "x.mkv"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("libopus", rate=48_000, layout="mono") for _ in range(2)]
        for stream, seconds in zip(streams, (1.0, 2.0), strict=True):
            samples = speech(seconds, 1, 48_000).T.copy()
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            frame.rate = 48_000
            for packet in [*stream.encode(frame), *stream.encode(None)]:
                container.mux(packet)
    lengths = []
    for track in (1, 2):
        told = []
        (made,) = voiceswap.convert(
            path, as_="speakerA", mode="dry", track=track, out=home / f"{track}.wav", on_event=told.append
        )
        lengths.append(made.duration_s)
        notes = [e.text for e in told if isinstance(e, Note)]
        assert (
            f"{path} has 2 sound tracks: 1 (1 ch), 2 (1 ch); number {track} is used; `track` chooses another" in notes
        )
    assert lengths == pytest.approx([1.0, 2.0], abs=0.1)
    with pytest.raises(UsageError, match="it has 2 sound tracks, wanted number 3"):
        voiceswap.convert(path, as_="speakerA", track=3, out=home / "3.wav")
