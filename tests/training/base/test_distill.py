"""A low-rank vocoder learns to say what the whole one says, and goes on from its state as if it had not stopped."""

import keras
import numpy as np
import pytest

from conftest import TINY
from voiceswap.model.networks import hifigan as hifigan_network
from voiceswap.model.vocoders.hifigan import inner_convolutions
from voiceswap.model.vocoders.low_rank import decompose
from voiceswap.model.weights import to_arrays
from voiceswap.training.base.distill import DistillBatch, DistillSampler, LowRankLearner, spectral_distance
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


def test_it_learns_to_say_what_the_whole_says_and_goes_on_from_its_state(whole):
    network, arrays, found, _ = whole
    config = TINY.model_copy(update={"train": TINY.train.model_copy(update={"crop_frames": 40, "batch": 2})})
    mels = (RANDOM.normal(size=(6, 60, 80)) - 5).astype(np.float32)
    said = DistillBatch(mels, network.predict_on_batch(mels))
    ranks = {name: (max(1, channels // 2),) * 2 for name, (channels, *_) in SIZES.items()}
    start = arrays | decompose(arrays, found, ranks)
    crops = DistillSampler(said.pick(np.arange(6) < 4), ["a", "b", "c", "d"], config, 0)
    judged = said.pick(np.arange(6) >= 4).cut(40)
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
        float(spectral_distance(made, sound, rate)) for made in (sound, 0.8 * sound, sound[:, ::-1].copy())
    )
    assert at_all < 0.05 < softer < other
    # However loud both are.
    assert float(spectral_distance(0.08 * sound, 0.1 * sound, rate)) == pytest.approx(softer, rel=1e-3)
