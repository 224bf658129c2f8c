"""Windows, seams, exactness of length, silence."""

import dataclasses
import itertools
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.signal

from voiceswap.audio.channels import mix_to_mono
from voiceswap.audio.resample import resample
from voiceswap.audio.source import array_source
from voiceswap.conversion import engine, stream, windows
from voiceswap.conversion.analysis import analyse
from voiceswap.conversion.engine import Settings
from voiceswap.conversion.stream import channel_gains, convert_stream, soft_clip
from voiceswap.model.base import load_base
from voiceswap.model.vocoders import Melody, hifigan
from voiceswap.signal import features, loudness, synthetic
from voiceswap.signal.formants import shift_formants


def test_the_encoder_hears_a_short_recording_more_than_once(voice):
    f, heard = voice.config.features, []

    class Listening:
        def encode_window(self, mel):
            heard.append(mel)
            return voice.engine.encoder.encode_window(mel)

    spoken = synthetic.speech(synthetic.BORIS, 1.0, seed=0).samples.astype(np.float32)
    source = array_source(spoken[:, None], 22_050)
    found = analyse(source, voice.config)
    networks = dataclasses.replace(voice.engine, encoder=Listening())
    list(convert_stream(source, found, networks, Settings()))
    (mel,) = heard
    per_s = f.content_rate_hz // f.content_hop_samples
    grid = windows.Grid.of(voice.config)
    first, again = 2 * grid.before_vectors, 2 * grid.before_vectors + len(spoken) * per_s // 22_050 + per_s
    n = min(60, len(mel) - again - 2)
    assert n > 20
    apart = [np.abs(mel[again + i : again + i + n] - mel[first : first + n])[4:].mean() for i in (-1, 0, 1)]
    assert min(apart) < 0.2 * np.abs(mel[first : first + n] - mel.min())[4:].mean()


def test_the_melody_and_the_formants_move_by_what_is_told(voice):
    f = voice.config.features
    spoken = synthetic.speech(synthetic.BORIS, 3.0, seed=0).samples.astype(np.float32)
    source = array_source(spoken[:, None], 22_050)
    found = analyse(source, voice.config)
    peaks = np.random.default_rng(0).normal(-5, 1, (1, f.n_mels)).astype(np.float32)
    told, mels = [], []

    def decode(content, conditions):
        told.append(conditions[:, 1])
        return np.repeat(peaks, len(content), axis=0)

    networks = dataclasses.replace(voice.engine, speaker=SimpleNamespace(decode=decode))
    shaping = Settings(5.0, 3.0, 0.0)
    list(convert_stream(source, found, networks, shaping, lambda content, mel: mels.append(mel)))
    (log_f0,), (mel,) = told, mels
    voiced = found.f0_hz[: len(mel)] > 0
    assert voiced.sum() > 100
    melody = log_f0[windows.Grid.of(voice.config).margin_frames :][: len(mel)][voiced]
    spoken_log_f0 = np.log(found.f0_hz[: len(mel)][voiced] / features.F0_CENTRE_HZ)
    np.testing.assert_allclose(12 / np.log(2) * (melody - spoken_log_f0), 5.0, atol=1e-3)
    # Elsewhere there may be the source's breath.
    inner = np.convolve(voiced, np.ones(9), "same") == 9
    np.testing.assert_allclose(mel[inner], np.repeat(shift_formants(peaks, 3.0, f), inner.sum(), axis=0), atol=1e-3)


def test_peaks_are_bent_and_the_rest_is_left_alone():
    samples = np.linspace(-3, 3, 1001).astype(np.float32)
    bent = soft_clip(samples)
    assert np.abs(bent).max() < 1 and np.all(np.diff(bent) >= 0)
    inside = np.abs(samples) <= stream.KNEE
    np.testing.assert_array_equal(bent[inside], samples[inside])


def test_digital_silence_costs_no_vocoder_and_changes_nothing(voice, monkeypatch):
    spoken = synthetic.speech(synthetic.BORIS, 3.0, seed=0).samples
    samples = np.concatenate([spoken, np.zeros(5 * 22_050), spoken]).astype(np.float32)
    sound, asked = voice.engine.get_vocoder("fast"), []
    say = sound.network
    monkeypatch.setattr(sound, "network", lambda mel: asked.append(mel.shape[1]) or say(mel))
    made = voice.convert(samples, 22_050, mark=False)
    n_left_out = sum(asked)
    asked.clear()
    monkeypatch.setattr(engine, "find_sounding", lambda samples, hop: np.ones(len(samples) // hop, bool))
    np.testing.assert_allclose(made, voice.convert(samples, 22_050, mark=False), atol=1e-5)
    assert np.abs(made).max() > 0.01 and n_left_out < 0.7 * sum(asked)


def test_who_stops_listening_waits_for_a_block_not_for_a_window(voice, monkeypatch):
    spoken = synthetic.speech(synthetic.BORIS, 60.0, seed=0).samples.astype(np.float32)
    source = array_source(spoken[:, None], 22_050)
    found, n_threads = analyse(source, voice.config), threading.active_count()
    sound, n_blocks, second = voice.engine.get_vocoder("fast"), [0], threading.Event()
    say = sound.network

    def slowly(mel):
        n_blocks[0] += 1
        if n_blocks[0] > n_of_first:
            second.set()
            time.sleep(0.2)
        return say(mel)

    monkeypatch.setattr(sound, "network", slowly)
    monkeypatch.setattr(hifigan, "BLOCK_FRAMES", 64)
    grid = windows.Grid.of(voice.config)
    n_of_first = round((grid.core_frames + 2 * grid.vocoded_frames) / 64)
    made = convert_stream(source, found, voice.engine, Settings())
    assert len(next(made)) and second.wait(60)
    made.close()
    # Of the second window one block, or two: that which was being made.
    assert n_of_first < n_blocks[0] <= n_of_first + 2 < 2 * n_of_first
    assert threading.active_count() == n_threads


def test_the_melody_goes_on_from_window_to_window(voice, monkeypatch):
    spoken = synthetic.speech(synthetic.BORIS, 14.0, seed=0).samples.astype(np.float32)
    source = array_source(spoken[:, None], 22_050)
    found, told = analyse(source, voice.config), []
    sound = voice.engine.get_vocoder("fast")
    monkeypatch.setattr(
        type(sound), "__call__", lambda self, mel, melody, *rest: told.append(melody) or mel[:, 0].repeat(256)
    )
    list(convert_stream(source, found, voice.engine, Settings(3.0)))
    f, grid = voice.config.features, windows.Grid.of(voice.config)
    assert len(told) == 3
    for i, melody in enumerate(told):
        assert melody.first_frame == i * grid.core_frames - grid.vocoded_frames
    for before, after in itertools.pairwise(told):
        # Both say the same of the frames that they share.
        n_shared = before.first_frame + len(before.f0_hz) - after.first_frame
        assert n_shared == 2 * grid.vocoded_frames
        for name in ("f0_hz", "voiced", "phase"):
            np.testing.assert_array_equal(getattr(before, name)[-n_shared:], getattr(after, name)[:n_shared])
    # And F0 is what the phase rises by.
    steps = np.diff(told[1].phase) % 1.0
    rises = (told[1].f0_hz[1:] + told[1].f0_hz[:-1]) / 2 / f.frames_per_s
    np.testing.assert_allclose(steps, rises % 1.0, atol=1e-4)
    assert told[1].f0_hz.max() > 0


def test_windows_of_the_quick_vocoder_leave_no_seam(voice, use_quick):
    spoken = synthetic.speech(synthetic.BORIS, 14.0, seed=0).samples.astype(np.float32)
    source = array_source(spoken[:, None], 22_050)
    found, settings = analyse(source, voice.config), Settings(3.0, vocoder="quick")
    mels, told = [], []
    opened = dataclasses.replace(voice.engine, get_vocoder=load_base(use_quick).get_vocoder)
    vocode = engine.Engine.vocode

    class Watching(engine.Engine):
        def vocode(self, decoded, controls, settings, stopped=None):
            told.append((decoded, vocode(self, decoded, controls, settings, stopped) * controls.gain))
            return told[-1][1] / controls.gain

    watching = Watching(**{field.name: getattr(opened, field.name) for field in dataclasses.fields(opened)})
    list(convert_stream(source, found, watching, settings, lambda content, mel: mels.append(mel)))
    f, grid = voice.config.features, opened.grid("quick")
    assert len(told) == 3 and grid.vocoded_frames != windows.Grid.of(voice.config).vocoded_frames
    # The whole in one piece.
    mel = np.concatenate(mels)
    first = told[0][0].melody.first_frame + grid.vocoded_frames
    parts = [
        decoded.melody.cut(grid.vocoded_frames, grid.vocoded_frames + len(own))
        for (decoded, _), own in zip(told, mels, strict=True)
    ]
    joined = [np.concatenate([getattr(part, name) for part in parts]) for name in ("f0_hz", "voiced", "phase")]
    whole = opened.get_vocoder("quick")(mel, Melody(*joined, first))
    source_samples = np.concatenate(
        [decoded.samples[grid.vocoded_frames * f.hop_samples :][: decoded.n_core] for decoded, _ in told]
    )
    whole = whole[: len(source_samples)]
    followed = whole * loudness.follow_gain(whole, source_samples, f.mel_rate_hz)
    made = np.concatenate([samples for _, samples in told])
    edge = (grid.vocoded_frames + 30) * f.hop_samples
    assert made.std() > 1e-3
    np.testing.assert_allclose(made[edge:-edge], followed[edge:-edge], atol=1e-2 * made.std())


@pytest.mark.parametrize("offsets", [(0.03,), (0.03, -0.02)])
def test_an_offset_is_not_heard_in_the_pauses(voice, offsets):
    spoken = synthetic.speech(synthetic.BORIS, 4.0, sample_rate_hz=44_100, seed=0).samples
    samples = np.stack([spoken] * len(offsets), axis=-1).astype(np.float32)
    plain, offset = (voice.convert(x, 44_100, mark=False) for x in (samples, samples + np.float32(offsets)))
    for ours, theirs in zip(plain.T, offset.T, strict=True):
        levels, offset_levels = (loudness.frame_levels_db(x, 44_100) for x in (ours, theirs))
        assert np.percentile(levels, 5) < levels.max() - 20
        np.testing.assert_allclose(offset_levels, levels, atol=1)


def test_a_breath_that_the_voice_does_not_draw_is_the_sources(voice):
    f = voice.config.features
    spoken = synthetic.speech(synthetic.BORIS, 3.0, seed=0).samples.astype(np.float32)
    level = np.sqrt(np.mean(spoken**2))
    drawn = np.random.default_rng(0).normal(0, level * 10 ** (-30 / 20), 22_050).astype(np.float32)
    source = array_source(np.concatenate([spoken, drawn, spoken])[:, None], 22_050)
    found = analyse(source, voice.config)
    shaping = Settings()

    def silent(content, conditions):
        return np.full((len(content), f.n_mels), features.SILENT_MEL, np.float32)

    mels = []
    networks = dataclasses.replace(voice.engine, speaker=SimpleNamespace(decode=silent))
    list(convert_stream(source, found, networks, shaping, lambda content, mel: mels.append(mel)))
    heard, n = np.concatenate(mels), round(3.2 * f.frames_per_s)
    gain = 10 ** ((f.speech_level_db - found.level_db) / 20)
    breathed = features.decoder_mel(drawn * gain, f)
    assert np.abs(heard[n : n + 40].mean(axis=0) - breathed.mean(axis=0)).mean() < 0.3
    # What is said is left to the voice.
    said = heard[: round(2.9 * f.frames_per_s)][found.f0_hz[: round(2.9 * f.frames_per_s)] > 0]
    np.testing.assert_allclose(said, features.SILENT_MEL, atol=1e-3)


def test_a_hiss_above_any_voice_is_the_sources(voice):
    rate = 44_100
    spoken = synthetic.speech(synthetic.BORIS, 3.0, seed=0).samples.astype(np.float32)
    spoken = resample(spoken, 22_050, rate)
    hissed = np.random.default_rng(0).normal(0, np.sqrt(np.mean(spoken**2)) / 10, rate).astype(np.float32)
    made = voice.convert(np.concatenate([spoken, hissed, spoken]), rate, mark=False)
    part = slice(len(spoken) + rate // 5, len(spoken) + 4 * rate // 5)
    band = scipy.signal.butter(8, 12_000, "highpass", fs=rate, output="sos")
    ours, theirs = (
        scipy.signal.sosfilt(band, samples)[part] for samples in (made, np.concatenate([spoken, hissed, spoken]))
    )
    assert np.mean((ours - theirs) ** 2) < 0.01 * np.mean(theirs**2)
    assert not voice.convert(np.full(rate, 1e-6, np.float32), rate, mark=False).any()


@pytest.mark.parametrize("n_channels", [2, 6, 8])
def test_what_is_in_one_channel_alone_stays_as_loud(n_channels):
    samples = np.zeros((22_050, n_channels), np.float32)
    samples[:, 0] = np.random.default_rng(0).normal(0, 0.1, 22_050)
    signs = np.ones(n_channels, np.float32)
    shares = channel_gains(samples, signs, 22_050)
    np.testing.assert_allclose(shares[:, 0] * mix_to_mono(samples, signs), samples[:, 0], atol=1e-5)
