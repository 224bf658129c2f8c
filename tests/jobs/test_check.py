"""What `check` says of synthesised folders, sound and spoilt, and what `train` says of them first."""

import json
import math
import re

import numpy as np
import pytest

import forks
from conftest import save
from voiceswap.errors import StoppedError, UsageError
from voiceswap.events import Note
from voiceswap.jobs import check, train
from voiceswap.jobs.check import check_lines
from voiceswap.signal import synthetic

RATE = 22050


@pytest.fixture(scope="module")
def takes():
    """Anna's and Bert's recordings, ten of 5 s each."""
    return {
        who.name: [synthetic.speech(who, 5.0, seed=i).samples for i in range(10)]
        for who in (synthetic.ANNA, synthetic.BORIS)
    }


def folder_of(path, recordings, rate=RATE):
    for i, samples in enumerate(recordings):
        save(path / f"{i:02d}.wav", samples, rate)
    return path


def named(found):
    return {concern.what: concern.verdict for concern in found.concerns}


def test_a_sound_folder_lacks_nothing_but_minutes(tmp_path, takes):
    (found,) = check.check(folder_of(tmp_path / "anna", takes["anna"]))
    assert named(found) == {"little": check.CARE}
    assert found.verdict == "go with care"
    assert found.n_files == 10 and not found.skipped
    assert 30 < found.condition.speech_s < found.condition.total_s == pytest.approx(50, abs=1)
    assert found.f0_range.low_hz > 100
    assert math.isnan(found.second_voice)
    facts = list(check_lines(found))
    assert len(facts) == 3 and facts[2].startswith("go with care: ")


def test_an_offset_is_nothing_that_speaks_against_a_folder(tmp_path, takes):
    plain, offset = check.check(
        folder_of(tmp_path / "plain", takes["anna"]),
        folder_of(tmp_path / "offset", [x + 0.03 * (-1) ** i for i, x in enumerate(takes["anna"])]),
    )
    assert named(offset) == named(plain)
    assert offset.accompaniment_db == pytest.approx(plain.accompaniment_db, abs=0.5)
    assert offset.units == pytest.approx(plain.units, abs=0.02)
    assert list(check_lines(offset))[:2] == list(check_lines(plain))[:2]


def test_what_was_done_to_a_folder_is_named(tmp_path, takes):
    anna = takes["anna"]
    random = np.random.default_rng(0)
    loudest = max(np.abs(x).max() for x in anna)
    noisy = [x + random.normal(size=len(x)) * np.sqrt(np.mean(x**2)) * 0.4 for x in anna]
    clipped = [np.clip(x, -0.2 * loudest, 0.2 * loudest) if i % 2 else x for i, x in enumerate(anna)]
    mixed = [own if i % 2 else other for i, (own, other) in enumerate(zip(anna, takes["boris"], strict=True))]
    folders = [
        folder_of(tmp_path / "noise", noisy),
        folder_of(tmp_path / "clipping", clipped),
        folder_of(tmp_path / "speakers", mixed),
        folder_of(tmp_path / "telephone", [x[::3] for x in anna], 7350),
        folder_of(tmp_path / "level", [x * 0.01 for x in anna]),
    ]
    for found in check.check(*folders):
        assert found.folder.name in named(found), (found.folder.name, found)


def test_some_recordings_by_telephone_are_named(tmp_path, takes):
    folder = folder_of(tmp_path / "some", takes["anna"])
    for i, samples in enumerate(takes["anna"][:4]):
        save(folder / f"telephone{i}.wav", samples[::3], 7350)
    (found,) = check.check(folder)
    assert named(found)["bandwidth"] == check.CARE
    assert "4 of 14 recordings have nothing above 7 kHz" in {concern.found for concern in found.concerns}


def test_one_long_recording_is_heard_everywhere(tmp_path, takes):
    both = np.concatenate([*takes["anna"], *takes["boris"]] * 2)
    (found,) = check.check(save(tmp_path / "long.wav", both, RATE))
    assert found.condition.total_s == pytest.approx(len(both) / RATE, abs=0.1)
    assert "speakers" in named(found)


def test_excerpts_are_drawn_from_all_parts_whatever_their_order():
    excerpts = check._Excerpts()
    for i in range(1000):
        excerpts.add(np.zeros(10, np.float32), 8000 + i)
    picked = [rate - 8000 for _, rate in excerpts.pieces]
    assert len(picked) == check.MAX_EXCERPTS and picked == sorted(picked)
    assert all(8 <= sum(i % 2 == odd for i in picked) <= 32 for odd in (0, 1))
    assert all(3 <= sum(quarter <= i // 250 < quarter + 1 for i in picked) <= 20 for quarter in range(4))


def test_an_accompaniment_is_named(tmp_path, takes):
    t = np.arange(5 * RATE) / RATE
    chords = [sum(np.sin(2 * np.pi * f * k * t) / k for f in (130.8, 164.8, 196.0) for k in range(1, 12))] * 10
    played = [
        x[: len(c)] + c[: len(x)] * 0.3 * np.std(x) / np.std(c) for x, c in zip(takes["anna"], chords, strict=True)
    ]
    (found,) = check.check(folder_of(tmp_path / "music", played))
    assert named(found)["music"] == check.CARE


def test_files_that_cannot_be_used_are_told_with_the_reason(tmp_path, takes):
    folder = folder_of(tmp_path / "mixed", [*takes["anna"][:8], np.zeros(RATE)])
    (folder / "broken.wav").write_bytes(b"RIFF not really")
    (found,) = check.check(folder)
    assert {path.name for path, _ in found.skipped} == {"08.wav", "broken.wav"}
    assert dict((path.name, reason) for path, reason in found.skipped)["08.wav"] == "no speech found"
    assert named(found)["skipped"] == check.CARE


def test_what_is_sound_for_a_while_only_does_not_count(tmp_path, takes, monkeypatch):
    monkeypatch.setattr(check, "PART_S", 2.0)
    folder = folder_of(tmp_path / "some", takes["anna"][:7])
    (sound,) = check.check(folder)
    cut = save(folder / "03a.wav", takes["boris"][0])
    cut.write_bytes(cut.read_bytes()[:-10_000])
    (found,) = check.check(folder)
    ((path, reason),) = found.skipped
    assert path == cut and "damaged after" in reason
    assert (found.condition, found.f0_range) == (sound.condition, sound.f0_range)


def test_a_folder_of_nothing_but_damage_is_a_no_go(tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.wav").write_bytes(b"nothing")
    (found,) = check.check(tmp_path / "bad")
    assert found.verdict == check.NO_GO
    assert {"little", "skipped"} == set(named(found))
    assert list(check_lines(found))[:2] == [
        "0.0 minutes of speech in 1 recording, 1 left out",
        "no speech is heard in it",
    ]
    assert len(list(check_lines(found))) == 3


def test_what_cannot_be_checked_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    for folders, message in (
        ((), "nothing to check"),
        ((tmp_path / "none",), "no such"),
        ((tmp_path / "empty",), "no rec"),
    ):
        with pytest.raises(UsageError, match=message):
            check.check(*folders)


def test_a_check_can_be_stopped(tmp_path, takes):
    with pytest.raises(StoppedError):
        check.check(folder_of(tmp_path / "anna", takes["anna"]), stopped=lambda: True)


def test_the_command_prints_and_exits(tmp_path, takes, mother):
    good, bad = folder_of(tmp_path / "anna", takes["anna"]), folder_of(tmp_path / "short", takes["anna"][:1])
    command = mother.run("check", good, before=forks.CHECKED)
    assert command.wait() == 0, command.err()
    said = command.out()
    assert "minutes of speech in 10 recordings" in said and "go with care" in said
    assert re.search(
        r"\n  noise at -\d+ dBFS, peaks cut off in 0% of it, sounds fade .*, what is no voice \d+ dB", said
    )
    assert said.endswith(f"\nnext: voiceswap train {good}\n")
    command = mother.run("check", bad, "--json", before=forks.CHECKED)
    assert command.wait() == 1
    (document,) = json.loads(command.out())
    assert document["verdict"] == "no-go" and document["concerns"][0]["what"] == "little"
    assert document["condition"]["bandwidth_hz"] > 7000


def test_train_says_it_first(tmp_path, takes, home, tiny_base):
    notes = []
    train.train(
        folder_of(tmp_path / "speakerA", takes["anna"]),
        base=tiny_base,
        timelapse=False,
        on_event=lambda event: notes.append(event) if isinstance(event, Note) else None,
    )
    about = [note for note in notes if note.text.startswith("speakerA: ")][:3]
    assert "minutes of speech" in about[0].text and "dBFS" in about[1].text
    assert about[2].text.startswith("speakerA: go with care: ") and about[2].warning
