"""Recordings from one program to the next: in at -, out at -, whole or not at all."""

import io
import json
import os
import sys

import numpy as np
import pytest
import soundfile

from conftest import save
from voiceswap.errors import UsageError
from voiceswap.shell import cli, console
from voiceswap.shell.piping import is_stdout, parse_out, to_stdout
from voiceswap.signal import synthetic

SPOKEN = synthetic.speech(synthetic.BORIS, 1.0, seed=3).samples


@pytest.fixture
def command(voice, home, monkeypatch, capfdbinary):
    """Runs a command with a file piped into it: its exit code, and what it wrote to both outputs."""
    monkeypatch.chdir(home)

    def run(*arguments, piped=None):
        reading, writing = os.pipe()
        former = os.dup(0)
        os.dup2(reading, 0)
        if piped is not None:
            os.write(writing, piped)
        os.close(writing)
        monkeypatch.setattr(sys, "argv", ["voiceswap", *arguments])
        try:
            code = console.run_guarded(cli.app)
        except SystemExit as ended:
            code = ended.code
        finally:
            os.dup2(former, 0)
            os.close(former)
            os.close(reading)
        said = capfdbinary.readouterr()
        return code or 0, said.out, said.err.decode()

    return run


@pytest.fixture
def recording(home):
    """Less than a pipe holds."""
    return save(home / "x.wav", SPOKEN[:22_050]).read_bytes()


@pytest.mark.parametrize("given", ["-", "/dev/stdin"])
def test_a_recording_comes_through_a_pipe_and_goes_on_through_one(given, command, recording):
    for options, form in (((), "WAV"), (("--format", "flac"), "FLAC"), (("--format", ".ogg"), "OGG")):
        code, out, said = command("convert", given, "--as", "speakerA", "--dry", "-o", "-", *options, piped=recording)
        assert code == 0, said
        with soundfile.SoundFile(io.BytesIO(out)) as made:
            assert (made.format, made.samplerate, made.frames) == (form, 22_050, 22_050)
        assert "standard output  pitch" in said and "/voiceswap-" not in said


def test_what_came_through_a_pipe_is_called_stdin(command, recording, home):
    code, out, said = command("convert", "-", "--as", "speakerA", "--dry", "--json", piped=recording)
    assert code == 0, said
    (result,) = json.loads(out)
    assert (result["source"], result["output"]) == ("stdin", "stdin.speakerA.wav")
    assert (home / "stdin.speakerA.wav").is_file()
    code, out, said = command("info", "-", piped=(home / "stdin.speakerA.wav").read_bytes())
    assert code == 0 and b"file: stdin, WAV" in out and b"voice: speakerA" in out
    code, out, said = command("detect", "/dev/stdin", piped=recording)
    assert code == 1 and out.startswith(b"stdin: ")


def test_what_is_no_recording_is_refused_by_its_name(command):
    for piped, says in ((b"hello", "stdin is not a recording that can be read"), (None, "stdin is empty (0 bytes)")):
        code, out, said = command("convert", "-", "--as", "speakerA", "-o", "-", piped=piped)
        assert (code, out) == (3, b"") and says in said and "/voiceswap-" not in said


def test_what_cannot_go_to_standard_output_is_refused(command, recording, home, monkeypatch):
    save(home / "two" / "x.wav", SPOKEN)
    base = ("convert", "-", "--as", "speakerA", "--dry", "-o")
    for arguments, says in (
        ((*base, "-", "--json"), "-o is standard output, and so is what --json prints"),
        ((*base, "-", "--sidecar"), "--sidecar writes beside the output"),
        ((*base, "x.flac", "--format", "flac"), "--format says what -o - gives"),
        ((*base, "-", "--format", "m4a"), "has an ending that cannot be written"),
        (("convert", "two", "--as", "speakerA", "-o", "-"), "standard output takes one recording"),
    ):
        code, out, said = command(*arguments, piped=recording)
        assert (code, out) == (2, b"") and says in said, said


def test_a_terminal_is_no_place_for_a_recording(monkeypatch):
    monkeypatch.setattr(sys, "stdout", type("Terminal", (io.StringIO,), {"isatty": lambda self: True})())
    with pytest.raises(UsageError, match="standard output is a terminal"), to_stdout(None, as_json=False, beside=False):
        pass


def test_nothing_is_written_before_all_of_it_is_there(monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written))
    with pytest.raises(RuntimeError), to_stdout(None, as_json=False, beside=False) as place:
        place.write_bytes(b"half")
        raise RuntimeError
    assert written.getvalue() == b"" and not place.parent.exists()
    with to_stdout(None, as_json=False, beside=False) as place:
        place.write_bytes(b"whole")
    assert written.getvalue() == b"whole"


def test_a_slash_at_the_end_of_an_output_is_kept():
    assert parse_out("new/") == "new/" and str(parse_out("new")) == "new"
    assert is_stdout(parse_out("-")) and not is_stdout(None) and not is_stdout(parse_out("./-x"))
    assert np.isfinite(SPOKEN).all()
