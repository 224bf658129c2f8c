"""A network by onnxruntime beside the same one by Keras."""

import numpy as np
import pytest

from voiceswap.model import runtime
from voiceswap.model.weights import expected_arrays, to_arrays

# How far answers may be apart, as a share of their spread.
MOST_APART = 1e-4


@pytest.fixture
def compare():
    """Compares a graph with its Keras model, whose weights are made anew, loud enough to be heard through layers."""

    def run(kind, model, inputs, *settings, also=(), **options):
        random = np.random.default_rng(1)
        for variable in model.weights:
            spread = 1 / np.sqrt(max(1, np.prod(variable.shape[:-1])))
            variable.assign(random.normal(0.1 if len(variable.shape) == 1 else 0, spread, variable.shape))
        arrays = to_arrays(model, "float32")
        graph = runtime.build_graph(kind, *settings, **options)
        expected = expected_arrays(model)
        assert {k: v for k, v in expected.items() if k not in also} == runtime.expected_by(graph)
        network = runtime.open_network(kind, *settings, read=lambda expected: arrays, **options)
        wanted = model.predict_on_batch(list(inputs) if len(inputs) > 1 else inputs[0])
        made = network(*inputs)
        assert made.shape == wanted.shape and made.dtype == np.float32
        assert wanted.std() > 1e-3 and np.abs(made - wanted).max() < MOST_APART * wanted.std()
        return made

    return run
