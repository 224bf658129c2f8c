"""The held-out score: what is exact scores nothing, what is blurred scores worse than what is sharp but a little off.

And a step whose gradient is no number says so (R29).
"""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from conftest import TINY
from voiceswap.model.decoder import N_SCALARS
from voiceswap.model.networks import decoder as decoder_network
from voiceswap.training.batches import Batch
from voiceswap.training.learner import DecoderLearner

RANDOM = np.random.default_rng(0)
N, FRAMES, BANDS = 6, 64, TINY.features.n_mels


class Fixed:
    """Stands for a model that answers what it was told to."""

    def __init__(self, answer):
        self.answer = answer

    def predict_on_batch(self, inputs):
        return self.answer[inputs[2]]


@pytest.fixture
def batch():
    mel = gaussian_filter(RANDOM.normal(size=(N, FRAMES, BANDS)), (0, 0.7, 0.7)).astype(np.float32) * 3 - 5
    weight = np.ones((N, FRAMES, 1), np.float32)
    weight[-1, 40:] = 0
    content = np.zeros((N, FRAMES, TINY.encoder.content_dim), np.float32)
    return Batch(content, np.zeros((N, FRAMES, N_SCALARS + BANDS), np.float32), np.arange(N), mel, weight)


def scored(batch, answer):
    learner = DecoderLearner(TINY, None, 0)
    learner.model = Fixed(answer)
    return learner.score(batch)


def test_what_is_exact_scores_nothing_and_what_lies_past_the_end_does_not_count(batch):
    answer = batch.mel.copy()
    answer[-1, 41:] = 100.0
    assert scored(batch, answer) == pytest.approx(0, abs=1e-6)
    assert scored(batch, batch.mel + 0.5) == pytest.approx(0.5, abs=1e-3)


def test_blur_scores_worse_than_another_sharp_take(batch):
    blurred = gaussian_filter(batch.mel, (0, 1.5, 1.5))
    noise = gaussian_filter(RANDOM.normal(size=batch.mel.shape), (0, 0.7, 0.7)) * 3
    sharp = blurred + noise * np.sqrt(1 - (blurred.std() / batch.mel.std()) ** 2)
    assert np.abs(sharp - batch.mel).mean() > np.abs(blurred - batch.mel).mean()
    assert scored(batch, sharp.astype(np.float32)) < scored(batch, blurred)


@pytest.mark.parametrize("adversary", [0.0, 0.1])
def test_r29_a_gradient_that_is_not_finite_is_told_at_its_step(adversary, batch, monkeypatch):
    import keras

    build = decoder_network.build

    def broken(config):
        model = build(config)
        # Adds nothing; its slope is an infinity times nothing.
        return keras.Model(model.inputs, model.output + keras.ops.sqrt(model.output * 0))

    settings = TINY.model_copy(update={"train": TINY.train.model_copy(update={"adversary": adversary})})
    one_speaker = Batch(batch.content, batch.conditions, batch.speaker * 0, batch.mel, batch.weight)
    assert np.isfinite(DecoderLearner(settings, None, 0).step(one_speaker, 0, 9))
    monkeypatch.setattr(decoder_network, "build", broken)
    learner = DecoderLearner(settings, None, 0)
    assert np.isfinite(learner.score(one_speaker))
    assert np.isnan(learner.step(one_speaker, 0, 9))
