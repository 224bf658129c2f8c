"""Whose recordings a base is made from: nobody twice, nobody left out by mistake."""

import errno
import os
import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from voiceswap.errors import UsageError
from voiceswap.training.base.speakers import find_speakers, pick_speakers


@pytest.fixture
def people(tmp_path):
    """A folder of two people with recordings that nobody reads."""
    for name in ("anna", "bert"):
        (tmp_path / "people" / name).mkdir(parents=True)
        for take in range(2):
            (tmp_path / "people" / name / f"take{take}.wav").write_bytes(b"")
    return tmp_path / "people"


def test_each_folder_is_a_speaker_and_hidden_ones_are_none(people):
    (people / ".cache").mkdir()
    (people / "notes.txt").write_text("none")
    assert find_speakers([people]) == {
        name: [people / name / f"take{take}.wav" for take in range(2)] for name in ("anna", "bert")
    }


def test_two_people_of_one_name_are_not_taken_for_one(people, tmp_path):
    for name in ("anna", "carl"):
        shutil.copytree(people / "anna", tmp_path / "corpus" / name)
    both = [people, tmp_path / "corpus"]
    with pytest.raises(UsageError, match=f"one name: {people / 'anna'} and {tmp_path / 'corpus' / 'anna'}$"):
        find_speakers(both)
    assert sorted(find_speakers(both, ["anna"])) == ["bert", "carl"]


def test_nobody_is_left_out_who_is_not_there(people):
    with pytest.raises(UsageError, match=r"nobody to leave out: bart, cora$") as caught:
        find_speakers([people], ["bart", "anna", "cora"])
    assert str(people) in caught.value.hint
    with pytest.raises(UsageError, match="nobody found in"):
        find_speakers([people], ["anna", "bert"])


def test_people_who_may_not_be_looked_into_are_told(people, monkeypatch):
    def refused(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "listdir", refused)
    with pytest.raises(UsageError, match=f"cannot look into {people}: permission denied"):
        find_speakers([people])


@pytest.mark.parametrize(("n_speakers", "n"), [(1, 20), (19, 20), (40, 20), (59, 20), (1000, 144)])
def test_some_are_picked_evenly_and_never_too_few(n_speakers, n):
    speakers = {str(i): [Path(str(i))] for i in range(n_speakers)}
    picked = [int(recordings[0].name) for recordings in pick_speakers(speakers, n)]
    assert min(n, n_speakers) <= len(picked) < 2 * n
    assert picked[0] == 0 and len({b - a for a, b in pairwise(picked)}) <= 1
