"""Graphs are what the `onnx` package takes for graphs, and numbers are written as protocol buffers have them."""

import numpy as np
import onnx as official
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import TINY
from voiceswap.model import runtime
from voiceswap.model.graphs import onnx


@pytest.mark.parametrize("kind", ["decoder", "encoder", "hifigan", "quick_vocoder", "separator", "speaker"])
def test_a_graph_is_sound_and_holds_no_weights(kind):
    graph = runtime.build_graph(kind, *([] if kind in ("separator", "speaker") else [TINY]))
    model = official.load_model_from_string(graph.model)
    assert tuple(each.name for each in model.graph.input) == graph.inputs
    given = {each.name: tuple(each.dims) for each in model.graph.initializer if each.data_location}
    assert given.keys() == graph.weights.keys()
    for name, weight in graph.weights.items():
        assert weight.arrange(np.zeros(weight.shape)).shape == given[name]
    assert len(graph.model) < 150_000
    # The checker would look for the weights in files.
    kept = [each for each in model.graph.initializer if each.name not in given]
    elsewhere = [official.helper.make_tensor_value_info(name, 1, shape) for name, shape in given.items()]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    model.graph.input.extend(elsewhere)
    official.checker.check_model(model, full_check=kind != "encoder")
    # Nothing that is asked for is left unused, and settings alone decide.
    used = {name for node in model.graph.node for name in node.input}
    assert used >= given.keys()
    assert runtime.build_graph(kind, *([] if kind in ("separator", "speaker") else [TINY])).model == graph.model


@given(st.integers(-(2**63), 2**63 - 1))
def test_whole_numbers_are_written_as_protocol_buffers_have_them(number):
    attribute = official.AttributeProto(name="n", i=number, type=official.AttributeProto.INT)
    node = official.NodeProto.FromString(onnx.node("Cast", ["a"], ["b"], {"n": number}))
    assert node.attribute[0] == attribute


def test_attributes_of_each_kind_are_written():
    attributes = {"alpha": 0.5, "axis": -1, "mode": "edge", "pads": [0, 3, 0, 3]}
    node = official.NodeProto.FromString(onnx.node("com.microsoft.Thing", ["a", "", "c"], ["b"], attributes))
    assert (node.domain, node.op_type, list(node.input)) == ("com.microsoft", "Thing", ["a", "", "c"])
    read = {each.name: official.helper.get_attribute_value(each) for each in node.attribute}
    assert read == {"alpha": 0.5, "axis": -1, "mode": b"edge", "pads": [0, 3, 0, 3]}


@pytest.mark.parametrize("array", [np.float32([[1.5, -2.0]]), np.int64([-1, 7]), np.array(3.25, np.float32)])
def test_constants_keep_shape_type_and_values(array):
    read = official.numpy_helper.to_array(official.TensorProto.FromString(onnx.constant("c", array)))
    assert read.dtype == array.dtype
    np.testing.assert_array_equal(read, array)
