"""Networks run in one place: arrays in, arrays out, what Keras says, for any length, built once."""

import numpy as np
import pytest

from conftest import TINY
from voiceswap.errors import ModelError
from voiceswap.model import runtime
from voiceswap.model.base import NETWORKS
from voiceswap.model.weights import expected_arrays, to_arrays

N_SCALARS = 3


@pytest.fixture(scope="module")
def decoder():
    return runtime.build("decoder", TINY)


def inputs(n_frames, batch=1):
    random = np.random.default_rng(n_frames)
    content = random.normal(size=(batch, n_frames, TINY.encoder.content_dim))
    conditions = random.normal(size=(batch, n_frames, N_SCALARS + TINY.features.n_mels))
    return content.astype(np.float32), conditions.astype(np.float32), np.zeros(batch, np.int32)


def test_a_graph_gives_what_keras_gives_for_any_length_and_is_built_once(decoder):
    graph = runtime.Graph(decoder)
    graph.prepare()
    for n_frames, batch in ((5, 1), (40, 1), (40, 3)):
        arrays = inputs(n_frames, batch)
        made = graph(*arrays)
        assert type(made) is np.ndarray and made.dtype == np.float32
        np.testing.assert_array_equal(made, decoder.predict_on_batch(list(arrays)))
    assert graph._run.experimental_get_tracing_count() == 1


def test_shapes_may_be_held_to_one(decoder):
    shapes = [(1, 8, each.shape[-1]) for each in decoder.inputs[:2]]
    graph = runtime.Graph(decoder, [*shapes, (1,)])
    assert graph(*inputs(8)).shape == (1, 8, TINY.features.n_mels)
    with pytest.raises((TypeError, ValueError)):
        graph(*inputs(9))


def test_inputs_of_other_types_are_brought_to_the_networks(decoder):
    graph = runtime.Graph(decoder)
    content, conditions, speaker = inputs(6)
    wanted = graph(content, conditions, speaker)
    given = graph(content.astype(np.float64), conditions.astype(np.float64), speaker.astype(np.int64))
    np.testing.assert_array_equal(given, wanted)
    with pytest.raises(ValueError):
        graph(content, conditions)


def test_weights_are_asked_for_by_name_shape_and_type(decoder):
    arrays, asked = to_arrays(decoder), []

    def read(expected):
        asked.append(expected)
        return arrays

    graph = runtime.open_network("decoder", TINY, read=read)
    assert asked == [expected_arrays(decoder)] == [runtime.expected_weights("decoder", TINY)]
    for name, array in to_arrays(graph.model).items():
        np.testing.assert_array_equal(array, arrays[name])

    def refuse(expected):
        raise ModelError("the weights are damaged")

    with pytest.raises(ModelError, match="damaged"):
        runtime.open_network("decoder", TINY, read=refuse)


@pytest.mark.parametrize("kind", sorted(NETWORKS.values()))
def test_each_network_of_a_base_can_be_built(kind):
    expected = runtime.expected_weights(kind, TINY)
    assert expected and all(dtype == "F16" for _, dtype in expected.values())
