"""One window through the networks: the same whoever asks, no file, no thread, nothing of the source kept."""

import threading

import numpy as np
import pytest

from voiceswap.audio.channels import mix_to_mono
from voiceswap.audio.source import array_source
from voiceswap.conversion import engine
from voiceswap.conversion.analysis import analyse
from voiceswap.conversion.engine import Controls, Settings
from voiceswap.conversion.stream import convert_stream
from voiceswap.conversion.windows import Grid, cut_windows, mix_and_resample
from voiceswap.model.vocoders import Melody
from voiceswap.signal import features, synthetic
from voiceswap.signal.f0 import interpolate_f0, transpose_f0
from voiceswap.training.batches import crop
from voiceswap.training.dataset import Clip

SETTINGS = Settings(pitch_semitones=4.0, formant_semitones=1.0, protect=0.3)


@pytest.fixture
def source():
    spoken = synthetic.speech(synthetic.BORIS, 2.0, seed=0).samples.astype(np.float32)
    return array_source(spoken[:, None], 22_050)


def one_window(voice, source):
    """The window that a short source is, at both rates, and its controls."""
    f, grid = voice.config.features, Grid.of(voice.config)
    analysis = analyse(source, voice.config)
    vector, margin = 2 * f.content_hop_samples, grid.margin_frames * f.hop_samples
    (heard,) = cut_windows(
        mix_and_resample(source.open(), analysis.signs, source.sample_rate_hz, f.content_rate_hz),
        grid.core_vectors * vector,
        grid.before_vectors * vector,
        grid.after_vectors * vector,
    )
    (seen,) = cut_windows(
        mix_and_resample(source.open(), analysis.signs, source.sample_rate_hz, f.mel_rate_hz),
        grid.core_frames * f.hop_samples,
        margin,
        margin,
    )
    n_frames = grid.core_frames + 2 * grid.margin_frames
    f0_hz = transpose_f0(interpolate_f0(analysis.f0_hz, f.frames_per_s), SETTINGS.pitch_semitones, f)
    after = n_frames - grid.margin_frames - len(f0_hz)
    f0_hz = np.pad(f0_hz, (grid.margin_frames, after), mode="edge")
    voiced = np.pad(analysis.f0_hz > 0, (grid.margin_frames, after))
    gain = np.float32(10 ** ((f.speech_level_db - analysis.level_db) / 20))
    melody = Melody.of(f0_hz, voiced, f, -grid.margin_frames)
    return analysis, heard, seen, Controls(melody, gain)


def test_a_window_by_hand_is_what_a_stream_of_one_window_gives(voice, source, monkeypatch):
    analysis, heard, seen, controls = one_window(voice, source)
    n_threads = threading.active_count()
    content = voice.engine.encode(heard, controls.gain, None)
    decoded = voice.engine.decode(content, seen, controls, SETTINGS)
    samples = voice.engine.vocode(decoded, controls, SETTINGS)
    assert threading.active_count() == n_threads
    n_samples = mix_to_mono(next(source.open()), analysis.signs).size
    assert samples.shape == (n_samples,) and samples.dtype == np.float32
    mels = []
    # What a stream does after the engine: hiss, channels, silence, soft clipping.
    monkeypatch.setattr("voiceswap.conversion.stream.breath.hiss", lambda samples, *_: np.zeros_like(samples))
    converted = np.concatenate(
        list(convert_stream(source, analysis, voice.engine, SETTINGS, lambda content, mel: mels.append(mel)))
    )
    np.testing.assert_array_equal(np.concatenate(mels), decoded.own_mel)
    # ... which fades what begins and ends abruptly.
    inner = slice(500, -500)
    np.testing.assert_allclose(converted[inner, 0], samples[inner], atol=1e-5)


def test_the_engine_keeps_nothing_of_a_window(voice, source):
    _, heard, seen, controls = one_window(voice, source)

    def convert():
        content = voice.engine.encode(heard, controls.gain, None)
        return voice.engine.vocode(voice.engine.decode(content, seen, controls, SETTINGS), controls, SETTINGS)

    np.testing.assert_array_equal(convert(), convert())


def test_training_and_conversion_give_a_decoder_the_same(voice, source):
    """One function for both: a crop in the middle of a clip has the rows that the whole has there."""
    f = voice.config.features
    samples = next(source.open())[:, 0]
    mel = features.decoder_mel(samples, f).astype(np.float16)
    analysis = analyse(source, voice.config)
    f0_hz = analysis.f0_hz[: len(mel)]
    n_vectors = round(len(mel) * f.content_per_s / f.frames_per_s)
    content = np.random.default_rng(0).normal(size=(n_vectors, voice.config.encoder.content_dim)).astype(np.float16)
    clip = Clip((content,), mel, f0_hz, voice.path)
    first, n = 40, voice.config.train.crop_frames
    batch = crop(clip, 0, first, 0, voice.config)
    at_frames, conditions = features.decoder_inputs(content, mel, interpolate_f0(f0_hz, f.frames_per_s), f0_hz > 0, f)
    np.testing.assert_array_equal(batch.content[0], at_frames[first : first + n])
    np.testing.assert_allclose(batch.conditions[0], conditions[first : first + n], atol=1e-6)


def test_what_sounds_is_found_with_its_surroundings():
    hop = 4
    samples = np.zeros(100 * hop, np.float32)
    samples[50 * hop] = 0.1
    sounding = engine.find_sounding(samples, hop)
    near = np.abs(np.arange(100) - 50) <= engine.FOLLOW_FRAMES
    np.testing.assert_array_equal(sounding, near)


def test_the_unvoiced_share_goes_from_frame_to_frame():
    share = engine.unvoiced_share(np.array([True, False, True]), 4)
    assert share.shape == (12,) and share.dtype == np.float32
    assert share[:3].tolist() == [0, 0, 0] and share[6] == 1 and share[5] == share[7] == 0.75 and share[-2] == 0
