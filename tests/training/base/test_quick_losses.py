"""What TensorFlow makes of filters is what the runtime makes of them; and distances tell what is heard."""

from dataclasses import fields

import numpy as np
import pytest
import tensorflow as tf

from conftest import TINY
from voiceswap.model.vocoders import quick_vocoder as quick
from voiceswap.signal import features, synthetic
from voiceswap.training.base import quick_losses
from voiceswap.training.base.quick_examples import QuickBatch, make_example, make_held_out

F = TINY.features
CONFIG = TINY.model_copy(update={"train": TINY.train.model_copy(update={"crop_frames": 24, "batch": 2})})
RANDOM = np.random.default_rng(0)


@pytest.fixture(scope="module")
def batch():
    samples = synthetic.speech(synthetic.ANNA, 2.0, sample_rate_hz=F.mel_rate_hz, seed=0).samples.astype(np.float32)
    batch = make_held_out([make_example(samples, F)], CONFIG, 2)
    return QuickBatch(*(tf.constant(getattr(batch, field.name)) for field in fields(QuickBatch)))


def test_what_training_hears_is_what_the_runtime_makes(batch):
    filters = RANDOM.normal(0, 0.3, (len(batch.mel), 24, quick.count_filters(TINY))).astype(np.float32)
    made = quick_losses.render(tf.constant(filters), batch, CONFIG).numpy()
    assert made.shape == (len(batch.mel), 24 * F.hop_samples)
    for i in range(len(made)):
        mel = np.pad(batch.mel[i].numpy(), ((1, 1), (0, 0)), mode="edge")
        heard = (getattr(batch, name)[i].numpy() for name in ("pulses", "noise", "cosine", "sine"))
        spectra = quick.filter_excitation(filters[i], quick.spread_level(mel, CONFIG), quick.Excitation(*heard), CONFIG)
        wanted = quick.overlap_add(spectra, 512, 128)
        np.testing.assert_allclose(made[i], wanted, atol=1e-4 * wanted.std())


def test_a_narrow_recording_has_nothing_above_the_bands(batch):
    narrow = QuickBatch(
        *(getattr(batch, field.name) for field in fields(QuickBatch) if field.name != "is_wide"),
        tf.zeros(len(batch.mel)),
    )
    filters = tf.zeros((len(batch.mel), 24, quick.count_filters(TINY)))
    levels = []
    for each in (batch, narrow):
        spectrum = features.stft_magnitudes(quick_losses.render(filters, each, CONFIG).numpy()[0], 1024, 256).mean(
            axis=0
        )
        levels.append((spectrum[50:340].mean(), spectrum[410:].mean()))
    assert levels[1][0] == pytest.approx(levels[0][0], rel=1e-3) and levels[1][1] < 1e-3 * levels[0][1]


def test_a_recording_is_as_far_from_itself_as_can_be_told():
    sound = synthetic.speech(synthetic.ANNA, 1.0, sample_rate_hz=F.mel_rate_hz, seed=0).samples[None].astype(np.float32)
    noise = RANDOM.normal(0, 1, sound.shape).astype(np.float32) * sound.std()
    same, softer, other = (
        quick_losses.measure_distances(made, sound, F.mel_rate_hz) for made in (sound, 0.8 * sound, noise)
    )
    for kind in range(2):
        assert abs(float(same[kind])) < 1e-5 < float(softer[kind]) < float(other[kind])


def test_noise_is_as_good_as_other_noise_of_its_power():
    """Bin by bin a steady tone would be nearer to noise than other noise is; patches' power is not fooled."""
    noise, other = (RANDOM.normal(0, 0.1, (1, 22_050)).astype(np.float32) for _ in range(2))
    softer = 0.7 * other
    of_noise, of_softer = (
        float(quick_losses.measure_distances(made, noise, F.mel_rate_hz)[0]) for made in (other, softer)
    )
    assert of_noise < of_softer


def test_discriminators_are_shown_nothing_above_what_they_judge():
    rate = F.mel_rate_hz
    t = np.arange(rate) / rate
    kept, gone = (np.sin(2 * np.pi * hz * t)[None].astype(np.float32) for hz in (5000, 9000))
    assert np.abs(quick_losses.remove_top(kept, rate) - kept)[:, 500:-500].max() < 0.01
    assert np.abs(quick_losses.remove_top(gone, rate).numpy())[:, 500:-500].max() < 0.01


@pytest.mark.parametrize(("window", "step", "with_phase"), quick_losses.DISCRIMINATORS)
def test_a_picture_has_levels_and_turns(window, step, with_phase):
    rate = F.mel_rate_hz
    samples = RANDOM.normal(0, 0.1, (2, 6000)).astype(np.float32)
    picture = quick_losses.draw_picture(samples, window, step, rate, with_phase=with_phase).numpy()
    n_steps = (6000 - window) // step + 1
    assert picture.shape == (2, n_steps - with_phase, quick_losses.count_seen(window, rate), 3 if with_phase else 1)
    assert np.isfinite(picture).all()
    if with_phase:
        np.testing.assert_allclose(np.hypot(picture[..., 1], picture[..., 2]), 1, atol=0.05)
