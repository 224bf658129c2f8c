"""Inside other people's programs: what a host, a shell or a service manager closes, replaces or copies (D.3 of hosts).

Each case is a program of its own, which reads a recording and finds its melody before and after.
"""

import hashlib
import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from conftest import save
from voiceswap.signal import synthetic

# What each of them does twice: decoding in its process, and the tracker in onnxruntime.
USES = """
import os, sys
from pathlib import Path
from voiceswap.audio.read import read_mono
from voiceswap.config import FeatureConfig
from voiceswap.signal.f0 import estimate_f0

def use(path=Path(sys.argv[1])):
    samples = read_mono(path, 22_050)
    assert len(samples) == 22_050, len(samples)
    f0_hz = estimate_f0(samples, FeatureConfig())
    assert 30 < (f0_hz > 0).sum()

def child(work):
    pid = os.fork()
    if not pid:
        try:
            work()
        except BaseException as error:
            sys.stderr.write(repr(error))
            os._exit(1)
        sys.exit(0)  # As a child ends that knows nothing of its parent's files.
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def open_files(least):
    return [int(n) for n in os.listdir("/proc/self/fd") if int(n) >= least]
"""
CASES = {
    "a fork that uses it": "use(); assert child(use) == 0; use()",
    "a fork that does not": "use(); assert child(lambda: None) == 0; use()",
    "a fork before all": "assert child(use) == 0; use()",
    "a daemon that closes its files": "use(); os.closerange(3, 4096); use()",
    "files that got the numbers of those": """
        use(); os.closerange(3, 4096)
        taken = [os.open(sys.argv[2], os.O_RDWR | os.O_CREAT) for _ in range(40)]
        use(); use()
        assert os.path.getsize(sys.argv[2]) == 0, "it wrote into a file of the host"
        import gc; gc.collect()
        for number in taken: os.fstat(number)
    """,
    "no standard streams": "use(); os.closerange(0, 3); use()",
    "no standard streams from the start": "os.closerange(0, 3); use()",
    "streams that are no files": """
        import io
        sys.stdin = sys.stdout = None; sys.stderr = io.StringIO(); use()
    """,
    "children that nobody waits for": """
        import signal
        signal.signal(signal.SIGCHLD, signal.SIG_IGN); use(); use()
    """,
    "a host that reaps all children": """
        import signal
        def reap(*_):
            try:
                while os.waitpid(-1, os.WNOHANG)[0]: pass
            except ChildProcessError: pass
        signal.signal(signal.SIGCHLD, reap); use()
        from voiceswap.audio import decoder_process
        decoder_process._get_server(os.getpid())._process.kill()
        import time; time.sleep(.3); use()
    """,
    "a folder that is gone": "os.mkdir('x'); os.chdir('x'); os.rmdir('../x'); use(); use()",
    "an empty environment": "os.environ.clear(); use()",
    "an executable that is gone": "sys.executable = '/nowhere/python'; use(); use()",
    "no executable": "sys.executable = None; use()",
    "no arguments and odd paths": "path = Path(sys.argv[1]); sys.path.append(Path('x')); del sys.argv; use(path)",
    "another thread": """
        from threading import Thread
        import queue; failed = queue.SimpleQueue()
        def run():
            try: use()
            except BaseException as error: failed.put(error)
        threads = [Thread(target=run) for _ in range(4)]
        [t.start() for t in threads]; [t.join() for t in threads]; assert failed.empty(), failed.get()
    """,
    "another language and umask": "import locale; os.umask(0o777); os.environ['LC_ALL'] = 'xx'; use()",
    "few files allowed": "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40)); use(); use()",
}


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    samples = synthetic.speech(synthetic.BORIS, 1.0, seed=3).samples
    return save(tmp_path_factory.mktemp("hosts") / "x.wav", np.resize(samples, 22_050))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="this system does not list a process's files there")
@pytest.mark.parametrize("case", CASES)
def test_it_works_in_each_host_and_never_waits_for_ever(case, recording, tmp_path):
    code = USES + textwrap.dedent(CASES[case]).strip() + "\n"
    arguments = [sys.executable, "-c", code, str(recording), str(tmp_path / "of the host")]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]


COMMAND = "import sys; sys.argv[0] = 'voiceswap'\nfrom voiceswap.shell.cli import main\nmain()"


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)], ids=str)
def test_a_command_needs_none_of_its_streams(closed, recording, home):
    """As with >&- of a shell, which leaves Python without sys.stdout."""
    shut = " ".join(f"{number}>&-" for number in closed)
    for arguments, code in ((["detect", str(recording)], 1), (["info", "gone.wav"], 4)):
        line = ["sh", "-c", f'"$@" {shut}', "sh", sys.executable, "-c", COMMAND, *arguments]
        done = subprocess.run(line, capture_output=True, text=True, timeout=120, cwd=home)
        assert done.returncode == code and "Traceback" not in done.stderr, done.stderr


def test_what_was_opened_before_a_fork_is_refused_after_it(recording):
    code = USES + textwrap.dedent(
        """
        from voiceswap.audio.decode import Refused
        from voiceswap.audio.decoder_process import open_track
        track = open_track(Path(sys.argv[1]))
        def read():
            try: track.read(10)
            except Refused as error: assert "before this process was forked" in str(error)
            else: raise AssertionError
        assert child(read) == 0
        assert len(track.read(10)) == 10
        """
    )
    subprocess.run([sys.executable, "-c", code, str(recording)], check=True, timeout=120)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_process_converts_as_its_parent_does(voice):
    """As the workers of a server do that opened its voice before it started them."""
    samples = np.asarray(synthetic.speech(synthetic.BORIS, 1.0, seed=3).samples, np.float32)
    wanted = voice.convert(samples, 22_050)
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        # Not through pytest's own end, whatever happens; and not for ever.
        signal.alarm(60)
        try:
            os.write(writing, hashlib.sha256(voice.convert(samples, 22_050).tobytes()).digest())
        finally:
            os._exit(0)
    os.close(writing)
    assert os.waitpid(pid, 0)[1] == 0
    assert os.read(reading, 99) == hashlib.sha256(wanted.tobytes()).digest()
    os.close(reading)
    np.testing.assert_array_equal(voice.convert(samples, 22_050), wanted)
