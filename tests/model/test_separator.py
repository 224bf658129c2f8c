"""The separator against the answer of its original (tools/porting/originals_separator.py), and as a stream."""

import numpy as np
import pytest

from voiceswap.errors import ModelError
from voiceswap.model import separator
from voiceswap.model.separator import N_BINS, _stretch

# The mask at frames 0, 100 ..., bins 0, 200 ..., left channel.
ORIGINAL = [
    [0.0868, 0.0306, 0.0004, 0.0224, 0.1195, 0.0372],
    [0.0001, 0.0030, 0.0200, 0.0193, 0.0121, 0.0397],
    [0.0003, 0.0007, 0.0006, 0.0087, 0.0106, 0.0140],
    [0.0001, 0.0006, 0.0031, 0.0081, 0.0265, 0.0117],
    [0.0000, 0.0000, 0.0237, 0.0019, 0.1320, 0.0600],
    [0.0000, 0.0000, 0.0003, 0.0021, 0.7271, 0.6467],
]
ORIGINAL_MEAN, ORIGINAL_STD = 0.09506, 0.24113
RATE = separator.SAMPLE_RATE_HZ
LEVEL_DB = -15.0


@pytest.fixture(scope="module")
def shipped():
    return separator.load_separator()


@pytest.fixture(scope="module")
def magnitudes():
    """The input of tools/porting/originals_separator.py."""
    random = np.random.default_rng(0)
    noise = np.abs(random.normal(0.0, 1.0, (512, 1024, 2)))
    uneven = np.exp(random.normal(0.0, 0.3, (512 + 1024, 2)).cumsum(axis=0) * 0.3)
    falling = 10 / (1 + np.arange(1024) / 20)
    return (noise * falling[:, None] * uneven[:512, None] * uneven[None, 512:]).astype(np.float32)


@pytest.fixture(scope="module")
def song():
    """17 s, two windows: a sung line in the middle over chords to the sides and a low drum."""
    random = np.random.default_rng(0)
    t = np.arange(17 * RATE) / RATE
    f0 = 220 * 2 ** (np.floor(t * 2) % 5 / 6) * (1 + 0.01 * np.sin(2 * np.pi * 5.5 * t))
    phase = 2 * np.pi * np.cumsum(f0) / RATE
    voice = 0.1 * sum(np.sin(k * phase) * np.exp(-(((k * f0 - 600) / 900) ** 2)) for k in range(1, 15))
    chords = [sum(np.sin(2 * np.pi * f * t + side) for f in (110, 138.6, 164.8)) * 0.05 for side in (0, 2)]
    drum = 0.3 * np.sin(2 * np.pi * 55 * t) * np.exp(-8 * (t % 0.5))
    mix = np.stack([voice + chord + drum for chord in chords], axis=1) + random.normal(0, 1e-3, (len(t), 2))
    return mix.astype(np.float32)


def separated(shipped, mix, block_samples):
    blocks = (mix[i : i + block_samples] for i in range(0, len(mix), block_samples))
    return np.concatenate([np.zeros_like(mix[:0]), *shipped.separate_vocals(blocks, LEVEL_DB)])


@pytest.fixture(scope="module")
def whole(shipped, song):
    return separated(shipped, song, len(song))


def test_mask_is_the_originals(magnitudes, shipped):
    mask = shipped.network(magnitudes[None])[0]
    assert mask.shape == magnitudes.shape
    assert (mask.mean(), mask.std()) == pytest.approx((ORIGINAL_MEAN, ORIGINAL_STD), rel=2e-3)
    # Large kernels rounded to half precision stray by .0075 at most over all of the mask, by .00007 unrounded.
    assert np.abs(mask[::100, ::200, 0] - ORIGINAL).max() < 0.01


def test_blocks_do_not_matter(shipped, song, whole):
    assert whole.dtype == np.float32
    assert whole.shape == song.shape
    assert np.isfinite(whole).all()
    assert np.array_equal(separated(shipped, song, 30_011), whole)


def test_masking_with_ones_gives_the_mix(shipped, song, monkeypatch):
    monkeypatch.setattr(shipped, "find_share", lambda magnitudes, _level, roughly: np.ones_like(magnitudes))
    assert np.abs(separated(shipped, song, 65_536) - song).max() < 1e-5


def test_windows_fade_into_each_other(shipped, song, monkeypatch):
    shares = iter([1.0, 0.0])
    monkeypatch.setattr(
        shipped, "find_share", lambda magnitudes, _level, roughly: np.full_like(magnitudes, next(shares))
    )
    hop = separator.HOP_SAMPLES
    flat = np.full_like(song, 0.5)
    gain = separated(shipped, flat, len(song))[:, 0] / 0.5
    start = (separator.CORE_FRAMES - 1 + separator.EDGE_FRAMES) * hop
    stop = start + (separator.OVERLAP_FRAMES - 2 * separator.EDGE_FRAMES) * hop
    assert np.abs(gain[: start - 2 * hop] - 1).max() < 1e-3
    assert np.abs(gain[stop + 2 * hop :]).max() < 1e-3
    # As straight as a line, over 2.2 s: no step anywhere.
    assert np.abs(np.diff(gain[::hop])).max() < 0.02


def test_voice_is_found(song, whole):
    power = np.square(np.abs(np.fft.rfft(whole[:, 0] * np.hanning(len(whole)))))
    before = np.square(np.abs(np.fft.rfft(song[:, 0] * np.hanning(len(song)))))
    hz = np.fft.rfftfreq(len(song), 1 / RATE)
    drum, sung = (hz > 40) & (hz < 70), (hz > 400) & (hz < 1200)
    assert power[drum].sum() < 0.05 * before[drum].sum()
    assert power[sung].sum() > 0.3 * before[sung].sum()


@pytest.mark.parametrize("n_samples", [0, 1, 5000])
def test_length_is_exact(shipped, song, n_samples):
    assert separated(shipped, song[:n_samples], 4096).shape == (n_samples, 2)


def test_mono_is_doubled_for_the_network(shipped, song):
    mono = song[: 3 * RATE, :1]
    found = separated(shipped, mono, 65_536)
    stereo = separated(shipped, np.repeat(mono, 2, axis=1), 65_536)
    assert found.shape == mono.shape
    # The network's two outputs differ a little even then; mono takes their mean.
    assert np.abs(found[:, 0] - stereo.mean(axis=1)).max() < 0.02 * np.abs(stereo).max()


def test_loudness_does_not_matter(song, shipped):
    mix = song[: 5 * RATE]
    loud, quiet = (
        np.concatenate(list(shipped.separate_vocals(iter([mix * gain]), LEVEL_DB + 20 * np.log10(gain))))
        for gain in (np.float32(1), np.float32(0.05))
    )
    assert np.abs(loud - 20 * quiet).max() < 1e-4 * np.abs(loud).max()


@pytest.mark.parametrize("semitones", [0, 3, 5, -2])
def test_a_raised_spectrum_is_read_back(semitones):
    ratio = 2 ** (semitones / 12)
    slope = np.repeat(np.linspace(0, 1, N_BINS, dtype=np.float32)[None, :, None], 2, axis=2)
    raised = _stretch(slope, 1 / ratio)
    # What lay at bin 100 lies at 100 * ratio now.
    assert raised[0, round(100 * ratio), 0] == pytest.approx(slope[0, 100, 0], abs=1 / N_BINS)
    n_seen = int((N_BINS - 1) / max(1, ratio))
    back = _stretch(raised, ratio)
    assert np.abs(back - slope)[:, :n_seen].max() < (1e-6 if ratio >= 1 else 1 - ratio)


def test_each_answer_counts_where_it_saw():
    """A network that finds voice only above the middle of what it sees: raised ones see it lower down."""
    half = np.where(np.arange(N_BINS) < N_BINS // 2, 0.0, 1.0).astype(np.float32)

    def network(shown):
        return np.broadcast_to(half[:, None], shown.shape)

    magnitudes = np.ones((separator.WINDOW_FRAMES, N_BINS, 2), np.float32)
    share = separator.Separator(network).find_share(magnitudes, LEVEL_DB)
    mean_mask = share[0, :, 0] ** (1 / separator.MASK_EXPONENT)
    n = len(separator.TRANSPOSITIONS_SEMITONES)
    steps = sorted(N_BINS // 2 / 2 ** (s / 12) for s in separator.TRANSPOSITIONS_SEMITONES)
    for i, (low, high) in enumerate(zip([0, *steps], [*steps, N_BINS], strict=True)):
        assert mean_mask[int(low) + 2 : int(high) - 2] == pytest.approx(i / n, abs=1e-5)
    # One look goes up to the highest bin as well.
    (semitones,) = separator.ROUGH_TRANSPOSITIONS_SEMITONES
    rough, step = (
        separator.Separator(network).find_share(magnitudes, LEVEL_DB, roughly=True)[0, :, 0],
        2 ** (semitones / 12),
    )
    assert not rough[: int(N_BINS / 2 / step) - 2].any()
    assert rough[int(N_BINS / 2 / step) + 2 :] == pytest.approx(1, abs=1e-5)


def test_silence_stays_silent(shipped):
    assert not separated(shipped, np.zeros((RATE, 2), np.float32), 65_536).any()


def test_missing_weights(tmp_path):
    with pytest.raises(ModelError, match="there is no separator"):
        separator.load_separator(tmp_path / "nothing")
