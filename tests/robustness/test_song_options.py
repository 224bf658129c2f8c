"""Songs from the command and from files: what is said, what is refused, what a result keeps."""

import json
import re

import numpy as np
import pyloudnorm
import pytest
import soundfile

import voiceswap
from conftest import encoded, save
from voiceswap.audio.read import AudioInfo, probe, read_blocks, read_tags
from voiceswap.audio.resample import resample
from voiceswap.audio.write import Writer
from voiceswap.errors import AudioError, UsageError
from voiceswap.events import Note
from voiceswap.signal import synthetic

RATE = 22_050
SECONDS = 6


def chords(seconds=SECONDS, rate=RATE):
    """A pad of slowly changing chords that leaves no pause."""
    t = np.arange(round(seconds * rate)) / rate
    notes = np.array([[220.0, 277.2, 329.6], [196.0, 246.9, 293.7]])[(t // 2).astype(int) % 2]
    return 0.05 * np.sin(2 * np.pi * np.cumsum(notes, axis=0) / rate).sum(axis=1)


@pytest.fixture(scope="module")
def singing():
    return synthetic.song(synthetic.CLARA, sample_rate_hz=RATE).samples[: SECONDS * RATE]


def a_moment(singing, seconds=0.3):
    """So much of the singing, and silence around it."""
    alone = np.zeros_like(singing)
    first = np.flatnonzero(np.abs(singing) > 0.1)[0] + RATE // 2
    alone[2 * RATE : 2 * RATE + round(seconds * RATE)] = singing[first : first + round(seconds * RATE)]
    return alone


@pytest.fixture
def mix(home, singing):
    pad = chords()
    return save(home / "song.wav", np.stack([0.5 * singing + pad, 0.5 * singing + 0.6 * pad], axis=-1), RATE, "FLOAT")


def loudness(path):
    samples, rate = soundfile.read(path)
    return pyloudnorm.Meter(rate).integrated_loudness(samples)


def test_a_song_stays_as_loud_and_its_accompaniment_as_it_is(voice, home, mix):
    notes = []
    (made,) = voiceswap.convert(
        mix, as_="speakerA", mode="song", stems=home / "stems", on_event=notes.append, mark=False
    )
    assert loudness(made.output) == pytest.approx(loudness(mix), abs=0.3)
    assert any(isinstance(e, Note) and re.search(r"put back with [+-]\d\.\d dB", e.text) for e in notes)
    result, converted, rest = (
        soundfile.read(path)[0] for path in (made.output, *(home / "stems" / f"{s}.wav" for s in ("converted", "accompaniment")))
    )  # fmt: skip
    np.testing.assert_allclose(result, converted + rest, atol=1e-3)


def test_a_song_at_full_scale_does_not_clip(voice, home, mix):
    samples, _ = soundfile.read(mix)
    loud = save(home / "loud.wav", samples / np.abs(samples).max(), RATE, "PCM_24")
    (made,) = voiceswap.convert(loud, as_="speakerA", mode="song", backing_gain_db=3.0, vocal_gain_db=6.0)
    result, _ = soundfile.read(made.output)
    assert 0.9 < np.abs(result).max() < 1.0


def test_the_command_says_what_it_found_and_both_ranges(mother, voice, mix, home):
    command = mother.run("convert", mix, "--as", "speakerA", "--song", "--pitch", "12")
    assert command.wait() == 0, command.err()
    both = r"\(\d+-\d+ Hz, [A-G]#?\d-[A-G]#?\d to a voice of \d+-\d+ Hz, [A-G]#?\d-[A-G]#?\d\)"
    assert re.search(r"pitch \+12\.0 semitones " + both, command.out())
    assert "leaves the key" not in command.err()
    command = mother.run("convert", mix, "--as", "speakerA", "--force", "--pitch", "5", "--json")
    assert command.wait() == 0, command.err()
    assert "accompaniment found" in command.err() and "--dry takes all for voice" in command.err()
    assert "a pitch of +5 semitones leaves the key of the accompaniment" in command.err()
    (record,) = json.loads(command.out())
    assert record["accompanied"] and set(record["source_f0"]) == {"low_hz", "mid_hz", "high_hz"}


def test_dry_takes_all_for_a_voice_and_moves_it_freely(voice, mix):
    (made,) = voiceswap.convert(mix, as_="speakerA", mode="dry")
    assert not made.accompanied and made.pitch_semitones % 12


def test_every_way_to_the_melody_and_every_shaping_leaves_the_accompaniment_alone(voice, home, mix):
    def stem(name, **options):
        voiceswap.convert(mix, as_="speakerA", mode="song", stems=home / name, force=True, **options)
        return [soundfile.read(home / name / f"{s}.wav")[0] for s in ("vocals", "converted", "accompaniment")]

    plain = stem("plain", f0_out=home / "f0.csv")
    source, _ = soundfile.read(mix)
    for name, options in {
        "dio": {"f0_method": "dio"},
        "harvest": {"f0_method": "harvest"},
        "formant": {"formant_semitones": 4.0},
        "protect": {"protect": 1.0},
        "curve": {"f0": home / "f0.csv", "pitch_semitones": 7.0},
    }.items():
        vocals, converted, rest = stem(name, **options)
        np.testing.assert_allclose(vocals + rest, source, atol=1e-5, err_msg=name)
        assert np.abs(converted - plain[1]).max() > 1e-3, name


def test_a_wrong_row_of_a_curve_is_named_and_nothing_is_written(mother, voice, home, mix):
    (home / "f0.csv").write_text("time_s,f0_hz\n0.0,220\n0.01,high\n")
    before = sorted(home.rglob("*"))
    command = mother.run(
        "convert", mix, "--as", "speakerA", "--song", "--f0", home / "f0.csv", "--stems", home / "stems"
    )
    assert command.wait() == 2 and "f0.csv, row 3: found '0.01,high'" in command.err()
    assert sorted(home.rglob("*")) == before


@pytest.mark.parametrize(
    ("name", "codec"), [("s.mp3", None), ("s.opus", None), ("s.ogg", None), ("s.flac", None), ("s.m4a", "aac")]
)
def test_songs_of_each_kind_keep_it_with_title_and_artist(name, codec, voice, home, singing):
    rate = 48_000
    both = np.stack([resample(0.5 * singing + gain * chords(), RATE, rate) for gain in (1.0, 0.6)], axis=-1)
    if codec:
        encoded(home / name, both.astype(np.float32), codec, rate)
    else:
        with Writer(home / name, AudioInfo(rate, 2, "WAV", "PCM_16", "A song", "Clara")) as writer:
            writer.write(both.astype(np.float32))
    (made,) = voiceswap.convert(home / name, as_="speakerA", mode="song")
    assert made.output.name == f"s.speakerA.{'wav' if codec else name.split('.')[1]}"
    kind, said = probe(made.output), read_tags(made.output)
    assert (kind.sample_rate_hz, kind.n_channels, kind.title) == (rate, 2, "A song")
    assert kind.artist == ("" if codec else "Clara") and "converted" in said["comment"]
    n, n_source = (sum(len(b) for b in read_blocks(path)) for path in (made.output, home / name))
    # A frame of MP3 has 1,152 samples.
    assert abs(n - n_source) <= (1152 if name.endswith("mp3") else 1)


def no_voice(home, singing):
    return chords(), {"mode": "auto"}, r"has 0\.\d s of singing"


def hardly_a_voice(home, singing):
    return a_moment(singing) * 0.5 + chords(), {"mode": "song"}, r"has 0\.\d s of singing"


def noise(home, singing):
    return np.random.default_rng(0).normal(0, 0.1, SECONDS * RATE), {"mode": "song"}, r"has 0\.\d s of singing"


def silence(home, singing):
    return np.zeros(SECONDS * RATE), {"mode": "song"}, "is silent"


def silence_over_a_backing(home, singing):
    return np.zeros(SECONDS * RATE), {"backing": save(home / "b.wav", chords(), RATE)}, "is silent"


def a_moment_over_a_backing(home, singing):
    return a_moment(singing), {"backing": save(home / "b.wav", chords(), RATE)}, r"has 0\.\d s of singing"


def a_backing_of_other_length(home, singing):
    return singing, {"backing": save(home / "b.wav", chords(SECONDS - 1), RATE)}, r"b\.wav is 5\.00 s long"


def a_backing_of_other_rate(home, singing):
    return singing, {"backing": save(home / "b.wav", chords(rate=16_000), 16_000)}, r"b\.wav has 16000 Hz"


@pytest.mark.parametrize(
    "case",
    [
        no_voice,
        hardly_a_voice,
        noise,
        silence,
        silence_over_a_backing,
        a_moment_over_a_backing,
        a_backing_of_other_length,
        a_backing_of_other_rate,
    ],
)
def test_what_cannot_be_converted_is_refused_in_one_line_and_leaves_nothing(case, voice, home, singing):
    samples, options, says = case(home, singing)
    source = save(home / "bad.wav", samples, RATE, "FLOAT")
    before = sorted(home.rglob("*"))
    with pytest.raises(AudioError, match=says) as caught:
        voiceswap.convert(
            source, as_="speakerA", stems=home / "stems", f0_out=home / "f0.csv", sidecar=True,
            keep_stages=home / "stages", **options,
        )  # fmt: skip
    assert "\n" not in caught.value.message and caught.value.hint and caught.value.exit_code == 3
    assert sorted(home.rglob("*")) == before


def test_a_stem_that_exists_is_told_before_anything_is_converted(voice, home, mix):
    save(home / "stems" / "converted.wav", np.zeros(10), RATE)
    stages = []
    with pytest.raises(UsageError, match=r"converted\.wav exists"):
        voiceswap.convert(
            mix,
            as_="speakerA",
            mode="song",
            stems=home / "stems",
            on_event=lambda e: stages.append(getattr(e, "stage", "")),
        )
    assert "converting" not in stages and not (home / "song.speakerA.wav").exists()
