"""Tasks spread over processes: one that crashes or is killed costs one task.

A worker reads a line of JSON for what all tasks share, then one for each task, and answers each with a line.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any

from voiceswap import compute

Json = dict[str, Any]
# A worker finds its modules where this process does.
START = "import sys; sys.path[:] = sys.argv[2:]; from voiceswap.jobs.executors.local import main; main(sys.argv[1])"
POLL_S = 0.2
END_S = 10.0


def run_tasks(
    action: str, shared: Json, tasks: Sequence[Json], n_workers: int, stopped: Callable[[], bool]
) -> Iterator[tuple[int, Json]]:
    """Do tasks in several processes.

    Args:
        action: What does a task in a process of its own, as "module:function": called with `shared`, the task, and what
            says whether it is to stop; gives plain JSON values.
        shared: What all tasks share; plain JSON values.
        tasks: Plain JSON values.
        n_workers: How many processes; the cores are shared out among them.
        stopped: Asked now and then; True ends all workers.

    Yields:
        The task's number and its answer, as they come; {"died": exit code} if its worker did.
    """
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for i in range(len(tasks)):
        waiting.put(i)
    answers: queue.SimpleQueue[tuple[int, Json]] = queue.SimpleQueue()
    n_workers = min(n_workers, len(tasks))
    n_threads_each = max(1, compute.get_threads() // max(1, n_workers))
    workers = [_Worker(action, shared, n_threads_each) for _ in range(n_workers)]
    for worker in workers:
        threading.Thread(target=worker.run, args=(tasks, waiting, answers), daemon=True).start()
    n_left = len(tasks)
    try:
        while n_left and not stopped():
            with suppress(queue.Empty):
                yield answers.get(timeout=POLL_S)
                n_left -= 1
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait()


class _Worker:
    def __init__(self, action: str, shared: Json, n_threads: int) -> None:
        self._action = action
        self._shared = shared
        names = (compute.THREADS_VARIABLE, "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        self._env = os.environ | dict.fromkeys(names, str(n_threads)) | {compute.DEVICE_VARIABLE: compute.get_device()}
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = False

    def run(
        self,
        tasks: Sequence[Json],
        waiting: queue.SimpleQueue[int],
        answers: queue.SimpleQueue[tuple[int, Json]],
    ) -> None:
        while not self._ended:
            try:
                i = waiting.get_nowait()
            except queue.Empty:
                return
            answers.put((i, self._asked(tasks[i])))

    def _asked(self, task: Json) -> Json:
        try:
            if self._process is None:
                self._process = self._start()
                if self._ended:  # It was stopped meanwhile.
                    self._process.terminate()
                self._send(self._shared)
            self._send(task)
            assert self._process.stdout is not None
            answer: Json = json.loads(self._process.stdout.readline())
        except (OSError, ValueError):
            if self._process is None:
                return {"died": "not started"}
            self._process.kill()
            code, self._process = self._process.wait(), None
            return {"died": code}
        return answer

    def _start(self) -> subprocess.Popen[bytes]:
        # A session of its own: Ctrl-C reaches this process, which then ends its workers.
        return subprocess.Popen(  # noqa: S603 - our own interpreter and code
            [sys.executable, "-c", START, self._action, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self._env,
            start_new_session=True,
        )

    def _send(self, value: Json) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(value).encode() + b"\n")
        self._process.stdin.flush()

    def terminate(self) -> None:
        # Gently, so that what is half written is removed.
        self._ended = True
        if self._process is not None:
            self._process.terminate()

    def wait(self) -> None:
        process = self._process
        if process is not None:
            try:
                process.wait(timeout=END_S)
            except subprocess.TimeoutExpired:
                process.kill()


def main(action: str) -> None:
    """Be a worker that does tasks by "module:function"."""
    module, _, function = action.partition(":")
    serve_tasks(getattr(import_module(module), function))


def serve_tasks(action: Callable[[Json, Json, Callable[[], bool]], Json]) -> None:
    """Answer tasks from stdin on stdout until it is closed: a worker.

    Args:
        action: Does a task, given what all share and whether it is to stop.
    """
    stops: list[int] = []
    busy = [False]

    def caught(number: int, _frame: Any) -> None:
        if stops:
            os._exit(143)
        stops.append(number)
        if not busy[0]:
            # As Python ends: what TensorFlow keeps in the temporary folder goes, too.
            sys.exit(143)

    signal.signal(signal.SIGTERM, caught)
    answers, sys.stdout = sys.stdout.buffer, sys.stderr
    shared: Json | None = None
    for line in iter(sys.stdin.buffer.readline, b""):
        if shared is None:
            shared = json.loads(line)
            continue
        busy[0] = True
        answers.write(json.dumps(action(shared, json.loads(line), lambda: bool(stops))).encode() + b"\n")
        answers.flush()
        busy[0] = False
        if stops:
            return
