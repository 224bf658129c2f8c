"""Commands as a person meets them: odd file names (R25), mistakes word for word (R37), many files (R21)."""

import json
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest

from conftest import save
from voiceswap.shell import cli, console
from voiceswap.signal import synthetic

SPOKEN = synthetic.speech(synthetic.BORIS, 0.3, seed=3).samples
# What no file system but a byte-wise one can hold is left to it.
NAMES = [
    "with space.wav", "new\nline.wav", "song [/b].wav", "[red]x.wav", "\x1b[31mred\x1b[0m.wav", "-rf.wav", "--as.wav",
    "caf\udce9.wav", "日本.wav", "a'b\"c.wav", "$HOME.wav", "%s {x}.wav", "tab\there.wav", "\u202egnp.wav", ".hidden.wav",
    "a;b&c|d.wav", "*.wav", "x" * 200 + ".wav", "no ending", "UPPER.WAV",
]  # fmt: skip


@pytest.mark.parametrize("language", ["C.UTF-8", "C"])
def test_r25_odd_names_convert_and_never_reach_the_terminal(language, mother, voice, home):
    plain = save(home / "plain.wav", SPOKEN).read_bytes()
    for name in NAMES:
        (home / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (home / "in" / name).write_bytes(plain)
    env = {"LANG": language, "LC_ALL": language}
    names = NAMES if language == "C.UTF-8" else NAMES[2:10]
    inputs = [f"in/{name}" for name in names]
    command = mother.run("convert", *inputs, "--as", "speakerA", "-o", "out", "--dry", "--json", cwd=home, env=env)
    assert command.wait() == 0, command.err()
    records = json.loads(command.out())
    assert [r["status"] for r in records] == ["converted"] * len(names)
    assert len(os.listdir(home / "out")) == len(names)
    again = ("-o", "out", "--dry", "--force")
    command = mother.run("convert", *inputs[:8], "--as", "speakerA", *again, cwd=home, env=env)
    assert command.wait() == 0, command.err()
    for text in (command.out(), command.err()):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", text)


def test_r25_a_name_that_begins_with_a_dash(mother, voice, home):
    (home / "-x.wav").write_bytes(save(home / "plain.wav", SPOKEN).read_bytes())
    assert mother.run("convert", "--as", "speakerA", "--dry", "--", "-x.wav", cwd=home).wait() == 0
    assert (home / "-x.speakerA.wav").exists()


def test_r21_one_bad_file_among_many(mother, voice, home, tier):
    n = tier(12, 100)
    for i in range(n - 2):
        save(home / "in" / f"{i:03d}.wav", SPOKEN)
    (home / "in" / "bad.wav").write_bytes(b"hello")
    crash = home / "in" / "crash.wav"
    save(crash, SPOKEN)
    # What a crash of the native decoder on this very file looks like.
    before = (
        "from voiceswap.audio import decoder_process as child\nask = child.Server.ask\n"
        "def crashing(self, request, *more):\n"
        "    if str(request.get('open')).endswith('crash.wav') and self._process is not None:\n"
        f"        self._process.send_signal({int(signal.SIGSEGV)}); self._process.wait()\n"
        "        raise child.Refused('its decoder crashed (-11)')\n"
        "    return ask(self, request, *more)\nchild.Server.ask = crashing\n"
    )
    arguments = ("convert", home / "in", "--as", "speakerA", "-o", home / "out", "--dry")
    command = mother.run(*arguments, "--json", before=before)
    assert command.wait() == 1
    records = json.loads(command.out())
    status = {os.path.basename(r["source"]): r["status"] for r in records}
    assert sum(s == "converted" for s in status.values()) == n - 2
    assert status["bad.wav"] == status["crash.wav"] == "failed"
    command = mother.run(*arguments, "--skip-existing")
    assert command.wait() == 1
    assert f"1 converted, {n - 2} skipped, 1 failed" in command.out()
    assert "bad.wav is not a recording that can be read" in command.out()


# R37: arguments, exit code, stdout, stderr; a text in slashes is a pattern.

NO_AS = "Missing option '--as'"
MISTAKES = [
    (["--version"], 0, "voiceswap 0.1.0\n", ""),
    (["--nonsense"], 2, "", "No such option: --nonsense"),
    (["nonsense"], 2, "", "No such command 'nonsense'"),
    (["convrt"], 2, "", "Did you mean 'convert'"),
    (["train"], 2, "", "Missing argument 'FOLDER...'"),
    (["train", "gone"], 2, "", "error: no such folder or recording: gone\n\nhint: give a folder of recordings, or one long recording\n"),
    (["train", "empty"], 2, "", "error: empty holds no recording\n"),
    (["train", "empty", "--minutes", "x"], 2, "", "Invalid value for '--minutes'"),
    (["train", "empty", "--minutes", "-1"], 2, "", "error: minutes is -1.0, wanted more than 0 and at most 10000\n\nhint: leave it out: training ends by itself\n"),
    (["train", "empty", "--minutes", "nan"], 2, "", "error: minutes is nan, wanted more than 0 and at most 10000\n\nhint: leave it out: training ends by itself\n"),
    (["train", "empty", "--seed", "x"], 2, "", "Invalid value for '--seed'"),
    (["train", "empty", "--more", "--fresh"], 2, "", "error: --more and --fresh exclude each other\n"),
    (["train", "empty", "empty"], 2, "", "error: two sources would become the same voice: empty\n"),
    (["train", "CON"], 2, "", "error: a voice cannot be called 'CON': Windows keeps that name for a device\n"),
    (["train", ".hidden"], 2, "", "error: a voice cannot be called '.hidden'"),
    (["convert"], 2, "", "Missing argument 'INPUT...'"),
    (["convert", "x.wav"], 2, "", NO_AS),
    (["convert", "--as", "b"], 2, "", "Missing argument 'INPUT...'"),
    (["convert", "gone.wav", "--as", "b"], 2, "", "error: no such file: gone.wav\n\nhint: check the spelling, and the folder you are in\n"),
    (["convert", "zero.wav", "--as", "b"], 3, "", "error: zero.wav is empty (0 bytes)\n\nhint: wanted a recording: wav, "),
    (["convert", "text.wav", "--as", "b"], 3, "", "error: text.wav is not a recording that can be read: "),
    (["convert", "/dev/null", "--as", "b"], 3, "", "error: /dev/null is not a regular file\n"),
    (["convert", "loop.wav", "--as", "b"], 3, "", "error: cannot open loop.wav: "),
    (["convert", "good.wav", "--as", "b"], 4, "", "error: no voice 'b' in "),
    (["convert", "good.wav", "--as", "../b"], 4, "", "error: no voice '../b'\n"),
    (["convert", "good.wav", "--as", ""], 4, "", "error: no voice ''"),
    (["convert", "good.wav", "--as", "a\x1b[31m"], 4, "", "error: no voice 'a\\x1b[31m'"),
    (["convert", "good.wav", "--as", "b", "--pitch", "x"], 2, "", "Invalid value for '--pitch'"),
    (["convert", "good.wav", "--as", "b", "--pitch", "99"], 2, "", "error: pitch is 99.0 semitones, wanted -48 to 48\n\nhint: 12 is an octave; leave it out to have it chosen\n"),
    (["convert", "good.wav", "--as", "b", "--pitch", "nan"], 2, "", "error: pitch is nan semitones, wanted -48 to 48\n\nhint: 12 is an octave; leave it out to have it chosen\n"),
    (["convert", "good.wav", "--as", "b", "--formant", "13"], 2, "", "error: formant is 13.0 semitones, wanted -12 to 12\n\nhint: even 1 or -1 is audible; 0 leaves the voice as it is\n"),
    (["convert", "good.wav", "--as", "b", "--protect", "2"], 2, "", "error: protect is 2.0, wanted 0 to 1\n\nhint: 0.5 keeps half of the source's own consonants\n"),
    (["convert", "good.wav", "--as", "b", "--jobs", "99"], 2, "", "error: jobs is 99, wanted 1 to 64\n\nhint: start with 2: each is a process of about a gigabyte\n"),
    (["convert", "good.wav", "--as", "b", "--f0-method", "crepe"], 2, "", "error: unknown F0 method 'crepe'\n"),
    (["convert", "good.wav", "--as", "b", "--song", "--dry"], 2, "", "error: --song and --dry exclude each other\n"),
    (["convert", "good.wav", "--as", "b", "--vocal-gain", "99"], 2, "", "error: the vocal gain is 99.0 dB, wanted -40 to 40\n\nhint: even 2 or -3 is audible\n"),
    (["convert", "good.wav", "good.wav", "--as", "b", "--f0", "x"], 2, "", "error: an F0 curve, stems, a backing or stages are for one"),
    (["convert", "good.wav", "--as", "b", "--backing", "x.wav", "--song"], 2, "", "error: --backing and --song exclude each"),
    (["detect"], 2, "", "Missing argument 'FILE...'"),
    (["detect", "gone.wav"], 2, "", "error: no such file: gone.wav\n"),
    (["detect", "text.wav"], 3, "", "error: text.wav is not a recording that can be read: "),
    (["voices"], 0, "/no voices in .*; train one: voiceswap train FOLDER\n/", ""),
    (["voices", "--json"], 0, '/{\n "voices_folder": ".*",\n "voices": \\[\\]\n}\n/', ""),
    (["voices", "extra"], 2, "", "unexpected extra argument"),
    (["info"], 2, "", "Missing argument 'VOICE"),
    (["info", "b"], 4, "", "error: no voice 'b' in "),
    (["info", "empty"], 4, "", "error: no voice 'empty' in "),
    (["info", "./empty"], 4, "", "error: no voice './empty'\n\nhint: train one: voiceswap train FOLDER\n"),
    (["info", "./fake"], 4, "", "error: fake/manifest.json lists no files\n"),
    (["pretrain", "empty"], 2, "", "Missing option '--out'"),
    (["pretrain", "--out", "x"], 2, "", "Missing argument 'FOLDER...'"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code", "out", "err"), MISTAKES, ids=lambda v: " ".join(v) if type(v) is list else ""
)
def test_r37_mistakes_word_for_word(arguments, code, out, err, home, monkeypatch, capfd):
    (home / "empty").mkdir()
    (home / "fake").mkdir()
    (home / "fake" / "manifest.json").write_text("{}")
    (home / "zero.wav").write_bytes(b"")
    (home / "text.wav").write_text("hello")
    (home / "loop.wav").symlink_to("loop.wav")
    save(home / "good.wav", np.zeros(4410))
    before = sorted(home.rglob("*"))
    monkeypatch.chdir(home)
    monkeypatch.setattr(sys, "argv", ["voiceswap", *arguments])
    try:
        found = console.run_guarded(cli.app)
    except SystemExit as stopped:
        found = stopped.code
    said = capfd.readouterr()
    assert found == code, said
    for text, wanted in ((said.out, out), (said.err, err)):
        if wanted.startswith("/") and wanted.endswith("/"):
            assert re.fullmatch(wanted[1:-1], text), text
        else:
            assert wanted in text if wanted else not text.strip(), text
    assert "Traceback" not in said.err and "\x1b" not in said.err + said.out
    assert sorted(home.rglob("*")) == before


def test_r37_there_are_enough_of_them():
    assert len(MISTAKES) >= 40


def test_r37_a_closed_pipe_ends_quietly(home):
    code = "import sys; sys.argv = ['voiceswap', 'voices', '--json']\nfrom voiceswap.shell.cli import main\nmain()"
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, "-c", code], stdout=write, stderr=subprocess.PIPE, text=True, timeout=250)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


MAIN = "import sys; sys.argv[0] = 'voiceswap'\nfrom voiceswap.shell.cli import main\nmain()"
TELLS = "from voiceswap.shell import console\nfrom voiceswap.events import Note\n"
TELLS += "for text in 'abc': console.Shell(False).show(Note(text))"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_r4_a_full_disk_for_what_is_said(home):
    """A log that cannot be written stops no job and changes no exit code; a result that cannot be written is told."""

    def ended(code, *arguments, **streams):
        command = [sys.executable, "-c", code, *arguments]
        with open("/dev/full", "w") as full:
            used = {name: full if value is None else value for name, value in streams.items()}
            return subprocess.run(command, **used, text=True, timeout=250, cwd=home)

    assert ended(MAIN, "convert", "gone.wav", "--as", "b", stderr=None).returncode == 2
    assert ended(TELLS, stderr=None).returncode == 0
    done = ended(MAIN, "voices", stdout=None, stderr=subprocess.PIPE)
    assert done.returncode == 6
    assert done.stderr == "error: cannot write the result: no space left on device\n\nhint: free some space\n"
