"""The page about a voice: what is on it, what a stranger's card cannot do to it, and how a real browser takes it."""

import html.parser
import json
import re
import shutil

import numpy as np
import pytest

import browser
import voiceswap
from conftest import save
from voiceswap.audio.read import AudioInfo
from voiceswap.audio.write import Writer
from voiceswap.conversion.voice import rewrite_card
from voiceswap.errors import ModelError, StoppedError, UsageError, WriteError
from voiceswap.signal import synthetic
from voiceswap.training import timelapse
from voiceswap.training.timelapse import list_frames
from voiceswap.web import page, report

HOSTILE = "\"'></title></style></dl><script>console.error(1)</script><img src=x onerror=alert(1)>&lt;\u202e\x1b[31m"


@pytest.fixture(autouse=True)
def no_mos(monkeypatch):
    monkeypatch.setattr("voiceswap.jobs.evaluate.load_dnsmos", lambda: None)


@pytest.fixture
def filmed(voice, trained, home):
    """The tiny voice speakerA with what its training kept, its sentence somebody else's."""
    shutil.copytree(trained / ".runs" / "speakerA", home / "voices" / ".runs" / "speakerA")
    said = synthetic.speech(synthetic.BORIS, 2.0, seed=3)
    path = home / "voices" / ".runs" / "speakerA" / timelapse.FOLDER / timelapse.SOURCE
    kind = AudioInfo(said.sample_rate_hz, 1, "FLAC", "PCM_16")
    with Writer(path, kind, {"title": "speakerB"}) as writer:
        writer.write(said.samples[:, None])
    return voice


class Seen(html.parser.HTMLParser):
    """The elements of a page and its text, as a browser would take it; and that all are closed."""

    EMPTY = ("meta", "link", "img")

    def __init__(self, written):
        super().__init__()
        self.elements, self.words, self._open = [], [], []
        self.feed(written)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in self.EMPTY:
            self._open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open and self._open[-1] != "style":
            self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def seen(path):
    return Seen(path.read_text(encoding="utf-8"))


def test_it_holds_all_that_was_kept(filmed, home, monkeypatch):
    monkeypatch.chdir(home)
    made = voiceswap.report("speakerA")
    assert made.path.name == "speakerA.report.html" and made.n_bytes == made.path.stat().st_size < 5_000_000
    shown = seen(made.path)
    words = " ".join(shown.words)
    frames = list_frames(home / "voices" / ".runs" / "speakerA" / "timelapse")
    assert len(shown.all("audio")) == len(shown.all("img")) == 3 + len(frames)
    for heading in ("Side by side", "Timelapse", "Training", "Figures", "Card", "Before training"):
        assert heading in words
    assert f"Step {filmed.card['best_step']}, kept" in words
    assert "mid_hz" not in words and "speech_s" not in words and "seconds of speech" in words
    assert filmed.card["data_sha256"] in words and filmed.id in words
    assert f"{made.evaluation.means['to_source']:.2f}" in words
    assert "No consent is recorded" in words
    # Both melodies and both errors.
    assert [found["class"] for found in shown.all("path") if found["class"] in ("one", "two")] == ["two", "one"] * 2
    with pytest.raises(UsageError, match=r"speakerA.report.html exists"):
        voiceswap.report("speakerA")
    assert voiceswap.report("speakerA", force=True).path == made.path
    assert not [p for p in home.rglob("*.tmp*")]


def test_a_voice_trained_alone_is_not_said_to_be_nearer_to_its_source(filmed, home):
    kept = home / "voices" / ".runs" / "speakerA" / timelapse.FOLDER
    shutil.copy(kept / timelapse.REAL, kept / timelapse.SOURCE)
    shown = seen(voiceswap.report("speakerA", out=home / "alone.html").path)
    words = " ".join(shown.words)
    assert "Nobody else's recording was at hand" in words and "A sentence of speakerA" in words
    assert "nearer to" not in words and "never heard" not in words
    assert "similarity to the target" in words and "similarity to the source" not in words
    assert "Really speakerA" not in words
    assert len(shown.all("audio")) == 2 + len(list_frames(kept))


def test_a_voice_without_its_training_and_recordings_of_ones_own(voice, home):
    made = voiceswap.report("speakerA", out=home / "bare.html")
    assert made.evaluation is None and "Nothing to hear" in " ".join(seen(made.path).words)
    assert not seen(made.path).all("audio")
    for i in range(5):
        save(home / "in" / f"<b>{i}.wav", synthetic.speech(synthetic.BORIS, 1.0, seed=i).samples)
    save(home / "real" / "a.wav", synthetic.speech(synthetic.ANNA, 8.0, seed=9).samples)
    made = voiceswap.report("speakerA", out=home / "rich.html", source=home / "in", target=home / "real")
    shown = seen(made.path)
    assert len(made.evaluation.clips) == 5 and len(shown.all("audio")) == 3 * report.MAX_EXAMPLES
    assert not shown.all("b") and "Source: <b>0.wav" in " ".join(shown.words)
    with pytest.raises(UsageError, match="no such folder or recording"):
        voiceswap.report("speakerA", out=home / "x.html", source=home / "none")
    with pytest.raises(ModelError, match="no voice"):
        voiceswap.report("speakerZ", out=home / "x.html")
    assert not (home / "x.html").exists()


def test_a_stop_is_heard_and_leaves_no_page(filmed, home):
    save(home / "in" / "a.wav", synthetic.speech(synthetic.BORIS, 1.0, seed=1).samples)
    for options in ({}, {"source": home / "in"}):
        with pytest.raises(StoppedError):
            voiceswap.report("speakerA", out=home / "x.html", stopped=lambda: True, **options)
    assert not (home / "x.html").exists()


def test_a_page_that_cannot_be_written_is_told_before_the_work(voice, home, monkeypatch):
    monkeypatch.setattr(report, "evaluate", lambda *_, **__: pytest.fail("the work began"))
    save(home / "a.wav", synthetic.speech(synthetic.BORIS, 1.0, seed=1).samples)
    before = (home / "a.wav").read_bytes()
    with pytest.raises(WriteError, match="there is no folder"):
        voiceswap.report("speakerA", out=home / "none" / "x.html", source=home / "a.wav")
    with pytest.raises(WriteError, match="it is no file"):
        voiceswap.report("speakerA", out=home, source=home / "a.wav", force=True)
    with pytest.raises(UsageError, match=r"a\.wav is the source itself"):
        voiceswap.report("speakerA", out=home / "a.wav", source=home / "a.wav", force=True)
    assert (home / "a.wav").read_bytes() == before


def stranger(voice):
    """The voice with a card that wants to be more than text."""
    card = dict(voice.card)
    card |= {key: HOSTILE for key in ("licence", "made", "steps", "best_step", "trained_s", "scores")}
    card |= {HOSTILE: [HOSTILE, {"x": HOSTILE}], "speech_s": 10**400, "n_files": {"a": [None, True]}}
    card |= {"consent": {"recorded": True, "statement": HOSTILE, HOSTILE: HOSTILE}}
    card |= {f"key{i}": "x" * 10_000 for i in range(200)}
    return rewrite_card(voice, card)


def test_a_strangers_card_is_nothing_but_text(filmed, home):
    stranger(filmed)
    made = voiceswap.report("speakerA", out=home / "page.html")
    shown = seen(made.path)
    assert not shown.all("script") and not any(name.startswith("on") for _, found in shown.elements for name in found)
    assert {tag for tag, _ in shown.elements} <= set(
        [
            "html",
            "head",
            "meta",
            "link",
            "title",
            "style",
            "body",
            "header",
            "main",
            "footer",
            "section",
            "h1",
            "h2",
            "h3",
            "p",
            "div",
            "span",
            "dl",
            "dt",
            "dd",
            "figure",
            "figcaption",
            "img",
            "audio",
            "svg",
            "path",
            "table",
            "tr",
            "th",
            "td",
        ]
    )
    for _, found in shown.elements:
        assert re.match(
            r"data:(image/png|audio/flac);base64,[A-Za-z0-9+/=]+$", found.get("src", "data:image/png;base64,A")
        )
        assert "href" not in found or found["href"] == "data:,"
    words = " ".join(shown.words)
    assert "</title></style></dl><script>" in words and "\\x1b[31m" in words
    assert "\u202e" not in words and "\x1b" not in words
    assert made.n_bytes < 5_000_000


def test_the_command(filmed, home, monkeypatch, capsys):
    from voiceswap.shell.cli import app

    monkeypatch.chdir(home)
    app(["report", "speakerA", "--json"], standalone_mode=False)
    told = json.loads(capsys.readouterr().out)
    assert told["path"] == "speakerA.report.html" and told["evaluation"]["voice"] == "speakerA"
    app(["report", "speakerA", "-o", "other.html"], standalone_mode=False)
    assert re.fullmatch(r"other.html  \d\.\d MB\n", capsys.readouterr().out)


@pytest.fixture
def chromium(tmp_path):
    if browser.found() is None:
        pytest.skip("no browser is installed: apt-get install chromium")
    window = browser.Browser(tmp_path / "browser")
    yield window
    window.close()


PLAYED = """
Promise.all([...document.querySelectorAll('audio')].map(a => new Promise((done, failed) => {
  const end = () => a.currentTime > 0.1 && done([a.duration, a.error && a.error.message]);
  a.addEventListener('timeupdate', end);
  a.addEventListener('error', () => failed(a.error.message));
  a.muted = true;
  a.play().catch(failed);
})))
"""


# What sticks out to the right, but for what an ancestor cuts off on purpose.
WIDE = """
[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 0.5
  && !e.closest('svg *')).map(e => e.tagName + '.' + e.className)
"""


def test_a_real_browser_renders_and_plays_it(filmed, home, chromium):
    """From file://, with a stranger's card: nothing on the console, every player plays, 400 px are enough."""
    voice = rewrite_card(filmed, filmed.card | {"consent": {"recorded": True, "statement": HOSTILE}, "note": "x" * 400})
    made = voiceswap.report("speakerA", out=home / "page.html")
    chromium.open(made.path)
    assert chromium.ask("location.protocol") == "file:"
    assert chromium.ask("document.querySelector('h1').textContent") == voice.name
    n_players = chromium.ask("document.querySelectorAll('audio').length")
    played = chromium.ask(PLAYED)
    assert n_players == len(played) >= 5 and all(1 < length < 4 and not error for length, error in played)
    assert chromium.ask("[...document.images].every(i => i.complete && i.naturalWidth > 50)")
    assert chromium.ask("[...document.querySelectorAll('.plot svg')].every(s => s.getBoundingClientRect().width > 300)")
    for width in (400, 1200):
        chromium.open(made.path, width)
        assert chromium.ask("document.documentElement.scrollWidth <= innerWidth"), width
        assert chromium.ask(WIDE) == []
    # By keyboard: each player is reached by Tab, and Space plays it.
    reached = set()
    for _ in range(12 * n_players):
        chromium.press("Tab")
        reached.add(chromium.ask("[...document.querySelectorAll('audio')].indexOf(document.activeElement)"))
        if len(reached - {-1}) == 1 and chromium.ask("document.querySelector('audio').paused"):
            chromium.press(" ")
            chromium.until("!document.querySelector('audio').paused || document.querySelector('audio').ended")
        if len(reached - {-1}) == n_players:
            break
    assert reached - {-1} == set(range(n_players))
    light, dark = [], []
    for shade, kept in ((False, light), (True, dark)):
        chromium.open(made.path, dark=shade)
        kept += json.loads(
            chromium.ask("JSON.stringify(getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number))")
        )
    assert min(light) > 200 and max(dark) < 60
    assert chromium.told == []
    assert all(url.startswith(("file:", "data:")) for url in chromium.asked)


def test_what_stands_beside_a_plot_takes_one_line(chromium, tmp_path):
    curve = page.Curve("melody", np.arange(3.0), np.array([60.0, 200.0, 1000.0]))
    scale = page.Scale(50, 1200, report.F0_TICKS_HZ, " Hz", logarithmic=True)
    drawn = page.plot("a melody", [curve], scale, (0, 2), ("0 s", "2 s"))
    (tmp_path / "plot.html").write_text(page.document("a plot", "", [drawn], ""), encoding="utf-8")
    for width in (400, 1200):
        chromium.open(tmp_path / "plot.html", width)
        assert chromium.ask("Math.max(...[...document.querySelectorAll('.ticks span')].map(s => s.offsetHeight))") < 30
        assert chromium.ask(WIDE) == []
        left = "Math.min(...[...document.querySelectorAll('.ticks span')].map(s => s.getBoundingClientRect().left))"
        assert chromium.ask(left) >= chromium.ask("document.querySelector('.plot').getBoundingClientRect().left")


def test_the_browser_would_say_if_something_were_wrong(chromium, tmp_path):
    bad = "<script>console.error('told')</script><img src='http://127.0.0.1:9/x.png'><div style='width:999px'>x</div>"
    (tmp_path / "bad.html").write_text(
        f"<!DOCTYPE html>{bad}<audio controls src='data:audio/flac;base64,AAAA'></audio>"
    )
    chromium.open(tmp_path / "bad.html", 400)
    assert not chromium.ask("document.documentElement.scrollWidth <= innerWidth") and chromium.ask(WIDE)
    assert chromium.told and any(url.startswith("http:") for url in chromium.asked)
