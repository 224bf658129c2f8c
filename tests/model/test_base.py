"""The base: its vocoders, and the shipped networks against answers of their originals."""

import numpy as np
import pytest

from voiceswap.errors import UsageError
from voiceswap.model import base
from voiceswap.model.encoder import open_without_map
from voiceswap.model.networks import hifigan as hifigan_network
from voiceswap.model.runtime import open_network
from voiceswap.model.vocoders.low_rank import SLIM, check_ranks
from voiceswap.model.weights import expected_arrays, load_arrays
from voiceswap.signal import features, synthetic


def test_the_fast_vocoder_says_what_the_best_says():
    shipped = base.load_base()
    f = shipped.config.features
    mel = features.decoder_mel(synthetic.speech(synthetic.ANNA, 2.0, sample_rate_hz=f.mel_rate_hz).samples, f)
    best, fast = shipped.get_vocoder("best")(mel), shipped.get_vocoder("fast")(mel)
    assert fast.dtype == np.float32 and np.abs(fast - best).max() > 0
    apart = np.abs(features.decoder_mel(fast, f) - features.decoder_mel(best, f)).mean()
    assert apart < 0.35


def test_a_base_without_a_slim_vocoder_has_the_whole_one(tiny_base):
    tiny = base.load_base(tiny_base)
    assert tiny.get_vocoder("fast") is tiny.get_vocoder("best")


def test_a_base_may_have_a_quick_vocoder_and_is_the_same_base(tiny_base, quick_base):
    with_it, without = base.load_base(quick_base), base.load_base(tiny_base)
    assert with_it.id == without.id
    sound = with_it.get_vocoder("quick")
    assert sound is with_it.get_vocoder("quick") and type(sound).__name__ == "QuickVocoder"
    with pytest.raises(UsageError, match='the vocoder "quick" is not part of this base'):
        without.get_vocoder("quick")


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
    """The inputs of tools/porting/originals.py, drawn in its order."""
    random = np.random.default_rng(0)
    speech = np.clip(random.normal(0.0, 0.5, (1, 80, 3000)).cumsum(axis=2) * 0.05, -1, 1).astype(np.float32)
    return speech[0].T, (random.normal(0.0, 1.5, (60, 80)) - 5).astype(np.float32)


def test_encoder_answers_as_whisper(inputs):
    shipped = base.load_base()
    uncut = open_without_map(shipped.config, shipped.arrays("encoder"))
    answer = uncut.network(inputs[0][None])[0]
    assert answer.std() == pytest.approx(WHISPER_STD, rel=0.001)
    assert np.abs(answer[::200, :300:100] - WHISPER).max() < 0.01 * WHISPER_STD


def test_vocoder_answers_as_hifigan(inputs):
    shipped = base.load_base()
    arrays = shipped.arrays("vocoder")
    answer = open_network("hifigan", shipped.config, read=lambda expected: arrays)(inputs[1][None])[0]
    assert answer.std() == pytest.approx(HIFIGAN_STD, rel=0.01)
    # Weights rounded to half precision stray by .025; in single precision by .0001 (docs/lab/ports.md).
    assert np.abs(answer[1000::1500] - HIFIGAN).max() < 0.03 * HIFIGAN_STD


@pytest.mark.parametrize("vocoder", ["fast", "best"])
def test_shipped_networks_say_what_keras_says_of_speech(vocoder):
    """With the shipped weights, on speech: where an error that random weights hide would show."""
    shipped = base.load_base()
    f = shipped.config.features
    ranks = check_ranks(shipped.card[SLIM], shipped.config) if vocoder == "fast" else None
    model = hifigan_network.build(shipped.config, ranks)
    load_arrays(model, shipped.get_vocoder(vocoder).network._read(expected_arrays(model)))
    speech = synthetic.speech(synthetic.ANNA, 2.0, sample_rate_hz=f.mel_rate_hz).samples
    mel = features.decoder_mel(speech, f)
    wanted = model.predict_on_batch(mel[None])[0]
    inner = slice(30 * f.hop_samples, -30 * f.hop_samples)
    made = shipped.get_vocoder(vocoder).network(
        np.pad(mel, ((shipped.config.vocoder.context_frames,) * 2, (0, 0)), mode="edge")[None]
    )[0]
    apart = np.sqrt(np.mean((made - wanted)[inner] ** 2)) / wanted[inner].std()
    assert apart < 1e-4
