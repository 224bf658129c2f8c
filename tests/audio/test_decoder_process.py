"""The decoding process: crashes, hangs and interruptions of a decoder stay its own."""

import os
import signal
import threading
import time

import numpy as np
import pytest

from conftest import save
from voiceswap.audio import decoder_process
from voiceswap.audio.read import probe, read_blocks
from voiceswap.errors import AudioError


@pytest.fixture
def server():
    return decoder_process._get_server(os.getpid())


@pytest.fixture
def recording(tmp_path):
    return save(tmp_path / "x.wav", np.linspace(-0.5, 0.5, 200_000), 16_000)


def test_r18_a_crash_while_reading_is_that_files_failure_alone(recording, server):
    blocks = read_blocks(recording)
    next(blocks)
    server._process.send_signal(signal.SIGSEGV)
    server._process.wait()
    with pytest.raises(AudioError, match=r"x\.wav is damaged after 4\.1 s: .* crashed"):
        next(blocks)
    assert sum(len(b) for b in read_blocks(recording)) == 200_000


def test_r18_a_crash_in_the_midst_of_an_answer_is_one_error(recording, server, monkeypatch):
    probe(recording)
    monkeypatch.setattr(decoder_process, "ANSWER_S", 0.2)
    server._process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(AudioError, match="its decoder takes longer than"):
        probe(recording)
    assert time.monotonic() - began < 10
    monkeypatch.undo()
    assert probe(recording).sample_rate_hz == 16_000


def test_an_interrupted_request_does_not_answer_the_next(recording, server, monkeypatch):
    probe(recording)
    monkeypatch.setattr(decoder_process, "_read_line", lambda stream: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        probe(recording)
    monkeypatch.undo()
    assert probe(recording).n_channels == 1


def test_many_threads_read_many_files(tmp_path):
    paths = [save(tmp_path / f"{i}.wav", np.full(100_000, i / 20), 16_000) for i in range(8)]
    found = {}

    def read(i):
        found[i] = np.concatenate(list(read_blocks(paths[i], 1000)))

    threads = [threading.Thread(target=read, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(8):
        np.testing.assert_allclose(found[i][:, 0], i / 20, atol=1e-4)


def test_files_are_closed_there(recording, server):
    for _ in range(20):
        next(read_blocks(recording))
    probe(recording)
    open_files = f"/proc/{server._process.pid}/fd"
    if os.path.isdir(open_files):
        names = [os.readlink(f"{open_files}/{fd}") for fd in os.listdir(open_files)]
        assert names.count(str(recording)) <= 1


def test_without_an_interpreter_it_is_read_here(recording, monkeypatch):
    monkeypatch.setattr(decoder_process.sys, "executable", "")
    assert sum(len(b) for b in read_blocks(recording)) == 200_000
