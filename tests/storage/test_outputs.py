"""Where results go: told before the work, and never what must stay."""

import os
import time
from pathlib import Path

import pytest

from voiceswap.errors import UsageError, WriteError
from voiceswap.storage import outputs
from voiceswap.storage.outputs import Input, check_targets, names_folder, plan_outputs


def place(source, tag, out, *, force=False, many=False, skip_existing=False, suffix=".wav"):
    inputs = [Input(source, suffix)]
    (found,) = plan_outputs(inputs, tag, out, many=many, force=force, skip_existing=skip_existing)
    assert found.source == source and found.exists == os.path.exists(found.output)
    return found.output


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "my song.mp3"
    path.write_text("input")
    return path


def test_output_lies_beside_the_source(song: Path) -> None:
    assert place(song, "Zoë", None) == song.with_name("my song.Zoë.wav")
    assert place(song, "anna", None, suffix=".flac").name == "my song.anna.flac"


def test_output_may_be_a_file_or_a_folder(song: Path) -> None:
    folder, file = song.parent / "out", song.parent / "x.ogg"
    folder.mkdir()
    assert place(song, "anna", file) == file
    assert place(song, "anna", folder) == folder / "my song.anna.wav"
    assert place(song, "anna", folder, many=True) == folder / "my song.anna.wav"
    assert place(song, "anna", Path("x.wav")) == Path("x.wav")


def test_output_that_exists_needs_force(song: Path) -> None:
    file = song.parent / "x.wav"
    file.write_text("precious")
    with pytest.raises(UsageError, match=r"x\.wav exists") as caught:
        place(song, "anna", file)
    assert caught.value.hint == "give `force` to replace it, or another output with `out`"
    assert caught.value.options == ("force", "out")
    assert place(song, "anna", file, force=True) == file
    assert file.read_text() == "precious"


@pytest.mark.parametrize("kind", ["same", "dotted", "symlink", "hard link"])
@pytest.mark.parametrize("force", [False, True])
def test_output_is_never_the_input(song: Path, kind: str, force: bool) -> None:
    out = song if kind == "same" else song.parent / "other.mp3"
    if kind == "dotted":
        out = song.parent / ".." / song.parent.name / song.name
    elif kind == "symlink":
        out.symlink_to(song)
    elif kind == "hard link":
        out.hardlink_to(song)
    with pytest.raises(UsageError, match="is the input itself"):
        place(song, "anna", out, force=force)
    assert song.read_text() == "input"


@pytest.mark.parametrize("force", [False, True])
def test_output_place_must_exist_and_hold_plain_files(song: Path, force: bool) -> None:
    (song.parent / "taken.wav" / "taken.wav").mkdir(parents=True)
    (song.parent / "out" / "my song.anna.wav").mkdir(parents=True)
    cases = [
        (song.parent / "missing" / "x.wav", False, "there is no folder"),
        (song / "x.wav", False, "there is no folder"),
        (song.parent / "out", False, "is no file"),
        (Path(os.devnull), False, "is no file"),
    ]
    for out, many, reason in cases:
        with pytest.raises(WriteError, match=reason) as caught:
            place(song, "anna", out, force=force, many=many)
        assert caught.value.exit_code == 6


def test_output_of_a_source_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_text("x")
    gone = tmp_path / "gone.mp3"
    assert place(gone, "anna", tmp_path / "x.wav", force=True) == tmp_path / "x.wav"


def test_a_read_only_folder_is_told_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(outputs.os, "access", lambda folder, mode: False)
    with pytest.raises(WriteError, match=r"song.anna.wav: the folder .* cannot be written to"):
        place(tmp_path / "song.wav", "anna", None, force=True)


def test_recordings_of_a_folder_keep_their_structure(tmp_path):
    inputs = [Input(tmp_path / "in" / name, ".flac", tmp_path / "in") for name in ("a.flac", "deep/b.flac")]
    places = plan_outputs(inputs, "anna", tmp_path / "out", many=True, force=False, skip_existing=False)
    assert [str(p.output.relative_to(tmp_path / "out")) for p in places] == ["a.anna.flac", "deep/b.anna.flac"]
    assert (tmp_path / "out" / "deep").is_dir()


def test_two_inputs_of_one_result_are_refused(tmp_path):
    inputs = [Input(tmp_path / "song.mp3", ".wav"), Input(tmp_path / "song.m4a", ".wav")]
    with pytest.raises(UsageError, match=r"two inputs would become .*song\.anna\.wav"):
        plan_outputs(inputs, "anna", None, many=True, force=True, skip_existing=False)


def test_two_of_one_result_among_others_are_named_and_the_others_have_their_places(tmp_path):
    inputs = [Input(tmp_path / name) for name in ("a.wav", "song.mp3", "song.m4a")]
    places = plan_outputs(inputs, "anna", None, many=True, force=False, skip_existing=False)
    said = f"two inputs would become {tmp_path / 'song.anna.wav'}: {tmp_path / 'song.mp3'} and {tmp_path / 'song.m4a'}"
    assert [place.problem for place in places] == ["", said, said]


def test_what_has_no_name_of_its_own_lies_where_it_is_called(tmp_path):
    given = Input(tmp_path / "kept" / "stdin", called=Path("stdin"))
    (found,) = plan_outputs([given], "anna", None, many=False, force=False, skip_existing=False)
    assert (found.source, found.output) == (tmp_path / "kept" / "stdin", Path("stdin.anna.wav"))


def test_a_folder_is_named_by_its_slash():
    assert names_folder("new/") and not any(map(names_folder, ("new", Path("new/"), None)))


@pytest.mark.parametrize("skip_existing", [False, True])
def test_a_result_that_is_another_input_is_refused_unless_it_is_left_alone(tmp_path, skip_existing):
    for name in ("song.wav", "song.anna.wav"):
        (tmp_path / name).write_text("x")
    inputs = [Input(tmp_path / name) for name in ("song.wav", "song.anna.wav")]
    if skip_existing:
        places = plan_outputs(inputs, "anna", None, many=True, force=False, skip_existing=True)
        assert [p.exists for p in places] == [True, False]
        return
    with pytest.raises(UsageError, match="is an input itself, and what"):
        plan_outputs(inputs, "anna", None, many=True, force=True, skip_existing=False)


def test_thousands_of_recordings_get_their_places_at_once(tmp_path):
    inputs = [Input(tmp_path / f"{i}.wav") for i in range(5000)]
    began = time.process_time()
    places = plan_outputs(inputs, "anna", None, many=True, force=False, skip_existing=False)
    assert time.process_time() - began < 1.5
    assert [p.output.name for p in places[:2]] == ["0.anna.wav", "1.anna.wav"]


def test_each_thing_to_be_written_is_checked_with_its_option(tmp_path):
    read, result = tmp_path / "curve.csv", tmp_path / "out.wav"
    read.write_text("x")
    check_targets([(result, "out"), (tmp_path / "new.csv", "f0_out")], [(read, "the file of `f0`")], force=False)
    for path, option, says, hint in [
        (read, "f0_out", "is the file of `f0` itself", "choose another place with `f0_out`"),
        (result, "f0_out", "is the output itself", "choose another place with `f0_out`"),
        (tmp_path / "none" / "f0.csv", "f0_out", "there is no folder", "make the folder first"),
    ]:
        with pytest.raises((UsageError, WriteError), match=says) as caught:
            check_targets([(result, "out"), (path, option)], [(read, "the file of `f0`")], force=True)
        assert caught.value.hint == hint
    with pytest.raises(WriteError, match="name too long"):
        check_targets([(tmp_path / ("x" * 252 + ".wav"), "out")], [], force=False)
    # Folders of stems and intermediates are made.
    check_targets([(result, "out"), (tmp_path / "a" / "b" / "vocals.wav", "stems")], [], force=False)
    result.write_text("x")
    with pytest.raises(UsageError, match="exists") as caught:
        check_targets([(tmp_path / "x.wav", "out"), (result, "keep_stages")], [], force=False)
    assert caught.value.hint == "give `force` to replace it, or another place with `keep_stages`"
