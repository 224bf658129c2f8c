"""The quick vocoder learns from what was recorded, keeps a running mean, and goes on as if it had not stopped."""

import numpy as np
import pytest

from conftest import TINY
from voiceswap.model.weights import load_arrays
from voiceswap.signal import synthetic
from voiceswap.training.base.quick_examples import QuickSampler, make_example, make_held_out
from voiceswap.training.base.quick_learner import QuickLearner

F = TINY.features
TRAIN = TINY.train.model_copy(
    update={"crop_frames": 24, "batch": 2, "learning_rate": 3e-3, "adversary_from_step": 4, "warmup_steps": 1}
)
CONFIG = TINY.model_copy(update={"train": TRAIN})
N_STEPS = 12


@pytest.fixture(scope="module")
def heard(tmp_path_factory):
    speakers = (synthetic.ANNA, synthetic.BORIS)
    examples = [
        make_example(synthetic.speech(who, 2.0, sample_rate_hz=F.mel_rate_hz, seed=0).samples.astype(np.float32), F)
        for who in speakers
    ]
    folder = tmp_path_factory.mktemp("heard")
    return QuickSampler(examples, [folder / "a", folder / "b"], CONFIG, 0), make_held_out(examples, CONFIG, 4)


def test_it_learns_and_goes_on_from_its_state_to_the_same_bits(heard):
    batches, judged = heard
    learner = QuickLearner(CONFIG, None, 0)
    before, fresh = learner.score(judged), learner.weights()
    for step in range(N_STEPS):
        assert np.isfinite(learner.step(batches.batch(step), step, 2 * N_STEPS))
    after = learner.score(judged)
    assert after < before
    # What is kept is the running mean, which lies between what it was and what it has come to.
    kept, model = learner.weights(), learner.model
    assert any(not np.array_equal(kept[v.path], np.asarray(v)) for v in model.weights)
    assert any(not np.array_equal(kept[name], fresh[name]) for name in kept)
    state = learner.state()
    again = QuickLearner(CONFIG, kept, 1)
    again.restore(state)
    assert again.score(judged) == after
    assert {name: (a.shape, a.dtype.name) for name, a in state.items()} == {
        name: (shape, {"F32": "float32", "I32": "int32", "I64": "int64"}[kind])
        for name, (shape, kind) in learner.expected_state().items()
    }
    losses = [one.step(batches.batch(N_STEPS), N_STEPS, 2 * N_STEPS) for one in (learner, again)]
    assert losses[0] == losses[1]
    for name, array in learner.state().items():
        np.testing.assert_array_equal(array, again.state()[name], err_msg=name)


def test_a_loss_that_is_not_finite_is_told(heard):
    batches, _ = heard
    learner = QuickLearner(CONFIG, None, 0)
    broken = {name: array * np.nan for name, array in learner.weights().items()}
    load_arrays(learner.model, broken)
    assert not np.isfinite(learner.step(batches.batch(0), 0, N_STEPS))
