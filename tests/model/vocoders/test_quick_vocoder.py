"""The quick vocoder: blocks and windows = whole, with their pulses and noise; the F0 asked for; only what is wanted."""

import keras
import numpy as np
import pytest
from scipy.ndimage import minimum_filter1d

from conftest import TINY, keras_network
from voiceswap.model.runtime import open_network
from voiceswap.model.vocoders import Melody
from voiceswap.model.vocoders import quick_vocoder as quick
from voiceswap.model.weights import to_arrays
from voiceswap.signal import features

F = TINY.features
HOP = F.hop_samples
RANDOM = np.random.default_rng(0)


def open_vocoder():
    keras.utils.set_random_seed(2)
    # Louder than a fresh network, so that what it hears shows.
    arrays = {name: 3 * array for name, array in to_arrays(keras_network("quick_vocoder")).items()}
    return quick.QuickVocoder(open_network("quick_vocoder", TINY, read=lambda expected: arrays), TINY)


def sung(n):
    """A mel and a melody of so many frames."""
    mel = (RANDOM.normal(size=(n, 80)) * 0.5 - 4).astype(np.float32)
    f0_hz = (220 + 60 * np.sin(np.arange(n) / 20)).astype(np.float32)
    return mel, Melody.of(f0_hz, np.arange(n) % 100 < 70, F)


def test_blocks_are_the_whole(monkeypatch):
    sound = open_vocoder()
    for n in (1, 100, 700):
        mel, melody = sung(n)
        monkeypatch.setattr(quick, "BLOCK_FRAMES", 2048)
        whole = sound(mel, melody)
        monkeypatch.setattr(quick, "BLOCK_FRAMES", 64)
        np.testing.assert_allclose(sound(mel, melody), whole, atol=1e-4 * whole.std())
        assert whole.shape == (n * HOP,) and whole.dtype == np.float32 and whole.std() > 1e-3
    assert len(sound(mel[:0], melody.cut(0, 0))) == 0


def test_windows_are_the_whole_with_their_pulses_and_noise():
    sound = open_vocoder()
    mel, melody = sung(900)
    whole = sound(mel, melody).reshape(900, -1)
    context = sound.context_frames
    for first, stop in ((0, 500), (370, 900), (333, 777)):
        part = sound(mel[first:stop], melody.cut(first, stop)).reshape(stop - first, -1)
        begin, end = first and context, (stop - first) - (stop < 900) * context
        np.testing.assert_allclose(part[begin:end], whole[first:stop][begin:end], atol=1e-4 * whole.std())
        # Nor further than need be: the network says how far it hears.
        assert not first or np.abs(part[0] - whole[first]).max() > 1e-3 * whole.std()


def test_a_frame_changes_no_samples_further_off_than_its_context():
    sound = open_vocoder()
    mel, melody = sung(100)
    before = sound(mel, melody)
    mel[50] += 3
    changed = (sound(mel, melody) != before).reshape(100, -1).any(axis=1)
    context = sound.context_frames
    assert changed[50] and not changed[: 50 - context].any() and not changed[51 + context :].any()


def test_it_says_the_same_each_time():
    sound = open_vocoder()
    mel, melody = sung(200)
    np.testing.assert_array_equal(sound(mel, melody), sound(mel, melody))
    elsewhere = Melody(melody.f0_hz, melody.voiced, melody.phase, 5000)
    assert np.abs(sound(mel, elsewhere) - sound(mel, melody)).max() > 0, "noise is that of its place"


def only_pulses(sound, monkeypatch):
    """Without noise, pulses as the mel asks for."""

    def say(inputs):
        filters = np.zeros(
            (inputs.shape[1], quick.count_steps(TINY), quick.N_PARTS, quick.count_bins(TINY)), np.float32
        )
        filters[:, :, 3] = -100
        return filters.reshape(1, inputs.shape[1], -1)

    monkeypatch.setattr(sound, "network", say)


@pytest.mark.parametrize("f0_hz", [80.0, 203.0, 700.0])
def test_a_pulse_train_has_the_f0_asked_for(f0_hz, monkeypatch):
    sound = open_vocoder()
    only_pulses(sound, monkeypatch)
    n = 1200
    mel = np.full((n, 80), -4.0, np.float32)
    samples = sound(mel, Melody.of(np.full(n, f0_hz), np.ones(n, bool), F))
    # The fundamental's angle against a tone of that F0: over twelve seconds it may not turn.
    tone = np.exp(-2j * np.pi * f0_hz * np.arange(n * HOP) / F.mel_rate_hz)
    angles = np.angle((samples * tone).reshape(-1, 100 * HOP).mean(axis=1))[1:-1]
    cents = (
        1200 / np.log(2) * np.abs(np.unwrap(angles)[[0, -1]] @ [-1, 1]) / (2 * np.pi * f0_hz * 9 * 100 / F.frames_per_s)
    )
    assert cents < 0.01
    assert np.abs(np.unwrap(angles) - angles[0]).max() < 0.1


def test_a_louder_mel_makes_louder_samples():
    sound = open_vocoder()
    louder = sound.network
    mel, melody = sung(100)
    samples = sound(mel, melody)
    inputs = quick.make_inputs(mel, melody.f0_hz, melody.voiced, F)
    context = sound.context_frames
    # The same filters for both.
    filters = louder(np.pad(inputs, ((context, 60), (0, 0)))[None])
    sound.network = lambda given: filters[:, : given.shape[1]]
    quiet, loud = sound(mel, melody)[30 * HOP : -30 * HOP], sound(mel + 1, melody)[30 * HOP : -30 * HOP]
    np.testing.assert_allclose(loud, np.e * quiet, atol=1e-4)
    assert samples.std() > 1e-3


def test_only_what_is_wanted_is_made_and_the_same_as_ever():
    sound = open_vocoder()
    mel, melody = sung(1000)
    whole = sound(mel, melody).reshape(1000, -1)
    wanted = np.zeros(1000, bool)
    wanted[40:61] = wanted[500:] = True
    samples = sound(mel, melody, wanted).reshape(1000, -1)
    inner = minimum_filter1d(wanted, 5)
    np.testing.assert_allclose(samples[inner], whole[inner], atol=1e-4 * whole.std())
    assert not samples[:40].any() and not samples[61:500].any()


def test_it_can_be_stopped_between_blocks(monkeypatch):
    sound = open_vocoder()
    monkeypatch.setattr(quick, "BLOCK_FRAMES", 64)
    mel, melody = sung(640)
    answers = iter([False, False, True])
    samples = sound(mel, melody, None, lambda: next(answers)).reshape(640, -1)
    assert samples[:128].any(axis=1).all() and not samples[128:].any()


def test_inputs_have_their_scales():
    mel, melody = sung(50)
    f0_hz = np.where(np.arange(50) < 25, melody.f0_hz, 0.0)
    for is_wide in (True, False):
        inputs = quick.make_inputs(mel, f0_hz, melody.voiced, F, is_wide=is_wide)
        assert inputs.shape == (50, quick.count_inputs(TINY)) and inputs.dtype == np.float32
        np.testing.assert_allclose(inputs[:, :80], (mel + 5) / 2)
        np.testing.assert_allclose(inputs[:, 80:160], features.harmonic_comb(f0_hz, F) / 2)
        np.testing.assert_allclose(inputs[:25, 160], np.log(f0_hz[:25] / 150), atol=1e-6)
        assert not inputs[25:, 160].any()
        assert (inputs[:, 161] == melody.voiced).all() and (inputs[:, 162] == is_wide).all()


def test_a_mel_of_noise_gives_its_level_back():
    spread = quick.spread_mel(F, 512)
    assert spread.bins.shape == (80, 257) and np.allclose(spread.bins.sum(axis=0), 1)
    flat = np.zeros((7, 80), np.float32) + spread.offset - 2
    level = quick.spread_level(flat, TINY)
    assert level.shape == (10, 257)
    np.testing.assert_allclose(level, -2, atol=1e-5)


def test_steps_lie_between_the_frames():
    np.testing.assert_allclose(quick.step_weights(1), [[0, 1, 0]])
    np.testing.assert_allclose(quick.step_weights(2), [[0.25, 0.75, 0], [0, 0.75, 0.25]])
    np.testing.assert_allclose(quick.step_weights(4).sum(axis=1), 1)


@pytest.mark.parametrize(("n_fft", "step"), [(512, 128), (1024, 256), (512, 64)])
def test_overlapping_windows_add_up_to_what_was_cut(n_fft, step):
    samples = RANDOM.normal(size=20 * step + n_fft - step).astype(np.float32)
    spectra = quick._short_time_spectra(samples, n_fft, step)
    made = quick.overlap_add(spectra, n_fft, step)
    margin = (n_fft - step) // 2
    assert len(spectra) == 20 and made.shape == (20 * step,)
    inner = slice(n_fft, -n_fft)
    np.testing.assert_allclose(made[inner], samples[margin:][: len(made)][inner], atol=1e-5)
