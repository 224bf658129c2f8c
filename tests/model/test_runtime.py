"""Networks run in one place: arrays in, arrays out, weights by name, alone and in many threads, before and after forks."""

import os
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

from conftest import TINY, keras_network
from voiceswap import compute
from voiceswap.errors import ModelError, UsageError
from voiceswap.model import runtime
from voiceswap.model.base import PARTS, expected_part
from voiceswap.model.weights import expected_arrays, to_arrays

MEL = np.random.default_rng(0).normal(-5, 1, (1, 12, TINY.features.n_mels)).astype(np.float32)


@pytest.fixture(scope="module")
def arrays():
    return to_arrays(keras_network("vocoder"), "float32")


@pytest.fixture
def network(arrays):
    return runtime.open_network("hifigan", TINY, read=lambda expected: arrays)


@pytest.fixture(autouse=True)
def as_ever():
    yield
    compute.set_device(None)
    compute.set_threads(None)


def test_weights_are_asked_for_by_name_shape_and_type_when_they_are_needed(arrays):
    asked = []

    def read(expected):
        asked.append(expected)
        return arrays

    network = runtime.open_network("hifigan", TINY, read=read)
    assert not asked
    network.prepare()
    network.prepare()
    assert asked == [expected_arrays(keras_network("vocoder"))]
    assert network(MEL).shape == (1, 12 * TINY.features.hop_samples) and len(asked) == 1


def test_what_is_wrong_with_weights_is_told():
    def refuse(expected):
        raise ModelError("the weights are damaged")

    with pytest.raises(ModelError, match="damaged"):
        runtime.open_network("hifigan", TINY, read=refuse).prepare()


def test_inputs_of_other_types_and_layouts_are_brought_to_the_networks(network):
    wanted = network(MEL)
    np.testing.assert_array_equal(network(MEL.astype(np.float64)), wanted)
    np.testing.assert_array_equal(network(np.asfortranarray(MEL)), wanted)
    with pytest.raises(ValueError):
        network(MEL, MEL)


@pytest.mark.parametrize("part", PARTS)
def test_a_parts_weights_are_those_of_its_keras_model(part):
    assert expected_part(part, TINY) == expected_arrays(keras_network(part))


def test_eight_threads_share_a_network_and_none_is_left(network):
    wanted = network(MEL)
    answers = []
    before = threading.active_count()
    threads = [threading.Thread(target=lambda: answers.extend(network(MEL) for _ in range(5))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 40 and all(np.array_equal(answer, wanted) for answer in answers)
    assert threading.active_count() == before


def test_of_threads_that_come_at_once_one_opens(arrays):
    read = []
    network = runtime.open_network("hifigan", TINY, read=lambda expected: read.append(1) or arrays)
    threads = [threading.Thread(target=network.prepare) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read == [1]


def test_a_closed_network_opens_again(arrays):
    read = []
    network = runtime.open_network("hifigan", TINY, read=lambda expected: read.append(1) or arrays)
    wanted = network(MEL)
    network.close()
    network.close()
    np.testing.assert_array_equal(network(MEL), wanted)
    assert len(read) == 2


def test_another_number_of_threads_opens_anew_and_says_the_same(arrays):
    read = []
    network = runtime.open_network("hifigan", TINY, read=lambda expected: read.append(1) or arrays)
    wanted = network(MEL)
    compute.set_threads(1)
    np.testing.assert_allclose(network(MEL), wanted, atol=1e-6)
    assert len(read) == 2


def test_a_device_that_is_not_there_is_told(network, monkeypatch):
    assert runtime.choose_providers("cpu") == ["CPUExecutionProvider"]
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    assert runtime.choose_providers("auto") == ["CPUExecutionProvider"]
    compute.set_device("cuda")
    with pytest.raises(UsageError, match="CUDA"):
        network(MEL)
    both = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["TensorrtExecutionProvider", *both])
    assert runtime.choose_providers("auto") == runtime.choose_providers("cuda") == both
    assert runtime.choose_providers("cpu") == ["CPUExecutionProvider"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_runs_what_its_parent_has_run(tmp_path):
    """With the parent's threads at work, too; the child ends as Python ends, which ends what it holds."""
    script = textwrap.dedent("""
        import os, sys, threading
        import numpy as np
        from conftest import TINY
        from voiceswap.model import runtime
        from voiceswap.signal.f0 import estimate_f0

        random = np.random.default_rng(0)
        graph = runtime.build_graph("hifigan", TINY)
        arrays = {w.stored: random.normal(0, 0.1, w.shape) for w in graph.weights.values()}
        network = runtime.open_network("hifigan", TINY, read=lambda expected: arrays)
        mel = random.normal(-5, 1, (1, 200, 80)).astype(np.float32)
        tone = np.sin(2 * np.pi * 150 * np.arange(22050) / 22050).astype(np.float32)
        wanted, f0 = network(mel), estimate_f0(tone, TINY.features)
        assert f0.any()
        at_work = threading.Thread(target=lambda: [network(mel) for _ in range(50)])
        at_work.start()
        child = os.fork()
        if child == 0:
            assert np.array_equal(network(mel), wanted)
            assert np.array_equal(estimate_f0(tone, TINY.features), f0)
            sys.exit(7)
        at_work.join()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert np.array_equal(network(mel), wanted)
    """)
    path = os.pathsep.join(p for p in sys.path if p)
    done = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | {"PYTHONPATH": path}, timeout=120, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()
