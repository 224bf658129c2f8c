"""Decoding in a process of its own: a file that crashes or hangs a decoder takes nothing else down with it.

One such process serves all files of the process that uses it. A request is a line of JSON; so is the answer, followed
by samples as float32 where it promises any.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from collections import deque
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import numpy as np

from voiceswap.audio.decode import Array, Refused, Track

# No block takes a decoder nearly so long, be the machine ever so busy.
ANSWER_S = 30.0
START_S = 60.0
MAX_LINE_BYTES = 1 << 20
# A comment may hold a record, with six to twelve characters for each letter of a name.
MAX_TAG_CHARACTERS = 500
MAX_COMMENT_CHARACTERS = 5000
MAX_TAGS = 50
# FFmpeg's libraries alone map half a gigabyte.
MAX_MEMORY_BYTES = 4 << 30
CODE = "import sys; sys.path[:] = sys.argv[1:]; from voiceswap.audio.decoder_process import serve; serve()"


class Remote:
    """A `decode.Track` in the decoding process, with the same attributes and methods."""

    def __init__(self, path: Path, track: int = 1) -> None:
        self._server = _get_server(os.getpid())
        answer, _ = self._server.ask({"open": os.path.abspath(path), "track": track})
        self._id, self._generation = answer["id"], answer["generation"]
        self.sample_rate_hz, self.n_channels = int(answer["sample_rate_hz"]), int(answer["n_channels"])
        self.format, self.subtype = str(answer["format"]), str(answer["subtype"])
        self.tags = {str(key): str(value) for key, value in answer["tags"].items()}
        self.tracks = tuple(map(str, answer["tracks"]))
        self.damage = ""
        self.lost_s: float | None = None

    def read(self, n_samples: int) -> Array:
        """As `decode.Track.read`; raises Refused if the decoder crashed or hangs."""
        request = {"read": self._id, "n_samples": n_samples}
        answer, data = self._server.ask(request, n_samples * self.n_channels * 4, self._generation)
        self.damage, self.lost_s = str(answer["damage"]), answer["lost_s"]
        return np.frombuffer(data, np.float32).reshape(-1, self.n_channels).copy()

    def close(self) -> None:
        """Close the file, with the next request: the garbage collector may call this in the midst of one."""
        self._server.closing.append((self._generation, self._id))


def open_track(path: Path, track: int = 1) -> Track | Remote:
    """Open a recording in the decoding process, or here where Python cannot start one; raises Refused."""
    if sys.executable:
        try:
            return Remote(path, track)
        except CannotStartError:
            pass
    return Track(path, track)


class CannotStartError(Exception):
    """The system starts no process by the name that Python has of itself."""


@lru_cache(maxsize=1)
def _get_server(_pid: int) -> Server:
    # One for each process: a forked one must not talk on its parent's pipes.
    return Server()


class Server:
    """The decoding process, started when it is first needed and again after a crash.

    Attributes:
        generation: How often it was started.
        closing: Files to be closed: generation and number.
    """

    def __init__(self) -> None:
        self.generation = 0
        self.closing: deque[tuple[int, int]] = deque()
        self._process: subprocess.Popen[bytes] | None = None
        self._pid = os.getpid()
        self._pipes: tuple[tuple[int, int], ...] = ()
        self._abandoned: list[subprocess.Popen[bytes]] = []
        self._lock = threading.Lock()
        atexit.register(self._end)

    def ask(
        self, request: dict[str, Any], most_bytes: int = 0, generation: int | None = None
    ) -> tuple[dict[str, Any], bytes]:
        """Send a request; the answer and the samples that follow it.

        Args:
            request: Plain JSON values.
            most_bytes: How much may follow.
            generation: The one that knows the file; the present one if not given.

        Returns:
            The answer and the bytes.

        Raises:
            Refused: The file cannot be opened, or the decoder crashed or took too long.
        """
        if os.getpid() != self._pid:
            # Its answers would go to whichever process reads first.
            raise Refused("it was opened before this process was forked")
        with self._lock:
            running = self._is_running()
            if generation is not None and not (running and generation == self.generation):
                raise Refused("another file crashed its decoder")
            if not running:
                self._start()
            close = [self.closing.popleft() for _ in range(len(self.closing))]
            request = request | {"close": [number for started, number in close if started == self.generation]}
            answer, data = self._exchange(json.dumps(request).encode(), most_bytes, ANSWER_S)
            answer["generation"] = self.generation
        if "refused" in answer:
            raise Refused(str(answer["refused"]))
        return answer, data

    def _is_running(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            return False
        if self._identify_pipes() == self._pipes:
            return True
        # Whoever turned this process into a service closed all files of it, and may have opened others by these
        # numbers, which the old pipes must not close in turn.
        self._process.kill()
        self._process.wait()
        self._abandoned.append(self._process)
        return False

    def _identify_pipes(self) -> tuple[tuple[int, int], ...]:
        assert self._process is not None
        try:
            kinds = [os.fstat(pipe.fileno()) for pipe in (self._process.stdin, self._process.stdout) if pipe]
        except (OSError, ValueError):
            return ()
        return tuple((kind.st_dev, kind.st_ino) for kind in kinds)

    def _start(self) -> None:
        self.generation += 1
        # A session of its own, so that Ctrl-C leaves the last blocks to be read; libmpg123 writes to stderr by itself.
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and code
                [sys.executable, "-c", CODE, *(path for path in sys.path if isinstance(path, str))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                start_new_session=True,
            )
        except OSError as error:
            raise CannotStartError from error
        self._pipes = self._identify_pipes()
        self._exchange(b"", 0, START_S)

    def _exchange(self, line: bytes, most_bytes: int, most_s: float) -> tuple[dict[str, Any], bytes]:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        timer = threading.Timer(most_s, process.kill)
        timer.start()
        try:
            process.stdin.write(line + b"\n")
            process.stdin.flush()
            answer = json.loads(_read_line(process.stdout))
            n_bytes = int(answer["n_bytes"])
            if not 0 <= n_bytes <= most_bytes:
                raise ValueError(f"{n_bytes} bytes")
            data = process.stdout.read(n_bytes)
            if len(data) != n_bytes:
                raise EOFError
        except (OSError, ValueError, EOFError) as error:
            late = not timer.is_alive()
            process.kill()
            code = process.wait()
            why = f"takes longer than {most_s:.0f} s" if late else f"crashed ({code})"
            raise Refused(f"its decoder {why}") from error
        except BaseException:
            # Interrupted: what it still says would be taken for the answer to the next request.
            process.kill()
            process.wait()
            raise
        finally:
            timer.cancel()
        return answer, data

    def _end(self) -> None:
        # A forked process has it from its parent, who still needs it.
        if self._process is not None and os.getpid() == self._pid:
            with suppress(OSError, subprocess.TimeoutExpired):
                self._process.kill()
                self._process.communicate(timeout=5)


def _read_line(stream: IO[bytes]) -> bytes:
    line = stream.readline(MAX_LINE_BYTES)
    if not line.endswith(b"\n"):
        raise EOFError
    return line


def serve() -> None:
    """Answer requests from stdin on stdout until it is closed: the decoding process."""
    with suppress(ImportError, ValueError, OSError):
        import resource  # there is none on Windows

        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers, sys.stdout = sys.stdout.buffer, sys.stderr
    tracks: dict[int, Track] = {}
    n_opened = 0
    for line in sys.stdin.buffer:
        request = json.loads(line) if line.strip() else {"close": []}
        for number in request["close"]:
            tracks.pop(number).close()
        answer: dict[str, Any] = {}
        data = b""
        if "open" in request:
            try:
                track = Track(Path(request["open"]), request["track"])
                n_opened += 1
                tracks[n_opened] = track
                answer["id"] = n_opened
                attributes = ("sample_rate_hz", "n_channels", "format", "subtype")
                answer |= {name: getattr(track, name) for name in attributes}
                answer["tracks"] = track.tracks[:MAX_TAGS]
                answer["tags"] = {
                    key[:100]: value[: MAX_COMMENT_CHARACTERS if key == "comment" else MAX_TAG_CHARACTERS]
                    for key, value in list(track.tags.items())[:MAX_TAGS]
                }
            except Refused as error:
                answer = {"refused": str(error)}
        elif "read" in request:
            track = tracks[request["read"]]
            data = np.ascontiguousarray(track.read(request["n_samples"]), np.float32).tobytes()
            answer = {"damage": track.damage, "lost_s": track.lost_s}
        answers.write(json.dumps(answer | {"n_bytes": len(data)}).encode() + b"\n" + data)
        answers.flush()
