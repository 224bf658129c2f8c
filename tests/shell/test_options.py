"""What commands hand on and give out: each option reaches the job as what it says, and nothing else changes."""

import ast
import inspect
import re
from dataclasses import fields
from pathlib import Path
from pkgutil import resolve_name

import pytest
import typer

import voiceswap
from voiceswap import compute
from voiceswap.conversion.options import ConvertOptions
from voiceswap.errors import OPTION, UsageError
from voiceswap.shell import cli
from voiceswap.shell.options import find_flags, word_options
from voiceswap.storage import paths
from voiceswap.training.options import TrainOptions

# Of each command that has options: the job it calls, and what must be given.
COMMANDS = {
    "train": ("voiceswap.jobs.train.train", "a b"),
    "convert": ("voiceswap.jobs.convert.convert", ". --as a"),
    "evaluate": ("voiceswap.jobs.evaluate.evaluate", "a --source s"),
    "report": ("voiceswap.web.report.report", "a"),
    "voices": ("voiceswap.storage.paths.list_voices", ""),
    "info": ("voiceswap.conversion.voice.load", "a"),
    "pretrain": ("voiceswap.jobs.pretrain.pretrain", "p --out o"),
    "doctor": ("voiceswap.jobs.doctor.examine", ""),
    "demo": ("voiceswap.jobs.demo.run", ""),
}
# Options that choose for the whole process, and reach no job.
OF_THE_PROCESS = {"--device cpu": ("get_device", "cpu"), "--threads 3": ("get_threads", 3)}
USE_NETWORKS = ("check", "convert", "evaluate", "report", "doctor")
V = Path("v")
PACKAGE = Path(voiceswap.__file__).parent
# A command, an option, and the arguments of its job that are not as without it.
OPTIONS = [
    ("train", "--minutes 2.5", {"minutes": 2.5}),
    ("train", "--more", {"more": True}),
    ("train", "--fresh", {"fresh": True}),
    ("train", "--seed 7", {"seed": 7}),
    ("train", "--consent a=Anna --consent b=Boris", {"consent": {"a": "Anna", "b": "Boris"}}),
    ("train", "--licence CC0", {"licence": "CC0"}),
    ("train", "--no-timelapse", {"timelapse": False}),
    ("train", "--tensorboard", {"tensorboard": True}),
    ("convert", "--as b", {"as_": "b"}),
    ("convert", "--out o", {"out": Path("o")}),
    ("convert", "-o o", {"out": Path("o")}),
    ("convert", "-o o/", {"out": "o/"}),
    ("convert", "--pitch -3.5", {"pitch_semitones": -3.5}),
    ("convert", "--formant 1.5", {"formant_semitones": 1.5}),
    ("convert", "--protect 0.25", {"protect": 0.25}),
    ("convert", "--vocoder best", {"vocoder": "best"}),
    ("convert", "--vocoder quick", {"vocoder": "quick"}),
    ("convert", "--f0-method harvest", {"f0_method": "harvest"}),
    ("convert", "--f0 c.csv", {"f0": Path("c.csv")}),
    ("convert", "--f0-out c.csv", {"f0_out": Path("c.csv")}),
    ("convert", "--song", {"mode": "song"}),
    ("convert", "--dry", {"mode": "dry"}),
    ("convert", "--track 2", {"track": 2}),
    ("convert", "--stems s", {"stems": Path("s")}),
    ("convert", "--backing b.wav", {"backing": Path("b.wav")}),
    ("convert", "--vocal-gain 2", {"vocal_gain_db": 2.0}),
    ("convert", "--backing-gain -3", {"backing_gain_db": -3.0}),
    ("convert", "--no-mark", {"mark": False}),
    ("convert", "--sidecar", {"sidecar": True}),
    ("convert", "--c2pa c.pem k.pem", {"c2pa": (Path("c.pem"), Path("k.pem"))}),
    ("convert", "--keep-stages s", {"keep_stages": Path("s")}),
    ("convert", "--score", {"score": True}),
    ("convert", "--report", {"score": True}),
    ("convert", "--strict", {"strict": True}),
    ("convert", "--voices v", {"voices": V}),
    ("convert", "--force", {"force": True}),
    ("convert", "--skip-existing", {"skip_existing": True}),
    ("convert", "--jobs 3", {"jobs": 3}),
    ("convert", "-j 3", {"jobs": 3}),
    ("evaluate", "--source x", {"source": Path("x")}),
    ("evaluate", "--target t", {"target": Path("t")}),
    ("evaluate", "--recogniser r", {"recogniser": Path("r")}),
    ("evaluate", "--language de", {"language": "de"}),
    ("evaluate", "--out o", {"out": Path("o")}),
    ("evaluate", "-o o", {"out": Path("o")}),
    ("report", "--out o", {"out": Path("o")}),
    ("report", "-o o", {"out": Path("o")}),
    ("report", "-o o/", {"out": "o/"}),
    ("report", "--source s", {"source": Path("s")}),
    ("report", "--target t", {"target": Path("t")}),
    ("report", "--force", {"force": True}),
    ("pretrain", "--out x", {"out": Path("x")}),
    ("pretrain", "-o x", {"out": Path("x")}),
    ("pretrain", "--start s", {"start": Path("s")}),
    ("pretrain", "--part units --part encoder", {"parts": ("units", "encoder")}),
    ("pretrain", "--minutes 2.5", {"minutes": 2.5}),
    ("pretrain", "--content-dim 12", {"content_dim": 12}),
    ("pretrain", "--leave-out a --leave-out b", {"leave_out": ("a", "b")}),
    ("pretrain", "--credits c", {"credits": Path("c")}),
    ("doctor", "--voices v", {"voices": V}),
    ("demo", "--minutes 2.5", {"minutes": 2.5}),
    # These look into the folder themselves first.
    *((name, "--voices v", {"voices": V, "looked into": V}) for name in ("train", "evaluate", "report", "voices", "info")),
]  # fmt: skip


class Asked(Exception):
    """The job was called with these arguments."""


@pytest.fixture
def asked(home, monkeypatch):
    """What a command calls its job with, and which folder of voices it looks into itself."""
    monkeypatch.chdir(home)
    looked = {}
    plain = paths.voices_folder

    def voices_folder(override=None):
        looked["looked into"] = override
        return plain(override)

    def ask(name, arguments):
        job = COMMANDS[name][0]
        signature = inspect.signature(resolve_name(job))

        def recorded(*given, **named):
            raise Asked(signature.bind(*given, **named).arguments)

        with monkeypatch.context() as patch:
            patch.setattr(job, recorded)
            patch.setattr(paths, "voices_folder", voices_folder)
            patch.setattr(paths, "find_voice", lambda name, folder: folder / name)
            with pytest.raises(Asked) as caught:
                cli.app([name, *arguments.split()], standalone_mode=False)
        (found,) = caught.value.args
        told = [found.pop(key, None) for key in ("on_event", "stopped") if key in signature.parameters]
        assert all(map(callable, told)), "the job can neither tell nor be stopped"
        return found | looked

    return ask


@pytest.mark.parametrize(("name", "option", "wanted"), OPTIONS, ids=lambda v: v if type(v) is str else "")
def test_an_option_reaches_the_job_and_changes_nothing_else(name, option, wanted, asked):
    needed = COMMANDS[name][1]
    without, found = asked(name, needed), asked(name, f"{needed} {option}")
    assert found == without | wanted
    assert not [key for key, value in wanted.items() if without[key] == value]


@pytest.mark.parametrize("name", USE_NETWORKS)
@pytest.mark.parametrize("option", OF_THE_PROCESS)
def test_an_option_of_the_process_holds_for_it(name, option, monkeypatch):
    monkeypatch.setattr(compute, "_device", None)
    monkeypatch.setattr(compute, "_threads", None)
    asked, value = OF_THE_PROCESS[option]
    assert getattr(compute, asked)() != value
    needed = COMMANDS[name][1] if name in COMMANDS else "a"
    command = typer.main.get_command(cli.app).commands[name]
    with command.make_context(name, [*needed.split(), *option.split()]):
        assert getattr(compute, asked)() == value


def test_no_option_is_left_out():
    tried = {(name, word) for name, option, _ in OPTIONS for word in option.split()}
    tried |= {(name, option.split()[0]) for name in USE_NETWORKS for option in OF_THE_PROCESS}
    # In test_piping.py, as it goes with one recording.
    tried.add(("convert", "--format"))
    commands = typer.main.get_command(cli.app).commands
    for name, command in commands.items():
        for option in (p for p in command.params if p.param_type_name == "option" and p.name != "as_json"):
            # Of a pair such as --mark/--no-mark, the one that changes something.
            assert {(name, word) for word in option.secondary_opts or option.opts} <= tried
    assert {name for name, command in commands.items() if len(command.params) > 2} <= {*COMMANDS, *USE_NETWORKS}


def test_what_is_not_asked_for_is_left_to_the_job(asked):
    """The command's own defaults are those of the function."""
    for name, (job, needed) in COMMANDS.items():
        parameters = inspect.signature(resolve_name(job)).parameters
        for key, value in asked(name, needed).items():
            if (given := parameters.get(key)) is not None and given.default not in (given.empty, value):
                assert (name, key, value) == ("train", "consent", {})


# The three faces of one option: the dataclass, Python, the command line.

FLAGS = find_flags()


def flags_of(command):
    parameters = typer.main.get_command(cli.app).commands[command].params
    return {flag for p in parameters for flag in (*p.opts, *p.secondary_opts) if flag.startswith("-")}


def test_every_option_of_a_conversion_has_its_flag():
    flags = flags_of("convert")
    named = [field.name for field in fields(ConvertOptions)]
    wanted = {FLAGS[name] for name in named if name != "mode"} | {FLAGS["mode=song"], FLAGS["mode=dry"]}
    assert wanted <= flags
    # What it has besides: the long form of -o, the negative of a pair, the old name of --score, and what is of no job.
    assert flags - wanted == {"--out", "-j", "--no-mark", "--report", "--format", "--json", "--device", "--threads"}


def test_every_option_of_a_training_has_its_flag():
    # There is no choosing another base from the command line.
    named = {field.name for field in fields(TrainOptions)} - {"base"}
    assert {FLAGS[name] for name in named} <= flags_of("train")


def test_every_flag_is_one_of_a_command():
    commands = typer.main.get_command(cli.app).commands
    assert set(FLAGS.values()) <= set().union(*map(flags_of, commands))


def test_messages_name_options_and_the_command_line_words_them():
    error = UsageError("x.wav exists", "give `force` to replace it, or another output with `out`")
    assert error.options == ("force", "out")
    assert word_options(error.hint) == "give --force to replace it, or another output with -o"
    assert word_options("`mode=dry` takes all for voice") == "--dry takes all for voice"
    # What is no option stays as it is.
    for text in ("`song`.wav is silent", "a ` b", "", "``", "{force}", "`force"):
        assert word_options(text) == text


def strings(path):
    """The strings of a module that a person may read: all but docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    bodies = [node.body for node in ast.walk(tree) if isinstance(getattr(node, "body", None), list)]
    documents = {id(body[0].value) for body in bodies if body and isinstance(body[0], ast.Expr)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents
    ]


def test_no_message_below_the_shell_knows_a_flag():
    flags = "|".join(sorted({flag.strip("-") for flag in FLAGS.values() if flag.startswith("--")}))
    for path in (path for path in PACKAGE.rglob("*.py") if path.parts[-2] not in ("shell", "commands")):
        for text in strings(path):
            # Colours of the page are --back and --line.
            assert "var(--" in text or not re.search(rf"(?<![\w-])--({flags})\b", text), f"{path.name}: {text!r}"
            assert not re.search(r"\bwith -o\b", text), f"{path.name}: {text!r}"


def test_every_option_that_a_message_names_has_a_flag():
    named = {name for path in PACKAGE.rglob("*.py") for text in strings(path) for name in OPTION.findall(text)}
    assert named and named <= set(FLAGS), named - set(FLAGS)
