"""Folders with what people leave in them, outputs and voices named as shells complete them, curves of other lengths."""

import shutil

import numpy as np
import pytest

import voiceswap
from conftest import encoded, save
from voiceswap.errors import ModelError, UsageError
from voiceswap.events import Note
from voiceswap.signal import synthetic
from voiceswap.storage.atomic import locked
from voiceswap.storage.paths import lock_path, run_path

RATE = 22_050
SPOKEN = synthetic.speech(synthetic.BORIS, 1.0, seed=3).samples


def notes(told):
    return [event.text for event in told if isinstance(event, Note)]


def convert(*inputs, **options):
    told = []
    results = voiceswap.convert(*inputs, **{"as_": "speakerA", "mode": "dry", "on_event": told.append} | options)
    return results, notes(told)


@pytest.mark.parametrize("jobs", [1, 2])
def test_two_recordings_of_one_name_are_named_and_the_rest_is_converted(jobs, voice, home, monkeypatch):
    folder = home / "in"
    save(folder / "other.wav", SPOKEN)
    save(folder / "song.wav", SPOKEN)
    encoded(folder / "song.m4a", np.asarray(SPOKEN, np.float32)[:, None], "aac", RATE)
    if jobs == 2:
        monkeypatch.setattr(voiceswap.jobs.batch, "run_tasks", lambda action, shared, tasks, n, stopped: iter(
            [(0, {"failure": "worker"})][: len(tasks)]
        ))  # fmt: skip
    results, told = convert(folder, out=home / "out", jobs=jobs)
    said = (
        f"two inputs would become {home / 'out' / 'song.speakerA.wav'}: {folder / 'song.m4a'} and {folder / 'song.wav'}"
    )
    found = [(r.source.name, r.status, r.error) for r in results]
    assert found[1:] == [("song.m4a", "failed", said), ("song.wav", "failed", said)]
    assert said in told and found[0][1] == ("converted" if jobs == 1 else "failed")


def test_a_folder_is_converted_again_for_another_voice_without_its_results(voice, home):
    save(home / "in" / "song.wav", SPOKEN)
    convert(home / "in")
    shutil.copytree(voice.path, home / "voices" / "speakerB")
    made = home / "in" / "song.speakerA.wav"
    made.rename(home / "in" / "my favourite.wav")
    results, told = convert(home / "in", out=home / "again")
    assert [r.source.name for r in results] == ["song.wav"]
    assert f"{home / 'in'}: left out 1 recording that voiceswap made" in told
    # Named, it is converted all the same.
    ((again,), _) = convert(home / "in" / "my favourite.wav", out=home / "x.wav")
    assert again.status == "converted"


def test_an_output_with_a_slash_is_a_folder_that_is_made(voice, home):
    source = save(home / "song.wav", SPOKEN)
    ((made,), _) = convert(source, out=f"{home}/new/deep/")
    assert made.output == home / "new" / "deep" / "song.speakerA.wav" and made.output.is_file()


def test_a_voice_may_be_named_as_a_shell_completes_it(voice, home, monkeypatch):
    source = save(home / "song.wav", SPOKEN)
    (home / "speakerA").mkdir()
    monkeypatch.chdir(home)
    ((made,), _) = convert(source, as_="speakerA/")
    assert made.output == home / "song.speakerA.wav"
    assert voiceswap.load("speakerA/").name == "speakerA"


def test_a_voice_that_is_being_trained_is_no_unknown_one(voice, home):
    run = run_path(home / "voices", "boris")
    run.mkdir(parents=True)
    with locked(lock_path(run), "boris"), pytest.raises(ModelError, match="the voice boris is being trained"):
        convert(save(home / "song.wav", SPOKEN), as_="boris")


def test_a_page_without_sounds_says_so_and_what_to_give(voice, home, monkeypatch):
    shutil.rmtree(home / "voices" / ".runs", ignore_errors=True)
    told = []
    page = voiceswap.report("speakerA", out=f"{home}/pages/", on_event=told.append)
    assert page.path == home / "pages" / "speakerA.report.html"
    (text,) = notes(told)
    assert text.startswith(f"{page.path} has no sounds to listen to") and "`source`" in text


def test_a_curve_that_is_too_short_is_told_and_milliseconds_are_refused(voice, home):
    source = save(home / "song.wav", np.tile(SPOKEN, 6))
    curve = home / "f0.csv"
    curve.write_text("time_s\tf0_hz\n" + "".join(f"{i / 100}\t150\n".replace(".", ",") for i in range(100)))
    (_, told) = convert(source, f0=curve)
    assert f"{curve} ends at 1.0 s, the recording is 6.0 s long: the last 5.0 s have no melody" in told
    curve.write_text("time_s,f0_hz\n" + "".join(f"{10 * i},150\n" for i in range(600)))
    with pytest.raises(UsageError, match=r"ends at 5990 s, the recording is 6\.0 s long"):
        convert(source, f0=curve, force=True)


def test_a_hum_is_left_out_of_the_transposition_and_told(voice, home):
    """What was worth an octave, from the recording to the result."""
    spoken = np.asarray(synthetic.speech(synthetic.BORIS, 4.0, seed=3).samples)
    clean = np.concatenate([spoken[: 2 * RATE], np.zeros(4 * RATE), spoken[2 * RATE :]])
    t = np.arange(len(clean)) / RATE
    hum = 0.02 * np.std(spoken) * sum(np.sin(2 * np.pi * 50 * k * t) for k in range(1, 6))
    ((plain,), _) = convert(save(home / "clean.wav", clean))
    ((hummed,), told) = convert(save(home / "hum.wav", clean + hum))
    assert hummed.pitch_semitones == pytest.approx(plain.pitch_semitones, abs=0.5)
    assert any("of the melody found is too soft or too steady" in text for text in told)
    assert not any("melody found" in text for text in convert(home / "clean.wav", force=True)[1])


def test_integer_samples_are_the_same_sound_as_floats(voice):
    floats = np.asarray(0.05 * SPOKEN, np.float32)
    wanted = voice.convert(floats, RATE)
    found = voice.convert(np.round(floats * 32_768).astype(np.int16), RATE)
    assert found.dtype == np.float32 and found.shape == wanted.shape
    assert 20 * np.log10(np.std(found) / np.std(wanted)) == pytest.approx(0, abs=1)
