"""Converting with a tiny voice: whole, exact, silent where it must be, never onto what is there."""

import errno
import gc
import itertools
import json
import os
import shutil
import threading
import weakref
from functools import lru_cache

import numpy as np
import pytest
import soundfile

import voiceswap
from conftest import save
from voiceswap.conversion import voice as voices
from voiceswap.errors import AudioError, ModelError, StoppedError, UsageError
from voiceswap.model.base import Base
from voiceswap.signal import synthetic
from voiceswap.signal.loudness import remove_dc
from voiceswap.storage import folder


@pytest.mark.parametrize(("rate", "channels", "n"), [(8000, 1, 8001), (44100, 2, 70001), (192000, 1, 50000)])
def test_converted_files_have_rate_channels_and_length_of_the_source(voice, home, rate, channels, n):
    samples = np.random.default_rng(0).normal(0, 0.1, (n, channels))
    source = save(home / "song.wav", samples, rate)
    # Noise alone would be refused as a song that nobody sings.
    (made,) = voiceswap.convert(source, as_="speakerA", mode="dry")
    assert made.output == home / "song.speakerA.wav"
    result, result_rate = soundfile.read(made.output, always_2d=True)
    assert (result_rate, result.shape) == (rate, (n, channels))
    assert np.isfinite(result).all() and np.abs(result).max() <= 1


def test_silence_stays_silent_and_the_shift_is_found(voice, home):
    spoken = synthetic.speech(synthetic.BORIS, 6.0, seed=3).samples
    samples = np.concatenate([np.zeros(22050), spoken, np.zeros(22050)]).astype(np.float32)
    made = voice.convert(samples, 22050)
    assert made.shape == samples.shape
    assert np.abs(made[:22050]).max() < 1e-3 and np.abs(made[-22050:]).max() < 1e-3
    source = save(home / "boris.wav", samples)
    (result,) = voiceswap.convert(source, as_="speakerA")
    assert 9 < result.pitch_semitones < 14
    (told,) = voiceswap.convert(source, as_="speakerA", pitch_semitones=-3, force=True)
    assert told.pitch_semitones == -3
    assert not voice.convert(np.zeros(44100, np.float32), 44100).any()


def test_a_stop_is_heard_while_a_voice_is_converted(voice, home):
    stages, n_threads = [], threading.active_count()
    watched = {
        "on_event": lambda event: stages.append(getattr(event, "stage", "")),
        "stopped": lambda: "converting" in stages,
    }
    # Several blocks: it is asked before each.
    long = save(home / "long.wav", synthetic.speech(synthetic.BORIS, 70.0, seed=3).samples)
    with pytest.raises(StoppedError, match=r"out\.wav was not written") as stopped:
        voiceswap.convert(long, as_="speakerA", mode="dry", out=home / "out.wav", **watched)
    # Even while the error, and with it all that led to it, is held.
    assert stages.count("converting") == 1 and threading.active_count() == n_threads and stopped.tb
    assert [p.name for p in home.glob("*.wav")] == ["long.wav"]


def test_protect_keeps_what_is_unvoiced_and_formant_changes_the_timbre(voice):
    noise = np.random.default_rng(0).normal(0, 0.05, 22050).astype(np.float32)
    spoken = synthetic.speech(synthetic.BORIS, 3.0, seed=3).samples
    source = np.concatenate([noise, spoken])
    plain = voice.convert(source, 22050, pitch_semitones=0)
    kept = voice.convert(source, 22050, pitch_semitones=0, protect=1.0)
    inner = slice(4000, 18000)
    (steady,) = remove_dc([source], 22050)
    np.testing.assert_allclose(kept[inner], steady[inner], atol=0.01)
    assert np.corrcoef(plain[inner], source[inner])[0, 1] < 0.5
    assert np.corrcoef(kept[22050:], source[22050:])[0, 1] < 0.8
    assert np.abs(voice.convert(source, 22050, pitch_semitones=0, formant_semitones=3.0) - plain).max() > 1e-4
    for options, says in [
        ({"pitch_semitones": 49}, "pitch is 49"),
        ({"formant_semitones": 13}, "formant is 13"),
        ({"protect": 2}, "0 to 1"),
        ({"vocoder": "better"}, "unknown vocoder 'better'"),
    ]:
        with pytest.raises(UsageError, match=says):
            voice.convert(source, 22050, **options)


def test_the_vocoder_is_the_one_asked_for(voice, use_quick, home, monkeypatch):
    spoken = synthetic.speech(synthetic.BORIS, 1.0, seed=3).samples
    source, asked = save(home / "b.wav", spoken), []
    plain = Base.get_vocoder
    monkeypatch.setattr(Base, "get_vocoder", lambda self, name: asked.append(name) or plain(self, name))
    # A copy: the networks of the voice itself may be kept from before, unwatched.
    opened = voiceswap.load(shutil.copytree(voice.path, home / "copy" / "speakerA"))
    for vocoder in ("best", "fast", "quick"):
        voiceswap.convert(source, as_=opened.path, mode="dry", vocoder=vocoder, force=True)
        opened.convert(spoken[:4410].astype(np.float32), 22050, vocoder=vocoder)
    assert [name for name, _ in itertools.groupby(asked)] == ["best", "fast", "quick"]
    with pytest.raises(UsageError, match="unknown vocoder 'better'"):
        voiceswap.convert(source, as_="speakerA", vocoder="better", force=True)


def test_a_base_without_the_quick_vocoder_says_so_and_writes_nothing(voice, home):
    source = save(home / "b.wav", synthetic.speech(synthetic.BORIS, 1.0, seed=3).samples)
    with pytest.raises(UsageError, match='the vocoder "quick" is not part of this base') as caught:
        voiceswap.convert(source, as_="speakerA", vocoder="quick")
    assert caught.value.hint == "wanted best or fast"
    assert not list(home.glob("b.*.wav"))


def test_a_curve_is_written_edited_and_followed(voice, home):
    source = save(home / "song.wav", synthetic.speech(synthetic.BORIS, 4.0, seed=3).samples)
    (plain,) = voiceswap.convert(source, as_="speakerA", f0_out=home / "f0.csv")
    header, *rows = (home / "f0.csv").read_text().splitlines()
    assert len(rows) == -(-4 * 22050 // 256)
    higher = [f"{t},{float(f) * 1.5:.2f}" for t, f in (row.split(",") for row in rows)]
    (home / "edited.csv").write_text("\n".join([header, *higher]))
    (edited,) = voiceswap.convert(source, as_="speakerA", f0=home / "edited.csv", force=True)
    assert edited.pitch_semitones == pytest.approx(plain.pitch_semitones - 12 * np.log2(1.5), abs=0.05)
    (home / "edited.csv").write_text("\n".join([header, *higher[:9], "hello"]))
    before = plain.output.read_bytes()
    with pytest.raises(UsageError, match="row 11"):
        voiceswap.convert(source, as_="speakerA", f0=home / "edited.csv", force=True)
    assert plain.output.read_bytes() == before
    with pytest.raises(UsageError, match="unknown F0 method 'crepe'"):
        voiceswap.convert(source, as_="speakerA", f0_method="crepe", force=True)
    with pytest.raises(UsageError, match="are for one recording at a time"):
        voiceswap.convert(source, source, as_="speakerA", f0=home / "f0.csv")


def test_a_curve_may_come_through_a_pipe(voice, home):
    source = save(home / "song.wav", synthetic.speech(synthetic.BORIS, 1.0, seed=3).samples)
    os.mkfifo(home / "pipe")
    rows = "".join(f"{i / 50},220\n" for i in range(50))
    threading.Thread(target=(home / "pipe").write_text, args=[f"time_s,f0_hz\n{rows}"], daemon=True).start()
    (made,) = voiceswap.convert(source, as_="speakerA", f0=home / "pipe", mode="dry")
    assert made.source_f0.mid_hz == pytest.approx(220)


def test_stereo_keeps_its_sides(voice):
    spoken = synthetic.speech(synthetic.BORIS, 3.0, seed=3).samples
    made = voice.convert(np.stack([spoken, np.zeros_like(spoken)], axis=-1), 22050)
    assert made[:, 0].any() and not made[:, 1].any()


def test_a_long_file_comes_out_in_one_piece(voice):
    spoken = synthetic.speech(synthetic.BORIS, 14.0, seed=3).samples
    made = voice.convert(spoken, 22050)
    assert len(made) == len(spoken)
    # No click at the seams between windows of 5.12 s.
    steps = np.abs(np.diff(made))
    for seam in (5.12, 10.24):
        at = int(seam * 22050)
        assert steps[at - 40 : at + 40].max() <= 3 * np.percentile(steps[at - 4000 : at + 4000], 99.5)


def test_outputs_are_never_overwritten_by_mistake(voice, home):
    source = save(home / "song.wav", np.random.default_rng(0).normal(0, 0.1, 22050))
    before = source.read_bytes()
    with pytest.raises(UsageError, match="is the input itself"):
        voiceswap.convert(source, as_="speakerA", out=source, force=True)
    voiceswap.convert(source, as_="speakerA", mode="dry")
    with pytest.raises(UsageError, match="exists"):
        voiceswap.convert(source, as_="speakerA")
    assert source.read_bytes() == before
    with pytest.raises(AudioError, match="20 ms long"):
        voice.convert(np.zeros(441, np.float32), 22050)
    for shape in (0, (0, 2)):
        with pytest.raises(AudioError, match="0 ms long"):
            voice.convert(np.zeros(shape, np.float32), 22050)


@pytest.mark.parametrize("code", [errno.ENAMETOOLONG, errno.EACCES])
def test_a_path_that_cannot_be_visited_is_told_in_one_line(code, voice, home, monkeypatch):
    name = "x" * 300 + ".wav"
    if code == errno.EACCES:
        stat, name = os.stat, "secret.wav"

        def refused(path, **options):
            if str(path).endswith(name):
                raise PermissionError(code, os.strerror(code))
            return stat(path, **options)

        monkeypatch.setattr(os, "stat", refused)
    with pytest.raises(AudioError, match=f"cannot open .*{name}: {os.strerror(code)}"):
        voiceswap.convert(home / name, as_="speakerA")
    # Among several it is one that failed.
    good = save(home / "good.wav", np.zeros(22050))
    made = voiceswap.convert(good, home / name, as_="speakerA", mode="dry", out=home / "out", skip_existing=True)
    assert [one.status for one in made] == ["converted", "failed"]


def test_a_voice_of_another_base_is_refused_in_one_line(voice, home, tiny_base, monkeypatch):
    card = json.loads((voice.path / "card.json").read_text()) | {"base": "0123456789ab"}
    arrays = folder.open_folder(voice.path, kind="voice", max_bytes=10**7)
    config = arrays.document("config")
    from safetensors.numpy import load

    kept = load((voice.path / "weights.safetensors").read_bytes())
    folder.write_folder(voice.path, kind="voice", documents={"config": config, "card": card}, arrays={"weights": kept})
    with pytest.raises(ModelError, match="was made with base 0123456789ab"):
        voiceswap.load("speakerA").convert(np.zeros(22050, np.float32), 22050)


def test_networks_are_built_once_for_a_voice_and_anew_for_a_retrained_one(voice, home, monkeypatch):
    source = save(home / "song.wav", synthetic.speech(synthetic.BORIS, 1.0, seed=3).samples)
    built, open_speaker = [], voices.open_speaker

    def made(as_=voice.path):
        (one,) = voiceswap.convert(source, as_=as_, mode="dry", force=True)
        return soundfile.read(one.output)[0]

    def counted(config, read):
        built.append(True)
        return open_speaker(config, read)

    monkeypatch.setattr(voices, "open_speaker", counted)
    # Of one voice, so that the former one is not kept.
    monkeypatch.setattr(voices, "_engine", lru_cache(maxsize=1)(voices._engine.__wrapped__))
    before = made()
    np.testing.assert_array_equal(made(), before)
    assert len(built) == 1
    arrays = voice.arrays()
    voices.write_voice(voice.path, voice.config, voice.card, {k: 2 * a for k, a in arrays.items()})
    after = made()
    assert len(built) == 2 and np.abs(after - before).max() > 1e-3
    # Nobody has heard of the copy before, and of the former voice nothing is kept.
    kept = weakref.ref(voiceswap.load(voice.path).engine)
    np.testing.assert_array_equal(made(shutil.copytree(voice.path, home / "copy" / "speakerA")), after)
    gc.collect()
    assert len(built) == 3 and kept() is None


def test_a_folder_is_converted_and_one_bad_file_does_not_hold_up_the_others(voice, home):
    """R21."""
    spoken = synthetic.speech(synthetic.BORIS, 1.0, seed=3).samples
    for name in ("a.wav", "deep/b.wav", "deep/c.flac"):
        save(home / "in" / name, spoken)
    (home / "in" / "deep" / "bad.wav").write_bytes(b"hello")
    notes = []
    results = voiceswap.convert(home / "in", as_="speakerA", out=home / "out", on_event=notes.append)
    status = {str(r.output.relative_to(home / "out")): r.status for r in results}
    assert status == {
        "a.speakerA.wav": "converted",
        "deep/bad.speakerA.wav": "failed",
        "deep/b.speakerA.wav": "converted",
        "deep/c.speakerA.flac": "converted",
    }
    assert all(r.output.exists() == (r.status == "converted") for r in results)
    assert any("bad.wav" in r.error for r in results)
    again = voiceswap.convert(home / "in", as_="speakerA", out=home / "out", skip_existing=True)
    assert [r.status for r in again] == ["skipped", "skipped", "failed", "skipped"]
    beside = voiceswap.convert(home / "in", as_="speakerA")
    assert len(voiceswap.convert(home / "in", as_="speakerA", force=True)) == len(beside) == 4
    with pytest.raises(UsageError, match=r"a\.speakerA\.wav exists"):
        voiceswap.convert(home / "in", as_="speakerA", out=home / "out")
