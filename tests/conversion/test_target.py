"""The grammar of `as_`: names, blends, roles; a voice that bears the whole text wins."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceswap.conversion.target import Target, find_voice_of, parse_target
from voiceswap.errors import UsageError

NOWHERE = Path("/no/such/folder")


def make_voice(folder):
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")
    return folder


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("anna", Target(voice="anna")),
        ("Anna B.", Target(voice="Anna B.")),
        ("./voices/anna", Target(voice="./voices/anna")),
        ("C:anna", Target(voice="C:anna")),
        ("take 2:30 x", Target(voice="take 2:30 x")),
        (Path("a,b=c"), Target(voice=Path("a,b=c"))),
        ("A:0.7,B:0.3", Target(weights=(("A", 0.7), ("B", 0.3)))),
        ("A:2, B:6", Target(weights=(("A", 0.25), ("B", 0.75)))),
        ("A:1", Target(weights=(("A", 1.0),))),
        ("a/b:1,c:1", Target(weights=(("a/b", 0.5), ("c", 0.5)))),
        ("lead=A", Target(roles=(("lead", "A"),))),
        ("lead=A,backing=B", Target(roles=(("lead", "A"), ("backing", "B")))),
        ("lead=A, backing=keep", Target(roles=(("lead", "A"), ("backing", "keep")))),
    ],
)
def test_each_form_is_understood(text, target):
    assert parse_target(text, NOWHERE) == target


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("A,B", "has 'A' in 'A,B'"),
        ("A:0.7,B", "has 'B'"),
        ("A:0,B:1", "has 'A:0'"),
        ("A:nan,B:1", "has 'A:nan'"),
        ("A:-1,B:1", "has 'A:-1'"),
        ("A:1,A:2", "names A twice"),
        (":1,B:2", "lacks a name"),
        ("A:1,lead=B", "has 'lead=B'"),
        ("choir=A", "has the role 'choir'"),
        ("lead=A,lead=B", "names lead twice"),
        ("lead=", "lacks a name"),
        (",", "has ''"),
        ("=", "has the role ''"),
    ],
)
def test_what_is_neither_is_refused_with_what_was_found(text, says):
    with pytest.raises(UsageError, match=says) as caught:
        parse_target(text, NOWHERE)
    assert "wanted" in caught.value.hint and caught.value.options == ("as_",)


@pytest.mark.parametrize("name", ["A:0.7,B:0.3", "lead=A", "a,b", "A:1", "x=y"])
def test_a_voice_or_folder_of_the_literal_name_wins(name, tmp_path, monkeypatch):
    voices = tmp_path / "voices"
    if ":" not in name:  # That no voice may be called.
        make_voice(voices / name)
        assert find_voice_of(name, voices) == name
    monkeypatch.chdir(tmp_path)
    make_voice(tmp_path / "here" / name)
    assert find_voice_of(f"here/{name}", voices) == f"here/{name}"
    assert find_voice_of(Path(name), voices) == Path(name)
    make_voice(tmp_path / name)
    assert find_voice_of(name, tmp_path / "none") == name


@pytest.mark.parametrize(("text", "what"), [("A:1,B:1", "a blend of voices"), ("lead=A", "a voice for each role")])
def test_blends_and_roles_are_not_yet_there(text, what):
    with pytest.raises(UsageError, match=f"`as_` asks for {what} .*: not yet") as caught:
        find_voice_of(text, NOWHERE)
    assert caught.value.hint == "name one voice" and caught.value.exit_code == 2


@given(st.text(max_size=30))
def test_any_text_is_a_target_or_refused(text):
    try:
        target = parse_target(text, NOWHERE)
    except UsageError as error:
        assert error.hint
    else:
        assert (target.voice is not None) + bool(target.weights) + bool(target.roles) == 1
        assert not target.weights or sum(weight for _, weight in target.weights) == pytest.approx(1)
