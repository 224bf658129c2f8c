"""The quick end of the vocoder learns what the whole one makes of it."""

import numpy as np
import pytest

from conftest import TINY
from voiceswap.errors import UsageError
from voiceswap.jobs import distil
from voiceswap.jobs.dataset import Clip
from voiceswap.model import vocoder

CONFIG = TINY.model_copy(
    update={"train": TINY.train.model_copy(update={"crop_frames": 20, "adversary": 0.0, "learning_rate": 3e-3})}
)


@pytest.fixture(scope="module")
def best():
    return vocoder.build(CONFIG)


@pytest.fixture(scope="module")
def lesson(best, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lesson")
    draw = np.random.default_rng(0)
    mels = [(draw.normal(size=(n, 80)) - 5).astype(np.float16) for n in (distil.EXCERPT_FRAMES, 260, 300, 20)]
    people = [[Clip((), mel, np.zeros(len(mel), np.float32))] for mel in mels]
    told = []
    distil.make_lesson(people, best, CONFIG, folder, 0, lambda done, n: told.append((done, n)))
    assert told == [(0, 3), (1, 3), (2, 3)]  # The shortest is no excerpt.
    return distil.Lesson(folder, CONFIG, 0)


def test_the_lesson_holds_the_vocoders_own_answers(best, lesson):
    """What comes after the trunk, fed with the lesson's trunk, gives the lesson's samples, away from the ends."""
    import keras

    heard = lesson.batch(0)
    size, hop = CONFIG.vocoder, CONFIG.features.hop_samples
    assert heard.trunk.shape == (4, 20 * size.trunk_rate + 2 * size.fast_context, size.trunk_channels)
    assert heard.samples.shape == (4, 20 * hop)
    rest = keras.Model(best.get_layer("stage_0").output, best.output)
    step = hop // size.trunk_rate
    answered = np.asarray(rest(heard.trunk))[:, size.fast_context * step : -size.fast_context * step]
    np.testing.assert_allclose(answered, heard.samples, atol=2e-3)


def test_a_batch_is_a_function_of_seed_and_step(lesson):
    again, other = lesson.batch(3), lesson.batch(4)
    np.testing.assert_array_equal(lesson.batch(3).samples, again.samples)
    assert not np.array_equal(again.samples, other.samples)


def test_it_learns(lesson):
    learner = distil.QuickLearner(CONFIG, None, 0)
    before = learner.score(lesson.held_out())
    for step in range(40):
        learner.step(lesson.batch(step), step, 40)
    assert learner.score(lesson.held_out()) < 0.8 * before


def test_with_its_critic_it_goes_on_as_if_it_had_never_stopped(lesson):
    config = CONFIG.model_copy(
        update={"train": CONFIG.train.model_copy(update={"adversary": 0.1, "adversary_from_step": 2})}
    )
    straight, stopped = distil.QuickLearner(config, None, 0), distil.QuickLearner(config, None, 0)
    for step in range(4):
        straight.step(lesson.batch(step), step, 6)
        stopped.step(lesson.batch(step), step, 6)
    resumed = distil.QuickLearner(config, None, 1)
    resumed.restore(stopped.state())
    for step in (4, 5):
        straight.step(lesson.batch(step), step, 6)
        resumed.step(lesson.batch(step), step, 6)
    for name, array in straight.state().items():
        np.testing.assert_array_equal(resumed.state()[name], array, err_msg=name)


def test_too_little_speech_is_refused(best, tmp_path):
    with pytest.raises(UsageError, match="0 clips are as long"):
        distil.make_lesson([[]], best, CONFIG, tmp_path, 0, lambda done, n: None)
