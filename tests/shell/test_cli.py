"""What the commands print, refuse and exit with."""

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import voiceswap
from conftest import save
from voiceswap.errors import AudioError, UsageError
from voiceswap.events import Found, Note, Plan, Progress
from voiceswap.provenance.consent import consents_by_voice
from voiceswap.shell import console
from voiceswap.shell.cli import app
from voiceswap.signal import synthetic


def run(*arguments, cwd=None):
    command = [sys.executable, "-m", "voiceswap", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, stdin=subprocess.DEVNULL, check=False)


LIGHT = [["--help"], ["--version"], ["train", "--help"], ["convert"], ["convert", "none.wav", "--as", "b"], ["voices"]]
LIGHT += [["info", "b"], ["report", "b"], ["evaluate", "b", "--source", "."]]


@pytest.mark.parametrize("arguments", LIGHT)
def test_light_commands_import_nothing_heavy(arguments, home):
    """R36."""
    code = (
        "import sys\n"
        "from voiceswap.shell.cli import main\n"
        f"sys.argv = ['voiceswap', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'tensorflow', 'keras', 'librosa', 'numba', 'scipy'} & set(sys.modules)\n"
        "print('HEAVY', sorted(heavy))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "HEAVY []" in done.stdout


def test_the_package_itself_is_light():
    code = "import sys, voiceswap; print(sorted({'numpy', 'pydantic', 'tensorflow', 'rich'} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
    assert set(voiceswap.__all__) == {
        "Config",
        "Voice",
        "VoiceswapError",
        "__version__",
        "convert",
        "detect",
        "evaluate",
        "load",
        "report",
        "train",
    }
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = voiceswap.nothing


def test_version():
    assert run("--version").stdout == f"voiceswap {voiceswap.__version__}\n"


def test_no_voices_yet(home):
    done = run("voices")
    assert done.returncode == 0
    assert "no voices in" in done.stdout
    assert json.loads(run("voices", "--json").stdout)["voices"] == []


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["convert", "none.wav", "--as", "b"], 2, "error: no such file: none.wav"),
        (["convert", "/dev/null", "--as", "b"], 3, "error: /dev/null is not a regular file"),
        (["train", "nobody"], 2, "error: no such folder or recording: nobody"),
        (["info", "nobody"], 4, "error: no voice 'nobody'"),
        (["train"], 2, "Missing argument"),
        (["convert", "x.wav"], 2, "Missing option '--as'"),
        (["nonsense"], 2, "No such command"),
    ],
)
def test_mistakes_get_one_line_and_their_exit_code(arguments, code, says, home):
    done = run(*arguments, cwd=home)
    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_control_characters_never_reach_the_terminal(capsys):
    def fail():
        raise AudioError("a\x1b[31mb\u202e.wav is empty", "x\x07")

    assert console.run_guarded(fail) == 3
    assert capsys.readouterr().err == "error: a\\x1b[31mb\\x202e.wav is empty\n\nhint: x\\x07\n"


def test_names_are_told_as_they_are_whatever_rich_makes_of_them(monkeypatch, capfd):
    name = "take:cat:1 [red]x[/b] \\[b].wav"
    console.Shell(False).show(Note(name))
    assert capfd.readouterr().err == f"{name}\n"
    shell, out = console.Shell(False), io.StringIO()
    monkeypatch.setattr(shell, "_errors", Console(file=out, force_terminal=True, width=80, color_system=None))
    with shell.working():
        shell.show(Progress(name, "listening", 0, 1))
        shell._bar.refresh()
    assert f"{name} listening" in out.getvalue()


def test_a_name_of_several_lines_passes_for_no_line_of_ours(home, capsys):
    path = save(home / "a.wav: yes (p = 1e-30), voice tag 7\nz.wav", np.zeros(22050))
    app(["detect", str(path)], standalone_mode=False)
    said = capsys.readouterr().out
    assert said.startswith(str(path).replace("\n", "\\x0a") + ": ") and said.count("\n") == 1


def test_letters_that_the_terminal_does_not_know_are_escaped(home, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "cp1252")
    done = run("info", save(home / "日本.wav", np.zeros(22050)))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"file: {home}/\\u65e5\\u672c.wav, WAV PCM_16")


def test_json_is_valid_whatever_the_values(capsys):
    shell = console.Shell(as_json=True)
    shell.say("not this")
    shell.result({"a": float("nan"), "b": (1, 2)})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [1, 2]}


class Terminal(io.StringIO):
    """Someone who types these lines."""

    def isatty(self):
        return True


@pytest.fixture
def told(home, monkeypatch):
    """What the job is told of consent, when speakers a and b are trained from here."""
    calls = []
    for name in "ab":
        (home / name).mkdir()
    monkeypatch.chdir(home)
    monkeypatch.setattr("voiceswap.jobs.train.train", lambda *sources, **given: calls.append(given["consent"]) or [])
    return calls


def test_consent_is_asked_for_at_a_terminal(told, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", Terminal("Boris, to anything, today\n\n"))
    app(["train", "a", "b", "--consent", "a=Anna, to songs"], standalone_mode=False)
    assert told == [{"a": "Anna, to songs", "b": "Boris, to anything, today"}]
    asked = capsys.readouterr()
    assert "Who agreed to a voice b, to what, and when?" in asked.err and " a," not in asked.err
    assert asked.out == ""
    monkeypatch.setattr("sys.stdin", Terminal(""))
    app(["train", "a"], standalone_mode=False)
    assert told[-1] == {"a": ""}
    assert consents_by_voice(told[-1], ["a"]) == {}


def test_consent_is_asked_for_nowhere_else(told, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", Terminal("never read\n"))
    app(["train", "a", "--json"], standalone_mode=False)
    monkeypatch.setattr("sys.stdin", io.StringIO("never read\n"))
    app(["train", "a", "b"], standalone_mode=False)
    monkeypatch.setattr("sys.stdin", None)
    app(["train", "a"], standalone_mode=False)
    monkeypatch.setattr("sys.stdin", Terminal("never read\n"))
    app(["train", "a", "nobody"], standalone_mode=False)
    assert [list(filter(None, each.values())) for each in told] == [[]] * 4
    assert "Who agreed" not in capsys.readouterr().err
    with pytest.raises(UsageError, match="not said whose consent"):
        app(["train", "a", "b", "--consent", "everyone"], standalone_mode=False)


def test_consent_given_before_is_not_asked_for_again(told, home, monkeypatch):
    run_folder = home / "voices" / ".runs" / "a"
    run_folder.mkdir(parents=True)
    (run_folder / "agreement.json").write_text('{"consent": {"recorded": true, "statement": "Anna"}}')
    monkeypatch.setattr("sys.stdin", Terminal("Boris\n"))
    app(["train", "a", "b"], standalone_mode=False)
    assert told == [{"b": "Boris"}]


def test_a_voice_says_whether_there_is_consent(voice, capsys):
    app(["info", "speakerA"], standalone_mode=False)
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == "no consent is recorded"
    assert {"licence: none is given", "name: speakerA"} <= set(said)
    assert any(re.fullmatch(r"f0_range: \d+-\d+ Hz, [A-G]#?\d-[A-G]#?\d", line) for line in said)
    assert any(line.startswith("scores: first ") for line in said) and not [line for line in said if "{" in line]
    app(["info", "speakerA", "--json"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["consent"] == {"recorded": False}


def test_what_a_recording_says_of_itself(home):
    path = save(home / "a [b].wav", synthetic.speech(synthetic.BORIS, 1.0).samples)
    done = run("info", path)
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout == (
        f"file: {path}, WAV PCM_16, 22050 Hz, 1 channel\n"
        "it does not say that it was made with voiceswap; voiceswap detect listens for the mark\n"
    )
    path.with_name(path.name + ".json").write_text("hello")
    done = run("info", path)
    assert done.returncode == 1 and "WRONG: the record beside it cannot be read" in done.stdout
    (home / "x.wav").write_text("hello")
    assert run("info", home / "x.wav").returncode == 3


@pytest.mark.parametrize("width", [60, 80, 120])
def test_progress_fits_a_narrow_terminal(width, monkeypatch):
    """All four figures at 60 columns, and never more than one line."""
    shell, out = console.Shell(False), io.StringIO()
    monkeypatch.setattr(
        shell, "_errors", Console(file=out, force_terminal=True, width=width, soft_wrap=True, color_system=None)
    )
    with shell.working():
        shell.show(Progress("en_kathleen", "training", 58, 450, 0.332, 0.723, 28.26, 205.0))
        shell._bar.refresh()
        line = out.getvalue().split("\x1b[2K")[-1]
    for figure in ("en_kathleen", "loss 0.332", "held-out 0.723", "28.3x", "3.4 min left"):
        assert figure in line
    assert len(line.rstrip()) <= width and "\n" not in line and ("\u2501" in line) == (width == 120)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_progress_without_figures_says_what_is_done_and_how_far_it_is(width, monkeypatch):
    shell, out = console.Shell(False), io.StringIO()
    monkeypatch.setattr(
        shell, "_errors", Console(file=out, force_terminal=True, width=width, soft_wrap=True, color_system=None)
    )
    with shell.working():
        shell.show(Progress("en_kathleen", "listening", 26, 104))
        shell._bar.refresh()
        line = out.getvalue().split("\x1b[2K")[-1]
    assert "en_kathleen listening" in line and ("25%" in line) == (width < 120) == ("\u2501" not in line)


def test_a_long_name_does_not_break_the_line_of_progress(monkeypatch):
    shell, out = console.Shell(False), io.StringIO()
    monkeypatch.setattr(
        shell, "_errors", Console(file=out, force_terminal=True, width=60, soft_wrap=True, color_system=None)
    )
    with shell.working():
        shell.show(Progress("C:\\Users\\me\\" + "long name " * 9 + ".wav", "converting", 5, 10, left_s=40.0))
        shell._bar.refresh()
        line = out.getvalue().split("\x1b[2K")[-1]
    assert len(line.rstrip()) <= 60 and "\n" not in line and "40 s left" in line


@pytest.mark.parametrize("terminal", [False, "dumb"])
def test_progress_without_a_terminal_is_plain_lines(terminal, monkeypatch, capfd):
    shell = console.Shell(False)
    if terminal:
        monkeypatch.setenv("TERM", "dumb")
        monkeypatch.setattr(shell, "_errors", Console(stderr=True, force_terminal=True, soft_wrap=True, no_color=True))
    monkeypatch.setattr(console, "PLAIN_EVERY_S", 0.0)
    with shell.working():
        for step in (45, 90):
            shell.show(Progress("speakerA", "training", step, 450, 0.332, 0.723, 28.26, 205.0))
    assert capfd.readouterr() == (
        "",
        "speakerA training 10%  3.4 min left  loss 0.332  held-out 0.723  28.3x real time\n"
        "speakerA training 20%  3.4 min left  loss 0.332  held-out 0.723  28.3x real time\n",
    )


def test_the_list_of_commands_is_whole_at_80_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    listed = run("--help").stdout.partition("Commands:")[2].splitlines()
    assert len(listed) > 10 and not [line for line in listed if line.endswith("...")]


def test_what_a_training_will_do_is_told(capfd):
    shell = console.Shell(False)
    skipped = [(Path("anna/a [b].wav"), "anna/a [b].wav is empty (0 bytes)"), (Path("anna/x.wav"), "no speech found")]
    shell.show(Found("anna", 9, 274.0, 300.0, 28.0, (*skipped, *skipped[1:] * 5)))
    shell.show(Plan("anna", 450, 276.0))
    said = capfd.readouterr().err.splitlines()
    assert said == [
        "anna: learns from 4.1 min of speech, judged by 28 s kept apart",
        "  left out a [b].wav: is empty (0 bytes)",
        *["  left out x.wav: no speech found"] * 4,
        "  and 2 more left out; voiceswap check names them all",
        "anna: 450 steps, about 4.6 min, less if it stops getting better before",
    ]
    shell.show(Plan("anna", 60, 31.6))
    assert "60 steps, about 32 s, less" in capfd.readouterr().err


def test_what_is_over_soon_says_nothing_of_how_far_it_is(capfd):
    shell = console.Shell(False)
    shell.show(Progress("song.wav", "detecting", 0, 1))
    assert capfd.readouterr() == ("", "")
