"""What a result says of itself is read back, from every format; what strangers say does no harm."""

import hashlib
import json
import re

import av
import numpy as np
import pytest
import soundfile

import voiceswap
from conftest import save
from voiceswap.audio.read import AudioInfo, read_tags
from voiceswap.audio.write import Writer
from voiceswap.errors import UsageError
from voiceswap.jobs.detect import describe_recording
from voiceswap.provenance import record
from voiceswap.provenance.record import record_from_tags, record_tags
from voiceswap.shell.cli import app
from voiceswap.signal import synthetic

SPOKEN = synthetic.speech(synthetic.BORIS, 3.0, seed=3, sample_rate_hz=24_000).samples


@pytest.fixture
def source(home):
    return save(home / "a.wav", SPOKEN, 24_000)


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "opus", "mp3", "aiff"])
def test_every_format_says_how_it_was_made(voice, source, ending):
    with soundfile.SoundFile(source, "r+") as file:
        file.title, file.artist = "A song", "Boris"
    (made,) = voiceswap.convert(source, as_="speakerA", out=source.with_name(f"b.{ending}"))
    found = describe_recording(made.output)
    assert (found.kind.title, found.kind.artist) == ("A song", "Boris")
    kept = found.record
    assert (kept.voiceswap, kept.voice, kept.voice_id) == (voiceswap.__version__, "speakerA", voice.id)
    assert kept.source_sha256 == hashlib.sha256(source.read_bytes()).hexdigest()
    assert kept.digital_source_type.endswith("/trainedAlgorithmicMedia")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", kept.made)
    assert kept.marked and made.marked and not kept.signed
    assert found.faults == () and found.sidecar == ""
    # Without c2pa-python nobody can look.
    assert found.credentials is None or found.credentials.state == "unlooked"
    assert voiceswap.__version__ in found.tags["software"] or ending == "mp3"


def test_a_wav_says_it_in_its_bext_chunk_too(voice, source):
    (made,) = voiceswap.convert(source, as_="speakerA", out=source.with_name("b.wav"))
    with av.open(str(made.output)) as container:
        said = {value.strip() for value in container.metadata.values()}
    kept = describe_recording(made.output).record
    assert record_from_tags(container.metadata) == kept, "what ffmpeg would carry over into another format"
    sentence = f"T=voice converted to speakerA with voiceswap {kept.voiceswap}; trainedAlgorithmicMedia"
    assert {sentence, f"voiceswap {kept.voiceswap}", kept.source_sha256[:32], kept.made[:10], kept.made[11:19]} <= said


def test_the_record_beside_a_result(voice, source):
    (made,) = voiceswap.convert(source, as_="speakerA", out=source.with_name("b.w64"), sidecar=True, mark=False)
    assert made.sidecar == source.with_name("b.w64.json")
    value = json.loads(made.sidecar.read_text())
    assert value["sha256"] == hashlib.sha256(made.output.read_bytes()).hexdigest()
    assert value["marked"] is False and value["voice_id"] == voice.id
    found = describe_recording(made.output)
    assert found.sidecar == "agrees" and found.record.voice == "speakerA" and not found.record.marked
    before = made.sidecar.read_bytes()
    made.output.unlink()
    with pytest.raises(UsageError, match=r"b\.w64\.json exists"):
        voiceswap.convert(source, as_="speakerA", out=made.output, sidecar=True)
    assert made.sidecar.read_bytes() == before and not made.output.exists()
    voiceswap.convert(source, as_="speakerA", out=made.output, sidecar=True, force=True)
    assert made.sidecar.read_bytes() != before
    made.output.write_bytes(made.output.read_bytes()[:-1] + b"\1")
    assert describe_recording(made.output).faults == (
        "the record beside it is of another file, or this one was changed",
    )


@pytest.mark.parametrize(
    "samples",
    [np.concatenate([SPOKEN[:20_000], np.zeros(48_000)]), SPOKEN[:20_000], np.zeros(72_000), 1e-5 * SPOKEN],
    ids=["hardly any sound", "short", "silent", "too soft"],
)
def test_what_has_too_little_sound_says_that_it_bears_no_mark(voice, home, samples):
    (made,) = voiceswap.convert(save(home / "a.wav", samples, 24_000), as_="speakerA", sidecar=True)
    assert not made.marked and not describe_recording(made.output).record.marked
    assert json.loads(made.sidecar.read_text())["marked"] is False


HOSTILE = [
    "\x1b[2J\x1b]0;owned\x07 hello\nvoice: nobody",
    '{"voiceswap": "1"',
    '{"voiceswap": {"a": 1}}',
    '{"voiceswap":' + "[" * 4000,
    '{"voiceswap": "1", "voice": 7, "marked": "yes", "made": null, "more": [NaN]}',
    '{"voiceswap": "1", "voiceswap": "2"}',
    json.dumps({"voiceswap": "\x1b[31m9\n\u202e", "voice": "x" * 4000, "marked": True}),
    "x" * 100_000,
]


@pytest.mark.parametrize("comment", HOSTILE)
@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3"])
def test_hostile_tags_do_no_harm(home, capsys, comment, ending):
    path = home / f"x.{ending}"
    with soundfile.SoundFile(path, "w", 24_000, 1) as file:
        file.title, file.comment, file.artist = "\x1b[31mred\r\nWRONG: all", comment, "\x07"
        file.write(SPOKEN)
    app(["info", str(path)], standalone_mode=False)
    said = capsys.readouterr().out
    assert all(c.isprintable() for c in said.replace("\n", "")) and len(said) < 9000
    assert not any(line.startswith(("WRONG", "voice: nobody")) for line in said.splitlines())
    app(["info", str(path), "--json"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["faults"] == []


@pytest.mark.parametrize("text", ["", "[]", '{"voiceswap": "1"', "[" * 10_000, '"x"', "x" * 70_000])
def test_an_unreadable_record_beside_a_recording_is_told(source, text):
    source.with_name("a.wav.json").write_text(text)
    assert describe_recording(source).faults == ("the record beside it cannot be read",)


def test_bytes_that_are_no_text_do_no_harm(home):
    path = home / "x.flac"
    with soundfile.SoundFile(path, "w", 24_000, 1) as file:
        file.comment = "AAAAAAAA"
        file.write(SPOKEN)
    path.write_bytes(path.read_bytes().replace(b"AAAAAAAA", b"\xff\xfe\x80\xc0\x9b2J\xff"))
    assert describe_recording(path).record is None


@pytest.mark.parametrize("ending", ["wav", "flac", "mp3", "ogg"])
@pytest.mark.parametrize("name", ["ж" * 100, "🎤" * 50], ids=["letters", "pictures"])
def test_the_longest_names_are_read_back(home, name, ending):
    made = record.Record("1.0", name, "0" * 64, "2026-01-02T03:04:05+00:00", record.SOURCE_TYPE, "1" * 64, marked=True)
    with Writer(home / f"x.{ending}", AudioInfo(24_000, 1, "WAV", "PCM_16"), record_tags(made)) as writer:
        writer.write(np.zeros((24_000, 1), np.float32))
    assert record_from_tags(read_tags(home / f"x.{ending}")) == made


def test_many_long_tags_are_no_crash(home):
    path = home / "x.mka"
    with av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream("pcm_s16le", rate=24_000, layout="mono")
        container.metadata.update({f"t{i}": "🎤" * 6000 for i in range(60)} | {"comment": "🎤" * 6000})
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 24_000), np.int16), format="s16", layout="mono")
        frame.rate = 24_000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    found = read_tags(path.rename(home / "x.mkv"))
    assert len(found) <= 50 and max(map(len, found.values())) >= 500


def test_a_result_whose_name_is_no_text_has_its_record(home):
    output = home / "caf\udce9.wav"
    output.write_bytes(b"RIFF")
    record.write_sidecar(output, record.Record("0.1"))
    assert record.read_sidecar(output) == (record.Record("0.1"), "agrees")


def test_what_a_tag_holds_is_what_was_put_in():
    made = record.Record("1.0", "Zoë = {x}; y", "0" * 64, marked=True)
    assert record_from_tags(record_tags(made)) == made
    assert "not marked" in record_tags(record.Record("1.0"))["comment"]
