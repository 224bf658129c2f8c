"""Tests of names and places: hostile names, twins, finding voices, where results go."""

from __future__ import annotations

import errno
import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voiceswap.errors import ModelError, UsageError
from voiceswap.storage import atomic, paths
from voiceswap.storage.paths import find_voice, lock_path, run_path

REFUSED = {
    "path": ["../../x", "a/b", "a\\b", "/", "/etc/passwd", "\\\\host\\share", "C:x", "sp:k", "..\\x"],
    "empty": ["", " ", "\t", "\u3000", ".", ".."],
    "control": ["a\0b", "\0", "a\nb", "a\rb", "a\x7fb", "\x1b[31mred", "a\u009b31m", "a\x07"],
    "deceiving": [
        "\u202egnp.exe",
        "a\u200bb",
        "a\u200fb",
        "\ufeffa",
        "a\u2066b",
        "a\u2028b",
        "a\u2029b",
        "a\u00adb",
    ],
    "undefined": ["a\ud800b", "a\ue000b", "a\uffffb", "caf\udce9"],
    "long": ["a" * 101, "x" * 300, "日" * 67, "🎤" * 51],
    "edges": ["-rf", "--as", ".hidden", ".runs", "anna.", "anna ", " anna", "anna\u00a0", "..."],
    "device": [
        "CON",
        "con",
        "aux",
        "NUL",
        "nul.txt",
        "COM1",
        "com1.wav",
        "lpt9",
        "Prn.a.b",
        "COM¹",
        "con .x",
        "CONIN$",
    ],
    "shell": ["a*", "a?", 'a"b', "<a>", "a|b"],
}
ALLOWED = [
    "anna", "Zoë", "日本", "Anna Maria", "山田\u3000太郎", "O'Neill", "İpek", "Дмитрий", "🎤", "x" * 100, "日" * 66,
    "$HOME", "%s", "{x}", "[b]", "~", "~root", "a;b", "a&b", "`id`", "a#b", "a=b", "(anna)", "a,b", "a--b", "1", "_",
    "anna.v2", "console", "com10", "auxiliary", "manifest.json",
]  # fmt: skip


def make_voice(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text('{"kind": "voice", "voiceswap_version": "0.1.0"}')
    return folder


# Names


@pytest.mark.parametrize("name", [n for group in REFUSED.values() for n in group], ids=ascii)
def test_r24_hostile_names_are_refused_in_one_clean_line(name: str, tmp_path: Path) -> None:
    for make in (
        paths.check_voice_name,
        lambda n: paths.voice_path(tmp_path, n),
        lambda n: paths.run_path(tmp_path, n),
    ):
        with pytest.raises(UsageError, match="a voice cannot be called") as caught:
            make(name)
        assert caught.value.message.isprintable()
        assert len(caught.value.message) < 300
        assert caught.value.hint
        assert caught.value.exit_code == 2
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ALLOWED)
def test_r24_good_names_are_stored_as_they_are_inside_the_voices_folder(name: str, tmp_path: Path) -> None:
    voices = tmp_path / "voices"
    assert paths.check_voice_name(name) == name
    assert paths.voice_path(voices, name) == voices / name
    assert paths.run_path(voices, name) == voices / ".runs" / name
    make_voice(voices / name)
    assert paths.list_voices(voices) == [name]
    assert paths.find_voice(name, voices) == voices / name
    assert os.listdir(tmp_path) == ["voices"]


def test_r24_there_are_enough_hostile_names() -> None:
    assert sum(map(len, REFUSED.values())) >= 40


def test_decomposed_names_are_composed() -> None:
    assert paths.check_voice_name(unicodedata.normalize("NFD", "Zoë")) == "Zoë"


@settings(max_examples=300)
@given(st.text(max_size=110))
def test_r24_any_name_is_refused_or_is_one_component_of_a_path(name: str) -> None:
    voices = Path("/voices")
    try:
        path = paths.voice_path(voices, name)
    except UsageError:
        return
    assert path.parent == voices
    assert all(c.isprintable() or unicodedata.category(c) == "Zs" for c in path.name)
    assert len(os.fsencode(path.name)) <= 200
    assert paths.check_voice_name(path.name) == path.name


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Anna", "anna"),
        ("ZOË", "zoë"),
        ("Strasse", "Straße"),
        ("Zoe\u0308", "Zoë"),
        ("ﬁona", "fiona"),
        ("ΣΑΣ", "σας"),
    ],
)
@pytest.mark.parametrize("place", ["", ".runs"], ids=["voice", "run"])
def test_r24_twins_are_refused_and_the_other_is_named(first: str, second: str, place: str, tmp_path: Path) -> None:
    (tmp_path / place / first).mkdir(parents=True)
    with pytest.raises(UsageError, match=f"the voice {second} cannot be distinguished from") as caught:
        paths.voice_path(tmp_path, second)
    assert ascii(first) in caught.value.message


def test_other_names_and_the_same_are_no_twins(tmp_path: Path) -> None:
    make_voice(tmp_path / "Anna")
    (tmp_path / "boris").write_text("a file")
    for name in ("Anna", "Anne", "Boris"):
        assert paths.voice_path(tmp_path, name) == tmp_path / name


def test_name_of_a_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "anna.v2"
    folder.mkdir()
    recording = folder / "take.one.wav"
    recording.write_text("x")
    (tmp_path / "link").symlink_to(folder)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert paths.voice_name_of(folder) == "anna.v2"
    assert paths.voice_name_of(recording) == "take.one"
    assert paths.voice_name_of(tmp_path / "link") == "anna.v2"
    assert paths.voice_name_of(tmp_path / "loop") == "loop"
    assert paths.voice_name_of(folder / ".." / "anna.v2") == "anna.v2"
    monkeypatch.chdir(folder)
    assert paths.voice_name_of(Path()) == "anna.v2"
    for hostile in (Path("/"), Path("a\0b"), Path("a" * 300)):
        with pytest.raises(UsageError, match="a voice cannot be called"):
            paths.voice_name_of(hostile)


# Places


def test_folders_follow_argument_environment_and_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICESWAP_VOICES", "/env/voices")
    monkeypatch.setenv("VOICESWAP_CACHE", "/env/cache")
    assert paths.voices_folder(Path("/given")) == Path("/given")
    assert paths.voices_folder() == Path("/env/voices")
    assert paths.cache_folder() == Path("/env/cache")
    monkeypatch.delenv("VOICESWAP_VOICES")
    monkeypatch.delenv("VOICESWAP_CACHE")
    assert paths.voices_folder().parts[-2:] == ("voiceswap", "voices")
    assert "voiceswap" in paths.cache_folder().parts


def test_list_holds_voices_only_and_brings_back_one_whose_writer_died(tmp_path: Path) -> None:
    assert paths.list_voices(tmp_path / "missing") == []
    for name in ("b", "a", ".c", ".runs", "bad\x1b[31m", ".d.old"):
        make_voice(tmp_path / name)
    (tmp_path / "no voice").mkdir()
    (tmp_path / "file").write_text("x")
    assert paths.list_voices(tmp_path) == ["a", "b", "d"]


def test_find_by_name_and_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    voices = tmp_path / "voices"
    known, local = make_voice(voices / "anna"), make_voice(tmp_path / "here" / "anna")
    other = make_voice(tmp_path / "here" / "boris")
    monkeypatch.chdir(tmp_path / "here")
    assert paths.find_voice("anna", voices) == known
    assert paths.find_voice("./anna", voices).samefile(local)
    assert paths.find_voice(Path("anna"), voices).samefile(local)
    assert paths.find_voice(str(local), voices) == local
    assert paths.find_voice("boris", voices).samefile(other)


def test_find_takes_either_form_of_an_accent(tmp_path: Path) -> None:
    stored = make_voice(tmp_path / "Zoe\u0308")
    assert paths.find_voice("Zoë", tmp_path) == stored
    assert paths.find_voice("Zoe\u0308", tmp_path) == stored


def test_find_sees_a_voice_that_is_just_being_replaced(tmp_path: Path) -> None:
    make_voice(tmp_path / ".anna.old")
    assert paths.find_voice("anna", tmp_path) == tmp_path / "anna"


@pytest.mark.parametrize(
    "name", ["nobody", "", ".", "./nobody", "../..", "a\0b", "x" * 5000, "\x1b[31m", "-rf", "ANNA"]
)
def test_missing_voice_lists_those_there_are(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    voices = tmp_path / "a" / "voices"
    with pytest.raises(ModelError, match="no voice") as caught:
        paths.find_voice(name, voices)
    assert caught.value.hint == "train one: voiceswap train FOLDER"
    assert caught.value.exit_code == 4
    assert caught.value.message.isprintable()
    for voice in ("anna", *"ihgfedcb"):
        make_voice(voices / voice)
    with pytest.raises(ModelError, match="no voice") as caught:
        paths.find_voice(name, voices)
    assert caught.value.hint == "voices here: anna, b, c, d, e, f, g, h"


@pytest.mark.parametrize("refused", ["listdir", "stat"])
def test_a_folder_that_may_not_be_looked_into_is_told_in_one_line(refused, tmp_path, monkeypatch):
    voice = make_voice(tmp_path / "voices" / "anna")
    called = getattr(os, refused)

    def visit(path, *arguments, **options):
        # Listing needs the right to read a folder, anything else of what is in it that to enter it.
        if str(path).startswith(str(tmp_path / "voices") + ("" if refused == "listdir" else "/")):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return called(path, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, refused, visit)
        for call in (
            lambda: paths.list_voices(tmp_path / "voices"),
            lambda: paths.find_voice("anna", tmp_path / "voices"),
            lambda: paths.voice_path(tmp_path / "voices", "bert"),
        ):
            with pytest.raises(UsageError, match=f"cannot look into {tmp_path / 'voices'}: permission denied"):
                call()
    # A voice given by its path needs no voices folder.
    with monkeypatch.context() as patch:
        patch.setattr(paths, "list_folder", lambda folder: pytest.fail("looked into"))
        assert paths.find_voice(voice, tmp_path / "voices") == voice


@pytest.mark.parametrize("name", ["a,b", "lead=anna", "a:1,b:2"])
def test_signs_that_name_several_voices_are_for_old_voices_only(name, tmp_path):
    with pytest.raises(UsageError, match=r"a new voice cannot be called .* is for naming several voices at once"):
        paths.check_new_name(name)
    if ":" not in name:
        make_voice(tmp_path / name)
        assert paths.check_voice_name(name) == name and paths.list_voices(tmp_path) == [name]
        assert paths.find_voice(name, tmp_path) == tmp_path / name


def test_other_names_may_be_new():
    paths.check_new_name("Anna B. (alt)")


def test_a_slash_at_the_end_of_a_name_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for voice in ("voices/anna", "here/boris"):
        (tmp_path / voice).mkdir(parents=True)
        (tmp_path / voice / "manifest.json").write_text("{}")
    monkeypatch.chdir(tmp_path / "here")
    # A folder of recordings that has the name of the voice.
    (tmp_path / "here" / "anna").mkdir()
    voices = tmp_path / "voices"
    assert find_voice("anna/", voices) == find_voice("anna", voices) == voices / "anna"
    assert find_voice("boris/", voices) == Path("boris")
    for name in ("gone/", "here/anna/", "/"):
        with pytest.raises(ModelError, match=f"no voice '{name}'"):
            find_voice(name, voices)


def test_a_voice_in_its_first_training_is_no_unknown_one(tmp_path: Path) -> None:
    run = run_path(tmp_path, "anna")
    run.mkdir(parents=True)
    with pytest.raises(ModelError, match="the voice anna is not ready: its first training was stopped") as caught:
        find_voice("anna", tmp_path)
    assert "goes on" in caught.value.hint
    with atomic.locked(lock_path(run), "anna"):
        with pytest.raises(ModelError, match="the voice anna is being trained: it is not ready yet") as caught:
            find_voice("anna/", tmp_path)
        with pytest.raises(ModelError, match="no voice 'boris'"):
            find_voice("boris", tmp_path)
    assert caught.value.exit_code == 4
