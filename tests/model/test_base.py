"""The base: its vocoders, and the shipped networks against answers of their originals."""

import keras
import numpy as np
import pytest

from voiceswap.model import base, processor
from voiceswap.model.networks import hifigan as hifigan_network
from voiceswap.model.networks import layers
from voiceswap.model.vocoders.hifigan import inner_convolutions
from voiceswap.model.weights import load_arrays
from voiceswap.signal import features, synthetic


@pytest.mark.parametrize(
    ("flags", "dtype", "slim", "most"),
    [
        ("avx512_bf16 amx_bf16", "bfloat16", False, 0.1),
        ("avx512_bf16", "bfloat16", True, 0.35),
        ("avx2", "float32", True, 0.35),
    ],
)
def test_the_fast_vocoder_says_what_the_best_says(monkeypatch, flags, dtype, slim, most):
    monkeypatch.setattr(processor, "processor_flags", lambda: frozenset(flags.split()))
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    shipped = base.load_base()
    inner = shipped.get_vocoder("fast").network.model.get_layer(next(iter(inner_convolutions(shipped.config))))
    assert (inner.compute_dtype, isinstance(inner, layers.LowRankConv1D)) == (dtype, slim)
    f = shipped.config.features
    mel = features.decoder_mel(synthetic.speech(synthetic.ANNA, 2.0, sample_rate_hz=f.mel_rate_hz).samples, f)
    best, fast = shipped.get_vocoder("best")(mel), shipped.get_vocoder("fast")(mel)
    assert fast.dtype == np.float32 and np.abs(fast - best).max() > 0
    apart = np.abs(features.decoder_mel(fast, f) - features.decoder_mel(best, f)).mean()
    assert apart < most


@pytest.mark.parametrize("half", [True, False])
def test_a_base_without_a_slim_vocoder_has_the_whole_one(monkeypatch, tiny_base, half):
    monkeypatch.setattr(base, "has_amx", lambda: False)
    monkeypatch.setattr(base, "is_bfloat16_quick", lambda: half)
    tiny = base.load_base(tiny_base)
    assert tiny.low_rank_vocoder() is None and (tiny.get_vocoder("fast") is tiny.get_vocoder("best")) is not half
    inner = tiny.get_vocoder("fast").network.model.get_layer("conv_in")
    assert inner.compute_dtype == ("bfloat16" if half else "float32")


# Rows 0, 200, 400 ... of columns 0, 100, 200 of the Whisper encoder's answer, and its standard deviation.
WHISPER = [
    [-1.3585, -0.9369, -0.2298],
    [-0.7279, 0.8811, -0.0532],
    [-0.1409, 1.0244, 0.3019],
    [-0.1575, 0.7244, -0.5379],
    [0.3032, 1.0019, 0.2725],
    [-0.6574, 0.5068, -0.4618],
    [-0.9449, 0.7264, 0.0108],
    [-1.4803, 0.3192, -0.6709],
]


WHISPER_STD = 1.5098


# Samples 1000, 2500, 4000 ... of HiFi-GAN's answer, and its standard deviation.
HIFIGAN = [0.00718, 0.00773, -0.00194, 0.01214, -0.01939, -0.00273, 0.0002, 0.01754, -0.00612, -0.01009]


HIFIGAN_STD = 0.013849


@pytest.fixture(scope="module")
def inputs():
    """The inputs of benchmarks/originals.py, drawn in its order."""
    random = np.random.default_rng(0)
    speech = np.clip(random.normal(0.0, 0.5, (1, 80, 3000)).cumsum(axis=2) * 0.05, -1, 1).astype(np.float32)
    return speech[0].T, (random.normal(0.0, 1.5, (60, 80)) - 5).astype(np.float32)


# With attention in bfloat16, where that is quicker, the answer strays by .02 of its spread.
@pytest.mark.parametrize(("half", "most"), [(False, 0.01), (True, 0.06)])
def test_encoder_answers_as_whisper(inputs, monkeypatch, half, most):
    monkeypatch.setattr(processor, "is_bfloat16_quick", lambda: half)
    network = base.load_base().encoder.network.model
    assert network.get_layer("attention_0").compute_dtype == ("bfloat16" if half else "float32")
    uncut = keras.Model(network.input, network.get_layer("norm").output)
    answer = uncut.predict_on_batch(inputs[0][None])[0]
    assert answer.std() == pytest.approx(WHISPER_STD, rel=most / 10)
    assert np.abs(answer[::200, :300:100] - WHISPER).max() < most * WHISPER_STD


def test_vocoder_answers_as_hifigan(inputs):
    shipped = base.load_base()
    network = hifigan_network.build(shipped.config)
    load_arrays(network, shipped.arrays("vocoder"))
    answer = network.predict_on_batch(inputs[1][None])[0]
    assert answer.std() == pytest.approx(HIFIGAN_STD, rel=0.01)
    # Weights rounded to half precision stray by .025; in single precision by .0001 (docs/measurements.md).
    assert np.abs(answer[1000::1500] - HIFIGAN).max() < 0.03 * HIFIGAN_STD
