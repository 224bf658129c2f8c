"""A vocoder through fewer channels: nothing lost where nothing is left out, the least where something is."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import TINY
from voiceswap.config import Config
from voiceswap.model.networks import hifigan as hifigan_network
from voiceswap.model.vocoders.hifigan import inner_convolutions
from voiceswap.model.vocoders.low_rank import Side, _list_options, choose_ranks, decompose, to_side
from voiceswap.model.weights import load_arrays, to_arrays
from voiceswap.training.base.low_rank import measure_sides

RANDOM = np.random.default_rng(0)
SIZES = inner_convolutions(TINY)


@pytest.fixture(scope="module")
def whole():
    """A tiny vocoder, its weights, and what passes through it."""
    keras.utils.set_random_seed(0)
    network = hifigan_network.build(TINY)
    mels = (RANDOM.normal(size=(3, 40, 80)) - 5).astype(np.float32)
    return network, to_arrays(network, "float32"), measure_sides(network, mels, TINY), mels


def covariances(seed, channels=6):
    rng = np.random.default_rng(seed)
    values, gradients = (rng.normal(size=(50, channels)) @ rng.normal(size=(channels, channels)) for _ in range(2))
    mean = rng.normal(size=channels)
    return mean, values.T @ values / 50, gradients.T @ gradients / 50


@given(st.integers(0, 2**32 - 1), st.integers(0, 6))
def test_what_is_left_out_is_what_is_heard_least(seed, rank):
    mean, covariance, felt = covariances(seed)
    side = to_side(mean, covariance + np.outer(mean, mean), felt)

    def heard(onto, back):
        left_out = np.eye(6) - onto @ back
        return np.trace(felt @ left_out.T @ covariance @ left_out)

    ours = heard(side.onto[:, :rank], side.back[:rank])
    size = np.trace(felt) * np.trace(covariance)
    assert ours == pytest.approx(side.heard[rank:].sum(), rel=1e-3, abs=1e-6 * size)
    _, axes = np.linalg.eigh(covariance)
    principal = axes[:, ::-1][:, :rank]
    others = np.linalg.qr(np.random.default_rng(seed + 1).normal(size=(6, 6)))[0][:, :rank]
    for directions in (principal, others):
        assert ours <= heard(directions, directions.T) + 1e-6 * size


def test_through_all_channels_it_is_the_whole_vocoder(whole):
    _, arrays, found, _ = whole
    ranks = choose_ranks(found, TINY, 1.0)
    assert ranks == {name: (channels, channels) for name, (channels, *_) in SIZES.items()}
    slim = decompose(arrays, found, ranks)
    for name, array in slim.items():
        np.testing.assert_allclose(array, arrays[name], atol=1e-6)


def test_what_is_left_out_stays_at_its_mean(whole):
    network, arrays, _, mels = whole
    # All channels say the same: one is enough.
    name = next(iter(SIZES))
    channels = SIZES[name][0]
    alike = arrays | {
        f"{name}/kernel": np.repeat(arrays[f"{name}/kernel"][:, :, :1], channels, axis=2),
        f"{name}/bias": np.linspace(-1, 1, channels).astype(np.float32),
    }
    load_arrays(network, alike)
    wanted = network.predict_on_batch(mels)
    found = measure_sides(network, mels, TINY)
    load_arrays(network, arrays)
    ranks = {layer: (size, size) for layer, (size, *_) in SIZES.items()} | {name: (channels, 1)}
    slim = hifigan_network.build(TINY, ranks=ranks)
    load_arrays(slim, alike | decompose(alike, found, ranks))
    np.testing.assert_allclose(slim.predict_on_batch(mels), wanted, atol=1e-4 * np.abs(wanted).max())


def test_less_time_loses_more():
    config, nothing = Config(), np.zeros(0)
    sizes = inner_convolutions(config)

    def side(channels):
        return Side(nothing, np.sort(RANDOM.exponential(size=channels) ** 4)[::-1], nothing, nothing)

    found = {name: (side(channels), side(channels)) for name, (channels, *_) in sizes.items()}
    choices = {name: _list_options(*found[name], *sizes[name]) for name in sizes}
    dearest, before = sum(cost[0] for _, _, cost in choices.values()), -1.0
    for share in (1.0, 0.7, 0.4, 0.2):
        ranks = choose_ranks(found, config, share)
        at = {name: choices[name][0].index(ranks[name]) for name in sizes}
        cost, lost = (sum(choices[name][k][at[name]] for name in sizes) for k in (2, 1))
        assert 0.9 * share * dearest < cost <= share * dearest
        assert lost > before
        before = lost
