"""Songs: taken apart, put together, in key, each stem in its place."""

import threading
from dataclasses import replace

import numpy as np
import pytest
import soundfile

import voiceswap
from conftest import save
from voiceswap.audio import read as audio
from voiceswap.audio.source import array_source
from voiceswap.conversion import mixing, songs
from voiceswap.conversion.songs import measure_accompaniment, mute_unsung
from voiceswap.errors import AudioError, StoppedError, UsageError
from voiceswap.events import Note
from voiceswap.signal import synthetic

RATE = 22_050


def chords(n, rate=RATE):
    """A pad of slowly changing chords that leaves no pause."""
    t = np.arange(n) / rate
    notes = np.array([[220.0, 277.2, 329.6], [196.0, 246.9, 293.7]])[(t // 2).astype(int) % 2]
    return 0.05 * np.sin(2 * np.pi * np.cumsum(notes, axis=0) / rate).sum(axis=1)


@pytest.fixture(scope="module")
def sung():
    return synthetic.song(synthetic.CLARA, sample_rate_hz=RATE).samples[: 6 * RATE]


@pytest.fixture
def mix(home, sung):
    """A stereo song: the voice in the middle, chords a little to the left."""
    pad = chords(len(sung))
    return save(home / "song.wav", np.stack([sung * 0.5 + pad, sung * 0.5 + 0.6 * pad], axis=-1), RATE, "FLOAT")


def test_a_song_is_taken_apart_converted_and_put_together(voice, home, mix):
    (conversion,) = voiceswap.convert(
        mix, as_="speakerA", mode="song", stems=home / "stems", backing_gain_db=-6.0, mark=False
    )
    assert conversion.accompanied and conversion.pitch_semitones % 12 == 0
    source, rate = soundfile.read(mix)
    result, _ = soundfile.read(conversion.output)
    stems = {p.stem: soundfile.read(p)[0] for p in (home / "stems").iterdir()}
    assert set(stems) == set(songs.STEMS) and rate == RATE
    assert all(s.shape == source.shape == result.shape for s in stems.values())
    np.testing.assert_allclose(stems["vocals"] + stems["accompaniment"], source, atol=1e-5)
    np.testing.assert_allclose(stems["converted"] + 10 ** (-6 / 20) * stems["accompaniment"], result, atol=1e-3)
    with pytest.raises(UsageError, match=r"vocals\.wav exists"):
        voiceswap.convert(mix, as_="speakerA", mode="song", stems=home / "stems", out=home / "again.wav")
    assert not (home / "again.wav").exists()


def test_a_caller_hears_of_a_song_in_its_own_thread_and_none_is_left(voice, home, mix):
    threads, n_threads = set(), threading.active_count()

    def here(event=None):
        threads.add(threading.get_ident())
        return False

    voiceswap.convert(mix, as_="speakerA", mode="song", on_event=here, stopped=here)
    assert threads == {threading.get_ident()} and threading.active_count() == n_threads


def test_what_is_not_sung_of_a_marked_song_stays_as_it_was(voice, home, sung, monkeypatch):
    monkeypatch.setattr(mixing, "SPARSE_S", 1.0)
    mix = chords(9 * RATE)
    mix[: len(sung)] += 0.5 * sung
    song = save(home / "song.wav", np.stack([mix, mix], axis=-1), RATE, "FLOAT")
    (conversion,) = voiceswap.convert(song, as_="speakerA", mode="song", stems=home / "stems")
    assert conversion.marked
    result, source = (soundfile.read(path)[0] for path in (conversion.output, song))
    converted, rest = (soundfile.read(home / "stems" / f"{stem}.wav")[0] for stem in ("converted", "accompaniment"))
    last = np.flatnonzero(converted.any(axis=1)).max() + RATE // 20
    assert last < 8 * RATE
    np.testing.assert_allclose(result[last:], source[last:], atol=1e-6)
    assert np.abs(result - converted - rest)[: 4 * RATE].max() > 1e-3


@pytest.mark.parametrize("n_heard", [1, 3])
def test_a_stop_is_heard_while_a_song_is_taken_apart(voice, home, mix, monkeypatch, n_heard):
    monkeypatch.setattr(audio, "BLOCK_SAMPLES", RATE // 4)
    stages, n_threads = [], threading.active_count()
    watched = {
        "on_event": lambda event: stages.append(getattr(event, "stage", "")),
        "stopped": lambda: stages.count("separating") >= n_heard,
    }
    with pytest.raises(StoppedError, match=r"out\.wav was not written") as stopped:
        voiceswap.convert(mix, as_="speakerA", mode="song", out=home / "out.wav", **watched)
    # Even while the error, and with it all that led to it, is held.
    assert threading.active_count() == n_threads and stopped.tb
    assert stages.count("separating") == n_heard and "converting" not in stages
    assert not (home / "out.wav").exists()


def test_a_backing_of_ones_own_is_put_under_the_voice(voice, home, sung):
    dry = save(home / "dry.wav", sung, RATE, "FLOAT")
    backing = save(home / "backing.wav", chords(len(sung)), RATE, "FLOAT")
    (conversion,) = voiceswap.convert(dry, as_="speakerA", backing=backing, vocal_gain_db=-40.0, mark=False)
    result, _ = soundfile.read(conversion.output)
    np.testing.assert_allclose(result, chords(len(sung)), atol=0.02)
    for name, samples, rate, says in [
        ("short.wav", chords(len(sung) // 2), RATE, r"is 3\.00 s long"),
        ("rate.wav", chords(len(sung), 16_000), 16_000, "has 16000 Hz"),
        ("wide.wav", np.zeros((len(sung), 2)), RATE, "2 channels"),
    ]:
        with pytest.raises(AudioError, match=says):
            voiceswap.convert(dry, as_="speakerA", backing=save(home / name, samples, rate), force=True)


def test_pauses_tell_a_dry_voice_from_a_song(voice, home, sung):
    notes = []
    spoken = np.concatenate([synthetic.speech(synthetic.BORIS, 4.0, seed=1).samples, np.zeros(2 * RATE)])
    (conversion,) = voiceswap.convert(save(home / "dry.wav", spoken), as_="speakerA", on_event=notes.append)
    assert not conversion.accompanied
    assert any(isinstance(e, Note) and "no accompaniment found" in e.text for e in notes)
    only_chords = array_source(chords(len(sung))[:, None].astype(np.float32), RATE)
    assert measure_accompaniment(only_chords, songs._load_separator_once()) > songs.ACCOMPANIED_DB


def test_a_pitch_out_of_key_is_warned_of(voice, home, sung):
    dry = save(home / "dry.wav", sung, RATE)
    backing = save(home / "backing.wav", chords(len(sung)), RATE)
    notes = []
    voiceswap.convert(dry, as_="speakerA", backing=backing, pitch_semitones=3, on_event=notes.append)
    assert any(isinstance(e, Note) and e.warning and "leaves the key" in e.text for e in notes)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"mode": "band"}, "unknown mode 'band'"),
        ({"mode": "song", "backing": "x.wav"}, "exclude each other"),
        ({"vocal_gain_db": 41.0}, "vocal gain is 41.0 dB"),
        ({"backing_gain_db": float("nan")}, "backing gain is nan dB"),
        ({"backing": "none.wav"}, "no such file"),
    ],
)
def test_wrong_options(voice, home, sung, options, says):
    dry = save(home / "dry.wav", sung, RATE)
    with pytest.raises(UsageError, match=says):
        voiceswap.convert(dry, as_="speakerA", **options)
    assert sorted(p.name for p in home.glob("*.wav")) == ["dry.wav"]


def test_a_separated_voice_is_silent_where_nobody_sings(home):
    random, n, fps = np.random.default_rng(0), 6 * RATE, 86.13
    voice, rest = (random.normal(size=(n, 2)).astype(np.float32) * 0.1 for _ in range(2))
    f0 = np.zeros(int(6 * fps), np.float32)
    f0[int(2.0 * fps) : int(3.0 * fps)] = 220
    # A single stray frame is no note.
    f0[int(5.0 * fps)] = 300
    song = songs.Song(array_source(voice, RATE), array_source(rest, RATE, 1000).open, separated=True)
    gated = mute_unsung(song, f0, fps)
    assert gated.sung_s == pytest.approx(1.0 + 2 * songs.BREATH_S, abs=0.1)
    for _ in range(2):
        sung, accompaniment = (np.concatenate(list(blocks())) for blocks in (gated.voice.open, gated.backing))
        np.testing.assert_allclose(sung + accompaniment, voice + rest, atol=1e-6)
    in_blocks = mute_unsung(replace(song, voice=array_source(voice, RATE, 777)), f0, fps)
    np.testing.assert_array_equal(np.concatenate(list(in_blocks.voice.open())), sung)
    before, after = 2.0 - songs.BREATH_S, 3.0 + songs.BREATH_S
    inside = slice(int((before + 0.1) * RATE), int((after - 0.1) * RATE))
    np.testing.assert_allclose(sung[inside], voice[inside], atol=1e-6)
    assert not sung[: int((before - 0.1) * RATE)].any() and not sung[int((after + 0.1) * RATE) :].any()


def test_around_notes_only_what_is_as_loud_as_a_breath_is_of_the_voice(home):
    n, fps = 6 * RATE, 86.13
    voice = np.full((n, 1), 0.1, np.float32)
    f0 = np.zeros(int(6 * fps), np.float32)
    f0[int(2.0 * fps) : int(3.0 * fps)] = 220
    # A note, a soft breath of 0.3 s after it, and what the separator left of the music, at both sides.
    levels_db = np.full((2, 300), -50.0)
    levels_db[0, 100:150], levels_db[0, 150:165], levels_db[1] = -20, -35, -20
    song = songs.Song(array_source(voice, RATE), array_source(voice, RATE).open, separated=True, levels_db=levels_db)
    sung = np.concatenate(list(mute_unsung(song, f0, fps).voice.open()))
    within = np.flatnonzero(sung[:, 0] > 0.09) / RATE
    assert within[0] == pytest.approx(2.0 - songs.CONSONANT_S, abs=0.06)
    assert within[-1] == pytest.approx(3.3, abs=0.06)
    silent = np.flatnonzero(sung[:, 0] == 0) / RATE
    assert silent[silent < 2].max() > 1.7 and silent[silent > 3].min() < 3.5


def test_a_voice_that_was_not_separated_stays_whole(sung):
    dry = songs.Song(array_source(sung[:, None].astype(np.float32), RATE), None)
    assert mute_unsung(dry, np.zeros(500, np.float32), 86.13) is dry
