"""The documentation: its site is built without a warning, and what it quotes is in the code."""

import ast
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import voiceswap
from voiceswap import errors
from voiceswap.shell.options import word_options

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PACKAGE = Path(voiceswap.__file__).parent


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The site, built as README says."""
    for module in ("sphinx", "pydata_sphinx_theme", "sphinx_click", "myst_parser"):
        pytest.importorskip(module, reason='the docs extra is not installed: pip install "voiceswap[docs]"')
    out = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-n",
        "-q",
        "-d",
        out / "doctrees",
        DOCS,
        out / "html",
    ]
    built = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert built.returncode == 0, built.stderr
    return out / "html"


class _Page(HTMLParser):
    """The addresses that a page asks for, and the anchors that it has."""

    def __init__(self, path):
        super().__init__()
        self.loaded, self.links, self.anchors = [], [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.anchors.add(found.get("id"))
        if tag == "a":
            self.links.append(found.get("href") or "")
        elif tag in {"script", "img", "iframe", "source"}:
            self.loaded.append(found.get("src") or "")
        elif tag == "link" and found.get("rel") in {"stylesheet", "icon", "preload"}:
            self.loaded.append(found.get("href") or "")


@pytest.mark.timeout(600)
def test_the_site_is_built_without_a_warning_and_its_links_lead_somewhere(site):
    pages = {path: _Page(path) for path in site.rglob("*.html")}
    assert {"index.html", "tutorial.html", "troubleshooting.html", "python.html"} <= {path.name for path in pages}
    for path, page in pages.items():
        assert not [address for address in page.loaded if re.match(r"(https?:)?//", address)], path
        for link in (link for link in page.links if not re.match(r"\w+:|$", link)):
            target, _, anchor = link.partition("#")
            there = (path.parent / target).resolve() if target else path
            assert there.exists(), (path.name, link)
            assert not anchor or there.suffix != ".html" or anchor in pages[there].anchors, (path.name, link)


@pytest.mark.timeout(600)
def test_the_site_has_every_command_option_and_public_name(site):
    import typer

    from voiceswap.shell.cli import app

    commands = (site / "commands.html").read_text(encoding="utf-8")
    for name, command in typer.main.get_command(app).commands.items():
        assert f"voiceswap {name}" in re.sub("<[^>]+>", "", commands), name
        for option in (option for given in command.params for option in given.opts if option.startswith("--")):
            assert f'id="cmdoption-voiceswap-{name}-{option.lstrip("-")}"' in commands, (name, option)
    python = (site / "python.html").read_text(encoding="utf-8")
    assert all(f'id="voiceswap.{name}"' in python for name in voiceswap.__all__ if name != "__version__")


# What is quoted


def templates():
    """Every text in the package, as a pattern: what an f-string fills in may be anything."""
    found = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            parts = node.values if isinstance(node, ast.JoinedStr) else [node]
            literal = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
            if literal and sum(map(len, literal)) >= 7:
                # As the command line words it.
                pieces = [
                    re.escape(word_options(p.value)) if isinstance(p, ast.Constant) else ".*"
                    for p in parts
                    if not_docs(p)
                ]
                found.append(re.compile("".join(pieces).replace("`.*`", ".*")))
    return found


def not_docs(part):
    return not isinstance(part, ast.Constant) or isinstance(part.value, str)


def quoted():
    """(line, what it says) of each message on the page of troubleshooting."""
    text = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    for block in re.findall(r"```text\n(.*?)```", text, re.DOTALL):
        for line in block.splitlines():
            line = re.sub(r"^left out ([\w.]+): is", r"\1 is", line)
            yield line, re.sub(r"^(error|hint|warning|left out [\w.]+): ", "", line)


def test_every_message_on_the_page_of_troubleshooting_is_in_the_code():
    known = templates()
    missing = [line for line, said in quoted() if not any(pattern.fullmatch(said) for pattern in known)]
    assert missing == []
    assert len(list(quoted())) > 60
    assert not any(pattern.fullmatch("nobody ever wrote this sentence") for pattern in known)


def test_the_exit_codes_on_the_page_are_those_of_the_errors():
    text = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    listed = set(map(int, re.findall(r"^\| (\d+) \|", text, re.MULTILINE)))
    raised = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type)}
    assert listed == raised | {0}


def options_in(text):
    """(command, option) of each line of a shell that calls voiceswap."""
    for line in re.findall(r"(?:^ {4}|^|`)voiceswap ([a-z].*?)(?:`|$)", text, re.MULTILINE):
        name, *words = line.split("#")[0].split()
        yield from ((name, word) for word in ["", *words] if not word or word.startswith("-"))


@pytest.mark.parametrize(
    "path", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))], ids=lambda path: path.name
)
def test_every_command_in_the_documents_exists(path):
    import typer

    from voiceswap.shell.cli import app

    commands = typer.main.get_command(app).commands
    for name, option in options_in(path.read_text(encoding="utf-8")):
        assert name in commands, (path.name, name)
        known = {name for given in commands[name].params for name in (*given.opts, *given.secondary_opts)}
        assert not option or option in known, (path.name, name, option)


def test_readme_begins_with_a_command_and_comes_to_python_by_line_30():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert any("voiceswap demo" in line for line in lines[:12])
    assert "import voiceswap" in lines[:30]
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    (tests,) = (line.split(" && ", 2)[2] for line in lines if "tests.check" in line)
    assert tests in ci


def test_every_benchmark_is_in_the_table_with_its_pages():
    folder = ROOT / "benchmarks"
    rows = re.findall(r"^\| `(\S+\.py)` \| (.*?) \| (.*?) \|$", (folder / "README.md").read_text("utf-8"), re.MULTILINE)
    scripts = {path.relative_to(folder).as_posix() for path in folder.rglob("*.py")}
    assert {script for script, _, _ in rows} == scripts
    assert all(question.endswith("?") for _, question, _ in rows)
    assert all((ROOT / page).exists() for _, _, pages in rows for page in re.findall(r"`(.*?)`", pages))


def test_each_page_of_the_lab_book_begins_with_question_answer_and_use():
    for path in set((DOCS / "lab").glob("*.md")) - {DOCS / "lab" / "index.md", DOCS / "lab" / "rejected.md"}:
        head = path.read_text("utf-8").split("\n## ")[0]
        assert re.match(r"# .*\?\n\*\*Answer\.\*\* [^\n].*?\n\n\*\*Used\?\*\* \w", head, re.DOTALL), path.name


def test_todays_results_stay_short():
    assert len((DOCS / "results.md").read_text("utf-8").splitlines()) <= 150
