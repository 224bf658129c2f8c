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
from voiceswap.model.vocoders.low_rank import Side, _choices, choose_ranks, decompose, to_side
from voiceswap.model.weights import load_arrays, to_arrays
from voiceswap.training.base import distill as tuning
from voiceswap.training.base import low_rank as slimming
from voiceswap.training.base.distill import DistillBatch, DistillSampler, LowRankLearner

RANDOM = np.random.default_rng(0)
SIZES = inner_convolutions(TINY)


@pytest.fixture(scope="module")
def whole():
    """A tiny vocoder, its weights, and what passes through it."""
    keras.utils.set_random_seed(0)
    network = hifigan_network.build(TINY)
    mels = (RANDOM.normal(size=(3, 40, 80)) - 5).astype(np.float32)
    return network, to_arrays(network, "float32"), slimming.sides(network, mels, TINY), mels


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
    found = slimming.sides(network, mels, TINY)
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
    choices = {name: _choices(*found[name], *sizes[name]) for name in sizes}
    dearest, before = sum(cost[0] for _, _, cost in choices.values()), -1.0
    for share in (1.0, 0.7, 0.4, 0.2):
        ranks = choose_ranks(found, config, share)
        at = {name: choices[name][0].index(ranks[name]) for name in sizes}
        cost, lost = (sum(choices[name][k][at[name]] for name in sizes) for k in (2, 1))
        assert 0.9 * share * dearest < cost <= share * dearest
        assert lost > before
        before = lost


def test_it_learns_to_say_what_the_whole_says_and_goes_on_from_its_state(whole):
    network, arrays, found, _ = whole
    config = TINY.model_copy(update={"train": TINY.train.model_copy(update={"crop_frames": 40, "batch": 2})})
    mels = (RANDOM.normal(size=(6, 60, 80)) - 5).astype(np.float32)
    said = DistillBatch(mels, network.predict_on_batch(mels))
    ranks = {name: (max(1, channels // 2),) * 2 for name, (channels, *_) in SIZES.items()}
    start = arrays | decompose(arrays, found, ranks)
    crops = DistillSampler(said.of(np.arange(6) < 4), ["a", "b", "c", "d"], config, 0)
    judged = said.of(np.arange(6) >= 4).beginning(40)
    learner = LowRankLearner(config, ranks, start)
    before = learner.score(judged)
    for step in range(20):
        learner.step(crops.batch(step), step, 40)
    state = learner.state()
    again = LowRankLearner(config, ranks, start)
    again.restore(state)
    assert learner.score(judged) == again.score(judged) < before
    assert {name: (a.shape, a.dtype.name) for name, a in state.items()} == {
        name: (shape, {"F32": "float32", "I32": "int32", "I64": "int64"}[kind])
        for name, (shape, kind) in learner.expected_state().items()
    }
    losses = [one.step(crops.batch(20), 20, 40) for one in (learner, again)]
    assert losses[0] == losses[1]
    assert set(crops.sources(3)) <= {"a", "b", "c", "d"}


def test_a_batch_is_what_was_said_to_its_mel(whole):
    mels = np.arange(2 * 50 * 80, dtype=np.float32).reshape(2, 50, 80)
    hop = TINY.features.hop_samples
    samples = np.repeat(mels[:, :, 0], hop, axis=1)
    config = TINY.model_copy(update={"train": TINY.train.model_copy(update={"crop_frames": 30, "batch": 5})})
    crops = DistillSampler(DistillBatch(mels, samples), ["a", "b"], config, 1)
    for step in range(3):
        batch = crops.batch(step)
        assert batch.mel.shape == (5, 30, 80)
        np.testing.assert_array_equal(np.repeat(batch.mel[:, :, 0], hop, axis=1), batch.samples)
    assert not np.array_equal(crops.batch(0).mel, crops.batch(1).mel)


def test_a_sound_is_as_far_from_itself_as_can_be_told():
    sound = RANDOM.normal(size=(2, 4096)).astype(np.float32)
    rate = TINY.features.mel_rate_hz
    at_all, softer, other = (
        float(tuning.spectral_distance(made, sound, rate)) for made in (sound, 0.8 * sound, sound[:, ::-1].copy())
    )
    assert at_all < 0.05 < softer < other
    # However loud both are.
    assert float(tuning.spectral_distance(0.08 * sound, 0.1 * sound, rate)) == pytest.approx(softer, rel=1e-3)
