"""The one place that runs networks: arrays in, arrays out, by onnxruntime.

Networks are defined twice: in `networks` as Keras models, which training uses, and in `graphs` for onnxruntime, which
reads neither TensorFlow nor Keras. Graphs follow from settings alone and are never read from a file; weights come out
of verified safetensors under the names that Keras gives them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from threading import Lock
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import numpy as np

from voiceswap import compute
from voiceswap.arrays import Array
from voiceswap.errors import UsageError
from voiceswap.model.graphs.builder import Graph
from voiceswap.model.weights import HALF
from voiceswap.offline import silence_onnxruntime
from voiceswap.storage.folder import Expected

if TYPE_CHECKING:
    import onnxruntime

# Gives the weights of a network, once it is told their names, shapes and types.
Read = Callable[[Expected], Mapping[str, Array]]
PROVIDERS_BY_DEVICE = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
# Only errors: a warning for each node that was left on the CPU helps nobody.
LOG_SEVERITY = 3


class Network:
    """A network with its weights; its session is opened when it is first needed, and again after a fork.

    Threads may share one.

    Args:
        graph: The network.
        read: Gives its weights.
    """

    def __init__(self, graph: Graph, read: Read) -> None:
        self._graph = graph
        self._read = read
        self._session: onnxruntime.InferenceSession | None = None
        self._opened_with: tuple[str, int] | None = None
        self._lock = Lock()
        _networks.add(self)

    def prepare(self) -> None:
        """Open the session, which takes tenths of a second; nothing the second time.

        Raises:
            ModelError: The weights are damaged, or another network's.
            UsageError: The device is not there.
        """
        self._open()

    def __call__(self, *arrays: Array) -> Array:
        """Run the network.

        Args:
            *arrays: Its inputs, of the shapes that its graph says.

        Returns:
            Its output, float32.

        Raises:
            ModelError: As `prepare`.
            UsageError: As `prepare`.
        """
        inputs = zip(self._graph.inputs, arrays, strict=True)
        (output,) = self._open().run(None, {name: np.ascontiguousarray(array, np.float32) for name, array in inputs})
        return np.asarray(output)

    def close(self) -> None:
        """Give back the memory that the session takes; the next call opens another."""
        with self._lock:
            self._session = None
        compute.return_freed_memory()

    def _open(self) -> onnxruntime.InferenceSession:
        wanted = (compute.get_device(), compute.get_threads())
        with self._lock:
            if self._session is None or self._opened_with != wanted:
                self._session = open_session(self._graph, self._read, *wanted)
                self._opened_with = wanted
            return self._session

    def forget_session(self) -> None:
        """In the child of a fork, where the session has no threads: the next call opens another."""
        if self._session is not None:
            compute.never_end(self._session)
        self._session = None
        self._lock = Lock()


_networks: WeakSet[Network] = WeakSet()


def _forget_sessions() -> None:
    for network in list(_networks):
        network.forget_session()


compute.call_in_child(_forget_sessions)


def build_graph(kind: str, *settings: Any, **options: Any) -> Graph:
    """A network of `model.graphs` without its weights: `build` of the file of this name."""
    graph: Graph = import_module(f"voiceswap.model.graphs.{kind}").build(*settings, **options)
    return graph


def open_network(kind: str, *settings: Any, read: Read, **options: Any) -> Network:
    """A network with its weights, which are read when it is first needed.

    Args:
        kind: Which of `model.graphs`.
        *settings: What its `build` takes: a Config, but for networks of one size.
        read: Gives its weights.
        **options: What else its `build` takes.

    Returns:
        The network.
    """
    return Network(build_graph(kind, *settings, **options), read)


def expected_weights(kind: str, *settings: Any, **options: Any) -> Expected:
    """Names, shapes and safetensors types of a network's weights in half precision."""
    return expected_by(build_graph(kind, *settings, **options))


def expected_by(graph: Graph) -> Expected:
    """Names, shapes and safetensors types of a graph's weights in half precision."""
    return {weight.stored: (weight.shape, HALF) for weight in graph.weights.values()}


def open_session(graph: Graph, read: Read, device: str, n_threads: int) -> onnxruntime.InferenceSession:
    """A session of a network.

    Args:
        graph: The network.
        read: Gives its weights.
        device: "auto", "cpu" or "cuda".
        n_threads: How many threads work out one operator.

    Returns:
        The session.

    Raises:
        ModelError: What `read` raises.
        UsageError: The device is not there.
    """
    silence_onnxruntime()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = LOG_SEVERITY
    options.intra_op_num_threads = n_threads
    # Several sessions share the cores: a thread that waits must not keep one busy.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # An arena keeps what the largest window once took.
    options.enable_cpu_mem_arena = False
    # With these initializers, unlike with weights that are inputs, constants are folded and kernels packed.
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in _arrange_all(graph, read)]
    options.add_external_initializers(list(graph.weights), values)
    session = onnxruntime.InferenceSession(graph.model, options, providers=choose_providers(device))
    # The session holds its kernels packed; what they were packed from would stay with the options, which are kept for
    # another provider that it could be moved to.
    session._sess_options_initial = None
    del options, values
    compute.return_freed_memory()
    return session


def _arrange_all(graph: Graph, read: Read) -> Iterator[Array]:
    """The weights in the graph's order and layouts, each read one let go of as soon as it is arranged."""
    arrays = dict(read(expected_by(graph)))
    n_left = Counter(weight.stored for weight in graph.weights.values())
    for weight in graph.weights.values():
        n_left[weight.stored] -= 1
        array = arrays[weight.stored] if n_left[weight.stored] else arrays.pop(weight.stored)
        yield np.ascontiguousarray(weight.arrange(array.astype(np.float32)))


def choose_providers(device: str) -> list[str]:
    """The providers of onnxruntime that run networks on "auto", "cpu" or "cuda"; raises UsageError if there is none."""
    silence_onnxruntime()
    import onnxruntime

    available = onnxruntime.get_available_providers()
    cuda = PROVIDERS_BY_DEVICE["cuda"]
    cpu = PROVIDERS_BY_DEVICE["cpu"]
    if device == "cpu" or (device == "auto" and cuda not in available):
        return [cpu]
    if cuda not in available:
        raise UsageError("onnxruntime has no CUDA here", "pip install onnxruntime-gpu, or leave `device` out")
    return [cuda, cpu]
