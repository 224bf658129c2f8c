"""Commands in processes of their own that can be killed, starved and signalled, without importing TensorFlow each time.

A mother process imports everything once, before TensorFlow has started a thread, and forks a child for each command.
"""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

MOTHER = """
import contextlib, json, os, resource, signal, sys
import tensorflow, keras
import voiceswap.jobs.convert, voiceswap.jobs.train, voiceswap.jobs.detect
from voiceswap.jobs import check
from voiceswap.model import base
from voiceswap.shell import cli, console

sys.path.insert(0, sys.argv[2])
import forks

base.SHIPPED = base.Path(sys.argv[1])
forks.checked, check.check_recordings = check.check_recordings, forks.unchecked

print(json.dumps({"ready": len(os.listdir("/proc/self/task"))}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    if "wait" in request:
        code = os.waitstatus_to_exitcode(os.waitpid(request["wait"], 0)[1])
        print(json.dumps({"code": code}), flush=True)
        continue
    child = os.fork()
    if child:
        print(json.dumps({"pid": child}), flush=True)
        continue
    for number, name in ((0, os.devnull), (1, request["out"]), (2, request["err"])):
        os.dup2(os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC), number)
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    for name, value in request["limits"].items():
        resource.setrlimit(getattr(resource, name), (value, value))
    sys.argv = ["voiceswap", *request["arguments"]]
    exec(request["before"])
    code = 70
    try:
        code = console.run_guarded(cli.app)
    except SystemExit as stopped:
        code = stopped.code or 0
    except BaseException:
        import traceback
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
        os._exit(code)
"""


# What a child runs first if recordings shall be checked nevertheless.
CHECKED = "check.check_recordings = forks.checked"

# A process with threads cannot be forked safely: the mother has but one.
ALONE = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")}


def unchecked(folder, files, report, stopped):
    """Instead of the check before a training, which takes as long as a tiny one: see tests/jobs/test_check.py."""
    from voiceswap.jobs import check
    from voiceswap.signal.quality import QualityMeter

    nothing = QualityMeter().found()
    return check.CheckResult(folder, len(files), (), nothing, -99.0, math.nan, None, math.nan, check.VERDICTS[0], ())


class Command:
    """A command that runs."""

    def __init__(self, mother, pid, out, err):
        self._mother, self.pid, self._out, self._err, self.code = mother, pid, out, err, None

    def send(self, number):
        os.kill(self.pid, number)

    def err(self):
        return self._err.read_text(errors="surrogateescape") if self._err.exists() else ""

    def out(self):
        return self._out.read_text(errors="surrogateescape") if self._out.exists() else ""

    def wait(self):
        """The exit code; -9 if it was killed by signal 9."""
        if self.code is None:
            self.code = self._mother.ask({"wait": self.pid})["code"]
        return self.code

    def wait_for(self, found, most_s=1500.0):
        """Wait until `found()` is true; fails if the command ends first."""
        ends = time.monotonic() + most_s
        while not found():
            assert time.monotonic() < ends, (self.out(), self.err())
            time.sleep(0.02)


class Mother:
    """Starts commands."""

    def __init__(self, base, folder):
        self._folder, self._n = folder, 0
        self._process = subprocess.Popen(
            [sys.executable, "-c", MOTHER, str(base), str(Path(__file__).parent)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | ALONE | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        assert json.loads(self._process.stdout.readline()) == {"ready": 1}

    def ask(self, request):
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def start(self, *arguments, env=None, cwd=".", limits=None, before=""):
        """Start `voiceswap ARGUMENTS`; `before` is code that runs in the child first."""
        self._n += 1
        out, err = self._folder / f"{self._n}.out", self._folder / f"{self._n}.err"
        request = {
            "arguments": [os.fspath(a) if isinstance(a, Path) else str(a) for a in arguments],
            "env": {k: os.environ[k] for k in os.environ if k.startswith("VOICESWAP_")} | (env or {}),
            "cwd": os.path.abspath(cwd),
            "limits": limits or {},
            "before": before,
            "out": str(out),
            "err": str(err),
        }
        return Command(self, self.ask(request)["pid"], out, err)

    def run(self, *arguments, **options):
        """Run a command to its end."""
        command = self.start(*arguments, **options)
        command.wait()
        return command

    def close(self):
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate()
