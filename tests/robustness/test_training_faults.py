"""Trainings that are killed, stopped, starved of disk, broken or begun twice (R1, R4, R7, R8, R27, R29, R31)."""

import errno
import itertools
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import time

import numpy as np
import pytest
import soundfile

import voiceswap
from conftest import TINY, save, stopped_at
from voiceswap.errors import ModelError, VoiceswapError, WriteError
from voiceswap.events import Note
from voiceswap.model import base
from voiceswap.signal import synthetic
from voiceswap.storage import atomic, folder
from voiceswap.training.learner import DecoderLearner

SLOW = """
import time
from voiceswap.training import learner
step = learner.DecoderLearner.step
def slow(*arguments):
    time.sleep({})
    return step(*arguments)
learner.DecoderLearner.step = slow
"""


def steps(voices, name="speakerA"):
    run = voices / ".runs" / name
    return sorted(int(p.name[5:]) for p in run.glob("step-*")) if run.is_dir() else []


def weights(voices):
    return (voices / "speakerA" / "weights.safetensors").read_bytes()


def checkpoint(voices, step):
    path = folder.step_path(voices / ".runs" / "speakerA", step)
    return folder.open_folder(path, kind="checkpoint", max_bytes=1 << 30)


# 10 kills by default, 4 times 50 in tier N, 20 times in tier S.
SERIES = [1, *(pytest.param(i, marks=pytest.mark.slow if i <= 4 else pytest.mark.soak) for i in range(2, 21))]


@pytest.mark.timeout(0)
@pytest.mark.parametrize("series", SERIES)
def test_r1_however_often_it_is_killed_the_weights_are_the_same(series, mother, recordings, trained, home, tier):
    voices, draw, most = home / "voices", random.Random(series), tier(10, 50)
    done = voices / "speakerA" / "manifest.json"
    n_kills = n_whole = 0
    while n_kills < most:
        before = max(steps(voices), default=0)
        command = mother.start("train", recordings, before=SLOW.format(0.03))
        goal = before + draw.randrange(1, 6)
        command.wait_for(lambda goal=goal: max(steps(voices), default=0) >= goal or done.exists())
        time.sleep(draw.uniform(0, 0.06))
        command.send(signal.SIGKILL)
        n_kills += command.wait() == -signal.SIGKILL
        resumed = re.search(r"continuing from step (\d+)", command.err())
        assert int(resumed[1] if resumed else 0) >= before
        if done.exists():
            assert weights(voices) == weights(trained)
            shutil.rmtree(voices)
            n_whole += 1
    assert mother.run("train", recordings).wait() == 0
    assert weights(voices) == weights(trained)
    assert not [p for p in voices.rglob("*") if ".tmp" in p.name]
    assert n_whole >= n_kills // 12
    print(f"series {series}: {n_kills} kills, {n_whole + 1} trainings came to their end")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_r7_a_signal_saves_and_ends_within_five_seconds(number, code, mother, recordings, home, trained):
    voices = home / "voices"
    command = mother.start("train", recordings, before=SLOW.format(0.3))
    command.wait_for(lambda: steps(voices)[-1:] >= [2])
    before = steps(voices)[-1]
    began = time.monotonic()
    command.send(number)
    assert command.wait() == code
    assert time.monotonic() - began < 5
    assert steps(voices)[-1] > before
    assert "stopped; the same command goes on" in command.out()
    assert mother.run("train", recordings).wait() == 0
    assert weights(voices) == weights(trained)


def test_r7_a_second_signal_ends_at_once(mother, recordings, home):
    command = mother.start("train", recordings, before=SLOW.format("3600 if arguments[2] == 2 else 0"))
    command.wait_for(lambda: steps(home / "voices")[-1:] == [2])
    time.sleep(0.3)
    command.send(signal.SIGINT)
    command.wait_for(lambda: "again to end at once" in command.err())
    began = time.monotonic()
    command.send(signal.SIGINT)
    assert command.wait() == 130
    assert time.monotonic() - began < 1
    assert steps(home / "voices")[-1] == 2


def test_r7_a_signal_while_recordings_are_read(mother, recordings, tmp_path, monkeypatch):
    monkeypatch.setenv("VOICESWAP_CACHE", str(tmp_path / "cold"))
    slow = "import time\nfrom voiceswap.training import dataset as d\na = d._Extraction.add\n"
    slow += "d._Extraction.add = lambda *x: (print('adding', flush=True), time.sleep(0.5), 0)[2]\n"
    command = mother.start("train", recordings, before=slow)
    command.wait_for(lambda: "adding" in command.out())
    command.send(signal.SIGTERM)
    assert command.wait() == 143
    assert "stopped while the recordings of speakerA were read" in command.err()


def test_r7_a_signal_while_a_base_is_begun(mother, recordings, home):
    slow = "import time\nfrom voiceswap.signal import features as f\nmel = f.encoder_mel\n"
    slow += "f.encoder_mel = lambda *x: (print('hearing', flush=True), time.sleep(0.5), mel(*x))[2]\n"
    shutil.copytree(recordings, home / "people" / "anna")
    shutil.copytree(recordings, home / "people" / "bert")
    command = mother.start("pretrain", home / "people", "-o", home / "work", "--part", "encoder", before=slow)
    command.wait_for(lambda: "hearing" in command.out())
    command.send(signal.SIGINT)
    assert command.wait() == 130
    assert "stopped while the recordings of the people were read" in command.err()
    assert not (home / "work" / "encoder").exists()


def test_r8_a_second_trainer_is_refused_by_name(mother, recordings, home):
    first = mother.start("train", recordings, before=SLOW.format(0.5))
    first.wait_for(lambda: steps(home / "voices"))
    second = mother.run("train", recordings)
    assert second.wait() == 5
    assert f"is being trained by process {first.pid} on {socket.gethostname()}" in second.err()
    first.send(signal.SIGKILL)
    first.wait()


def test_r8_convert_always_sees_a_whole_voice(voice, home, tier):
    from safetensors.numpy import load

    from voiceswap.conversion.voice import write_voice

    kept, card = load((voice.path / "weights.safetensors").read_bytes()), voice.card
    saver = os.fork()
    if not saver:
        try:
            for n in itertools.count():
                write_voice(voice.path, voice.config, card | {"steps": n}, kept)
        finally:
            os._exit(1)
    samples = np.random.default_rng(0).normal(0, 0.1, 2000).astype(np.float32)
    try:
        seen, n_conversions = set(), 0
        for n in range(100):
            loaded = voiceswap.load("speakerA")
            seen.add(loaded.card["steps"])
            if n % tier(25, 1) == 0:
                assert np.isfinite(loaded.convert(samples, 16_000)).all()
                n_conversions += 1
    finally:
        os.kill(saver, signal.SIGKILL)
        os.waitpid(saver, 0)
    print(f"{n_conversions} conversions during {max(seen)} saves, {len(seen)} of them seen")
    # A saver that had ended would be seen at the same step again and again.
    assert len(seen) >= tier(2, 90)
    atomic.sweep(voice.path.parent)
    assert np.isfinite(voiceswap.load("speakerA").convert(samples, 16_000)).all()


@pytest.mark.timeout(0)
def test_r27_the_same_seed_gives_the_same_bytes_anywhere(mother, recordings, home, trained, use_tiny, tier):
    spoken = save(home / "b.wav", synthetic.speech(synthetic.BORIS, 1.0, seed=3).samples)
    results = set()
    for _ in range(tier(2, 10)):
        assert mother.run("train", recordings, "--fresh").wait() == 0
        assert mother.run("convert", spoken, "--as", "speakerA", "--force").wait() == 0
        # The samples: the file's tags say when it was made.
        samples, _ = soundfile.read(home / "b.speakerA.wav", dtype="int16")
        results.add((weights(home / "voices"), samples.tobytes()))
    assert len(results) == 1
    assert results.pop()[0] == weights(trained)
    voiceswap.train(recordings, fresh=True, seed=1)
    assert weights(home / "voices") != weights(trained)


# R29


def test_r29_a_loss_that_is_not_finite_stops_within_a_step(recordings, use_tiny, home, monkeypatch):
    real, n_calls = DecoderLearner.step, []

    def step(self, batch, number, n_steps):
        n_calls.append(number)
        return float("nan") if number == 5 else real(self, batch, number, n_steps)

    monkeypatch.setattr(DecoderLearner, "step", step)
    with pytest.raises(VoiceswapError, match=r"broke down at step 5, on .*: its loss or gradient is nan$") as caught:
        voiceswap.train(recordings)
    assert caught.value.exit_code == 1
    named = re.findall(r"\S+\.wav", caught.value.message)
    assert named == sorted(set(named)) and set(named) <= set(map(str, recordings.iterdir()))
    assert n_calls[-1] == 5
    assert steps(home / "voices")[-1] == 5
    assert not (home / "voices" / "speakerA").exists()


@pytest.mark.parametrize("group", ["decoder", "optimiser"])
def test_r29_weights_that_are_not_finite_are_never_saved(group, recordings, use_tiny, home, monkeypatch):
    real = DecoderLearner.step

    def step(self, batch, number, n_steps):
        loss = real(self, batch, number, n_steps)
        if number == 5:
            name = next(
                n for n, v in self._variables().items() if n.startswith(group) and v.shape and "float" in v.dtype
            )
            variable = self._variables()[name]
            variable.assign(np.full(variable.shape, np.nan, np.float32))
        return loss

    monkeypatch.setattr(DecoderLearner, "step", step)
    with pytest.raises(VoiceswapError, match=r"broke down at step 5, on .*\.wav: some weights are not finite"):
        voiceswap.train(recordings)
    monkeypatch.undo()
    assert steps(home / "voices")[-1] == 5
    with np.errstate(all="raise"):
        from safetensors.numpy import load

        state = load(checkpoint(home / "voices", 5).files["state.safetensors"])
    assert all(np.isfinite(a).all() for a in state.values())


# R31


def test_r31_what_differs_on_resume_is_named_field_by_field(recordings, use_tiny, home, tmp_path, monkeypatch):
    voiceswap.train(recordings, **stopped_at("training", 4))
    with pytest.raises(ModelError, match=r"differs in seed \(then 0, now 7\)$") as caught:
        voiceswap.train(recordings, seed=7)
    assert "`fresh`" in caught.value.hint
    opened = base.load_base()
    arrays = {part: opened.arrays(part) for part in base.PARTS}
    changed = TINY.model_copy(update={"train": TINY.train.model_copy(update={"batch": 3, "warmup_steps": 5})})
    base.write_base(tmp_path / "other", changed, {}, arrays, {})
    with pytest.raises(ModelError) as caught:
        voiceswap.train(recordings, base=tmp_path / "other")
    message = caught.value.message
    assert "settings.train.batch (then 4, now 3); settings.train.warmup_steps (then 2, now 5)" in message
    extra = save(recordings / "more.wav", synthetic.speech(synthetic.ANNA, 3.0, seed=9).samples)
    with pytest.raises(ModelError, match=r"differs in data \(then \w+, now \w+\)"):
        voiceswap.train(recordings)
    extra.unlink()
    monkeypatch.setattr("voiceswap.training.loop.__version__", "9.9")
    told = []
    assert voiceswap.train(recordings, on_event=told.append)[0].status == "trained"
    assert any(isinstance(e, Note) and e.warning and "was begun with voiceswap 0." in e.text for e in told)


# R4


def tree(place):
    return {
        p: p.read_bytes() for p in sorted(place.rglob("*")) if p.is_file() and not p.name.endswith((".lock", ".jsonl"))
    }


def said(command, place, log_bytes=5000):
    err = command.err()
    assert command.wait() == 6, err
    if log_bytes < 5000:
        # The log is cut like all that is written: the exit code alone tells.
        return err
    assert re.search(r"^error: cannot write ", err, re.MULTILINE) and "MB free)" in err and "hint: " in err, err
    assert not re.search("Traceback|Segmentation", err)
    assert not [p for p in place.rglob("*") if ".tmp" in p.name]
    return err


def test_r4_a_full_disk_in_training_keeps_what_was_there(mother, recordings, home, trained, tmp_path, tier):
    voices = home / "voices"
    err = said(mother.run("train", recordings, limits={"RLIMIT_FSIZE": 5000}), home)
    assert "timelapse" in err and "(at most 0.1 MB needed, " in err
    # Without the sentence that is kept as it gets better, whose file is the first to fail.
    err = said(mother.run("train", recordings, "--no-timelapse", limits={"RLIMIT_FSIZE": 5000}), home)
    assert "step-00000001" in err and " MB needed, " in err
    assert steps(voices) == []
    cold = {"VOICESWAP_CACHE": str(tmp_path / "cold")}
    err = said(mother.run("train", recordings, limits={"RLIMIT_FSIZE": 5000}, env=cold), home)
    assert "cold" in err and " MB needed, " in err
    assert mother.run("train", recordings).wait() == 0
    before = tree(voices)
    for limit in tier([5000], [0, 100, 1000, 2000, 5000, 20_000, 50_000, 100_000]):
        said(mother.run("train", recordings, "--more", limits={"RLIMIT_FSIZE": limit}), home, limit)
        assert tree(voices) == before
    with pytest.raises(WriteError, match="no space left"):
        atomic.append_line(atomic.Path("/dev/full"), "x")


def test_r4_a_full_disk_in_conversion_leaves_no_part_of_it(mother, voice, home, tier):
    source = save(home / "in" / "b.wav", synthetic.speech(synthetic.BORIS, 2.0, seed=3).samples)
    output = home / "in" / "b.speakerA.wav"
    output.write_bytes(b"former")
    before = tree(home / "in")
    arguments = ("convert", source, "--as", "speakerA", "--force", "--dry")
    for limit in tier([50_000], [0, 40, 1000, 9000, 30_000, 50_000, 80_000]):
        err = said(mother.run(*arguments, limits={"RLIMIT_FSIZE": limit}), home, limit)
        assert limit < 5000 or (str(output) in err and "0.1 MB needed, " in err)
        assert tree(home / "in") == before
    stages = ("--keep-stages", home / "in" / "stages")
    said(mother.run(*arguments, *stages, limits={"RLIMIT_FSIZE": 100_000}), home)
    said(mother.run(*arguments, "--f0-out", home / "in" / "f0.csv", limits={"RLIMIT_FSIZE": 500}), home)
    assert tree(home / "in") == before


def full_from(monkeypatch, n_syncs):
    """The disk is full from the sync on that follows `n_syncs` others."""
    sync, left = atomic._sync, [n_syncs]

    def failing(path):
        if not left[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left[0] -= 1
        sync(path)

    monkeypatch.setattr(atomic, "_sync", failing)


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_r4_wherever_the_disk_is_full_in_training_it_goes_on_later(recordings, use_tiny, home, trained, monkeypatch):
    monkeypatch.setenv("VOICESWAP_CACHE", str(home / "cold"))
    n_failed, status = 0, ""
    while status != "trained":
        with monkeypatch.context() as patch:
            # Again at each place, but from the state that the run before has left.
            full_from(patch, n_failed)
            try:
                (result,) = voiceswap.train(recordings)
                status = result.status
            except WriteError as error:
                assert "no space left on device (" in error.message and error.exit_code == 6
                n_failed += 1
        assert not [p for p in home.rglob("*") if ".tmp" in p.name]
    print(f"{n_failed} trainings failed at a write of their own")
    assert n_failed > 10
    assert weights(home / "voices") == weights(trained)


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_r4_wherever_the_disk_is_full_in_conversion_nothing_is_torn(voice, home, monkeypatch):
    source = save(home / "in" / "b.wav", synthetic.speech(synthetic.BORIS, 1.0, seed=3).samples)
    output, n_failed, done = home / "out" / "x.wav", 0, False
    options = {"as_": "speakerA", "out": output, "mode": "dry", "force": True, "sidecar": True}
    while not done:
        shutil.rmtree(home / "out", ignore_errors=True)
        (home / "out").mkdir()
        output.write_bytes(b"former")
        with monkeypatch.context() as patch:
            full_from(patch, n_failed)
            try:
                voiceswap.convert(
                    source, **options, f0_out=home / "out" / "f0.csv", keep_stages=home / "out" / "stages"
                )
                done = True
            except WriteError as error:
                assert "no space left on device" in error.message and error.exit_code == 6
                n_failed += 1
        assert not [p for p in home.rglob("*") if ".tmp" in p.name]
        assert output.read_bytes() == b"former" or soundfile.info(output).frames == soundfile.info(source).frames
    print(f"{n_failed} conversions failed at a write of their own")
    assert n_failed > 5


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.parametrize("size_mb", [1, 2, 4, 8])
def test_r4_a_full_file_system(size_mb, mother, recordings, home, trained, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    if os.geteuid() or subprocess.call(["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "none", small]):
        pytest.skip("a file system of a few megabytes can only be mounted by root")
    try:
        for left in (40_000, size_mb * 1_000_000 - 300_000):
            (small / "filler").write_bytes(bytes(shutil.disk_usage(small).free - left))
            assert re.search(
                r"MB needed, \d+ MB free\)", said(mother.run("train", recordings, "--voices", small), small)
            )
            (small / "filler").unlink()
        print(f"{size_mb} MB: {len(steps(small))} checkpoints before the disk was full")
        # What was kept goes on where there is room, to the very same weights.
        shutil.copytree(small / ".runs", home / "voices" / ".runs")
        shutil.rmtree(small / ".runs")
        assert mother.run("train", recordings).wait() == 0
        assert weights(home / "voices") == weights(trained)
        shutil.copytree(trained / "speakerA", small / "speakerA")
        source = save(home / "b.wav", synthetic.speech(synthetic.BORIS, 3.0, seed=3).samples)
        (small / "filler").write_bytes(bytes(shutil.disk_usage(small).free - 10_000))
        for ending in ("wav", "flac", "mp3"):
            outputs = ("-o", small / f"x.{ending}", "--voices", small, "--dry")
            err = said(mother.run("convert", source, "--as", "speakerA", *outputs), small)
            assert re.search(r"\((at most )?0\.1 MB needed, 0 MB free\)", err)
            assert not (small / f"x.{ending}").exists()
    finally:
        subprocess.check_call(["umount", small])
