"""Examples of recordings: their own phase, their top, cached; crops of them are a function of seed and step."""

import numpy as np
import pytest

from conftest import TINY, save
from voiceswap.audio.resample import resample
from voiceswap.signal import excitation, synthetic
from voiceswap.training.base import quick_examples
from voiceswap.training.base.quick_examples import Example, QuickSampler, find_angle, has_top, make_example

F = TINY.features
HOP, RATE = F.hop_samples, F.mel_rate_hz
CONFIG = TINY.model_copy(update={"train": TINY.train.model_copy(update={"crop_frames": 24, "batch": 3})})


@pytest.fixture(scope="module")
def example():
    return make_example(
        synthetic.speech(synthetic.ANNA, 4.0, sample_rate_hz=RATE, seed=0).samples.astype(np.float32), F
    )


def test_an_example_is_what_was_recorded(example):
    n_frames = len(example.mel)
    assert n_frames == 4 * RATE // HOP
    assert len(example.samples) == n_frames * HOP and example.samples.dtype == np.int16
    assert example.mel.shape == (n_frames, 80) and example.mel.dtype == np.float16
    assert example.f0_hz.dtype == example.angle.dtype == np.float32
    assert example.voiced.any() and (example.f0_hz > 0).all()


@pytest.mark.parametrize("ahead", [0.0, 0.25, -0.4])
def test_the_angle_is_how_far_a_fundamental_is_ahead_of_its_f0(ahead):
    f0_hz = np.linspace(150, 220, 100).astype(np.float32)
    phase = excitation.integrate_f0(f0_hz, F)
    _, periods = excitation.follow_melody(f0_hz, phase, 0, 100 * HOP, F)
    samples = sum(np.cos(2 * np.pi * k * (periods + ahead)) / k for k in (1, 2, 3)).astype(np.float32)
    angle = find_angle(samples, f0_hz, np.ones(100, bool), F)
    np.testing.assert_allclose(angle[5:-5], ahead, atol=0.01)
    assert not find_angle(samples, f0_hz, np.zeros(100, bool), F).any()


def test_the_top_is_missing_where_the_rate_was_low():
    noise = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    assert has_top(noise, F)
    assert not has_top(resample(resample(noise, RATE, 16_000), 16_000, RATE), F)


def test_pulses_of_a_crop_fall_where_those_of_the_recording_do():
    """The recording is a pulse train: its pulses and the crop's are highest at the same samples."""
    n_frames = 200
    f0_hz = (180 + 30 * np.sin(np.arange(n_frames) / 30)).astype(np.float32)
    at_samples = excitation.follow_melody(f0_hz, excitation.integrate_f0(f0_hz, F), 0, n_frames * HOP, F)
    periods = at_samples[1] + 0.3
    pulses = excitation.make_pulses(at_samples[0], periods - np.round(periods), RATE) / 100
    voiced = np.ones(n_frames, bool)
    made = Example(
        np.rint(pulses * 32767).astype(np.int16),
        np.zeros((n_frames, 80), np.float16),
        f0_hz,
        voiced,
        find_angle(pulses, f0_hz, voiced, F),
        np.array([True]),
    )
    crop = quick_examples.make_crop(made, 100, 0.0, np.random.default_rng(0), CONFIG)
    margin = (512 - 128) // 2
    ours, theirs = crop[2][margin:-margin], pulses[100 * HOP : 124 * HOP]
    assert np.corrcoef(ours, theirs)[0, 1] > 0.9


def test_a_batch_is_a_function_of_seed_and_step(example, tmp_path):
    sampler = QuickSampler([example, example], [tmp_path / "a", tmp_path / "b"], CONFIG, 0)
    batch, again, other = sampler.batch(3), sampler.batch(3), sampler.batch(4)
    for name in ("inputs", "mel", "pulses", "noise", "cosine", "sine", "samples", "is_wide"):
        np.testing.assert_array_equal(getattr(batch, name), getattr(again, name))
        assert getattr(batch, name).dtype == np.float32
    assert not np.array_equal(batch.mel, other.mel)
    assert batch.inputs.shape == (3, 24, 163) and batch.samples.shape == (3, 24 * HOP)
    assert batch.pulses.shape == batch.noise.shape == (3, 24 * HOP + 384)
    np.testing.assert_allclose(batch.cosine**2 + batch.sine**2, 1, atol=1e-5)
    assert set(sampler.sources(3)) <= {tmp_path / "a", tmp_path / "b"}
    assert batch.cut(1, 3).mel.shape == (2, 24, 80)


def test_held_out_crops_are_evenly_picked(example):
    batch = quick_examples.make_held_out([example], CONFIG, 4)
    assert 4 <= len(batch.mel) < 8
    np.testing.assert_array_equal(batch.noise, quick_examples.make_held_out([example], CONFIG, 4).noise)


def test_examples_come_out_of_the_cache_and_broken_recordings_are_left_out(tmp_path):
    spoken = synthetic.speech(synthetic.ANNA, 3.0, sample_rate_hz=RATE, seed=0).samples
    files = [save(tmp_path / "a.wav", spoken), tmp_path / "b.wav", save(tmp_path / "c.wav", spoken[::-1])]
    files[1].write_bytes(b"no sound")
    read = []
    first, again = (
        quick_examples.prepare_examples(files, TINY, tmp_path / "cache", lambda: read.append(1)) for _ in range(2)
    )
    assert len(read) == 3 and len(first) == len(again) == 2
    for ours, theirs in zip(first, again, strict=True):
        for name in ("samples", "mel", "f0_hz", "voiced", "angle", "is_wide"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
