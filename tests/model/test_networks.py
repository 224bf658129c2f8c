"""What every network must keep: shapes, batch = singles, blocks = whole, weights there and back."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import minimum_filter1d

from conftest import TINY
from voiceswap.config import VocoderConfig
from voiceswap.errors import ModelError
from voiceswap.jobs.pretrain import principal_components
from voiceswap.model import base, encoder, processor, runtime
from voiceswap.model.decoder import N_SCALARS
from voiceswap.model.networks import decoder as decoder_network
from voiceswap.model.networks import discriminator, layers
from voiceswap.model.networks import discriminator as adversary
from voiceswap.model.networks import encoder as encoder_network
from voiceswap.model.networks import hifigan as hifigan_network
from voiceswap.model.processor import has_amx, is_bfloat16_quick, splits_dilated, uses_onednn
from voiceswap.model.runtime import Graph
from voiceswap.model.vocoders import hifigan as vocoder
from voiceswap.model.vocoders.hifigan import inner_convolutions
from voiceswap.model.vocoders.low_rank import check_ranks, expected_low_rank, pack_low_rank, unpack_low_rank
from voiceswap.model.weights import expected_arrays, load_arrays, quantise_int8, to_arrays
from voiceswap.signal import features, synthetic
from voiceswap.signal.spectral_correction import correct_mel

RANDOM = np.random.default_rng(0)


def frames(n, config=TINY):
    content = RANDOM.normal(size=(2, n, config.encoder.content_dim)).astype(np.float32)
    conditions = RANDOM.normal(size=(2, n, N_SCALARS + config.features.n_mels)).astype(np.float32)
    return [content, conditions, np.array([0, 1], np.int32)]


@pytest.mark.parametrize("part", base.NETWORKS)
def test_weights_go_there_and_back(part):
    keras.utils.set_random_seed(1)
    first, second = runtime.build(base.NETWORKS[part], TINY), runtime.build(base.NETWORKS[part], TINY)
    arrays = to_arrays(first, "float32")
    assert {k: a.shape for k, a in arrays.items()} == {k: shape for k, (shape, _) in expected_arrays(first).items()}
    load_arrays(second, arrays)
    for name, array in to_arrays(second, "float32").items():
        np.testing.assert_array_equal(array, arrays[name])


@pytest.mark.parametrize("n", [1, 5, 40])
def test_decoder_of_a_batch_is_that_of_singles(n):
    model, inputs = decoder_network.build(TINY), frames(n)
    together = model.predict_on_batch(inputs)
    assert together.shape == (2, n, TINY.features.n_mels)
    for i in range(2):
        alone = model.predict_on_batch([x[i : i + 1] for x in inputs])
        np.testing.assert_allclose(together[i], alone[0], atol=1e-4)


def test_decoder_hears_no_further_than_it_says():
    model, inputs = decoder_network.build(TINY), frames(60)
    before = model.predict_on_batch(inputs)
    inputs[0][:, 30] += 100.0
    changed = np.abs(model.predict_on_batch(inputs) - before).max(axis=(0, 2)) > 0
    reach = TINY.decoder.context_frames
    assert changed[30] and not changed[: 30 - reach].any() and not changed[31 + reach :].any()


def test_vocoder_in_blocks_is_vocoder_in_one_piece():
    keras.utils.set_random_seed(2)
    sound = vocoder.HifiGan(Graph(hifigan_network.build(TINY)), TINY)
    for n in (1, 100, vocoder.BLOCK_FRAMES + 50, 2 * vocoder.BLOCK_FRAMES + 7, 3 * vocoder.BLOCK_FRAMES - 1):
        mel = (RANDOM.normal(size=(n, 80)) - 5).astype(np.float32)
        inner = slice(40, -40)
        whole = correct_mel(sound.network(mel[None])[0], mel, TINY.features).reshape(n, -1)
        made = sound(mel).reshape(n, -1)
        np.testing.assert_allclose(made[inner], whole[inner], atol=1e-6)
    assert len(sound(mel[:0])) == 0
    assert sound.network._run.experimental_get_tracing_count() == 1


@pytest.mark.parametrize("rates", [(8, 8, 2, 2), (4, 4, 4, 4), (2, 128)])
def test_what_is_context_alone_is_left_out_and_changes_nothing(rates):
    sizes = {"upsample_rates": rates, "upsample_kernels": tuple(2 * rate for rate in rates)}
    blocks = {"block_kernels": (3, 5), "block_dilations": (1, 3)}
    config = TINY.model_copy(update={"vocoder": VocoderConfig(channels=16, **sizes, **blocks)})
    whole, left_out = hifigan_network.build(config), hifigan_network.build(config, context_only=True)
    load_arrays(left_out, to_arrays(whole, "float32"))
    # What lies beyond the context shall not count either, so it is loud.
    mel = (RANDOM.normal(size=(1, 60, 80)) * 3).astype(np.float32)
    context = config.vocoder.context_frames * config.features.hop_samples
    made = left_out.predict_on_batch(mel)
    np.testing.assert_allclose(made, whole.predict_on_batch(mel)[:, context:-context], atol=1e-6)
    assert made.std() > 1e-3
    assert hifigan_network._surplus(config)[0] > 0, "most of the context is done with after the first stage"


def counting():
    """A vocoder that gives silence, and the frames its network is asked for."""
    sound, blocks = vocoder.HifiGan(Graph(hifigan_network.build(TINY)), TINY), []

    def say(mel):
        blocks.append(mel.shape[1])
        return np.zeros((1, mel.shape[1] * TINY.features.hop_samples))

    sound.network = say
    return sound, blocks


@pytest.mark.parametrize("n", [1, 31, 310, 383, 384, 1000, 2300])
def test_a_short_recording_does_not_pay_for_a_long_one(n):
    sound, blocks = counting()
    assert len(sound(np.zeros((n, 80), np.float32))) == n * TINY.features.hop_samples
    context = 2 * TINY.vocoder.context_frames
    own = [frames - context for frames in blocks]
    assert len(set(own)) == 1 and own[0] <= 1.5 * vocoder.BLOCK_FRAMES
    assert n <= sum(own) < n + len(own) * vocoder.BLOCK_STEP


def test_only_what_is_wanted_is_made_and_the_same_as_ever():
    keras.utils.set_random_seed(2)
    network = hifigan_network.build(TINY)
    mel = (RANDOM.normal(size=(1000, 80)) - 5).astype(np.float32)
    whole = vocoder.HifiGan(Graph(network), TINY)(mel).reshape(1000, -1)
    wanted = np.zeros(1000, bool)
    wanted[40:61] = wanted[500:] = True
    made = vocoder.HifiGan(Graph(network), TINY)(mel, wanted).reshape(1000, -1)
    # Only the frames that reach into what was left out differ.
    inner = minimum_filter1d(wanted, 9)
    np.testing.assert_allclose(made[inner], whole[inner], atol=1e-6)
    assert whole.any(axis=1).all() and not made[:36].any() and not made[65:496].any()
    silent, blocks = counting()
    assert not silent(mel, np.zeros(1000, bool)).any() and not blocks


@given(wanted=st.lists(st.booleans(), max_size=60), gap=st.integers(0, 8))
def test_pieces_hold_what_is_wanted_and_leave_out_the_gaps(wanted, gap):
    wanted = np.array(wanted, bool)
    held = np.zeros(len(wanted), bool)
    for start, stop in vocoder.find_pieces(wanted, gap):
        assert start < stop and not held[max(0, start - gap) : stop].any()
        assert wanted[start] and wanted[stop - 1]
        held[start:stop] = True
    assert held[wanted].all()
    inside = "".join("x" if w else "." for w, h in zip(wanted, held, strict=True) if h)
    assert "." * (gap + 1) not in inside


def test_encoder_gives_each_piece_its_own_content():
    heard = encoder.ContentEncoder(Graph(encoder_network.build(TINY)), TINY)
    mels = [RANDOM.normal(-3, 1, (n, 80)).astype(np.float32) for n in (301, 200, 500, 80)]
    pieces = heard.encode_pieces(mels)
    assert [p.shape for p in pieces] == [(n // 2, TINY.encoder.content_dim) for n in (301, 200, 500, 80)]
    np.testing.assert_allclose(heard.encode_pieces([mels[1]])[0], heard.encode_window(mels[1]), atol=1e-6)


def test_critic_keeps_its_kernels_at_one():
    critic = discriminator.build(TINY)
    mel = RANDOM.normal(-5, 2, (2, TINY.train.crop_frames, 80)).astype(np.float32)
    for _ in range(50):
        verdict, *activations = critic(mel, training=True)
    assert len(activations) == len(adversary.CHANNELS_AND_STRIDES) and np.isfinite(verdict).all()
    layer = critic.get_layer("conv_1")
    matrix = np.asarray(layer.kernel).reshape(-1, layer.filters)
    left = np.asarray(layer.vector) @ matrix.T
    left /= np.linalg.norm(left)
    assert np.linalg.norm(left @ matrix) == pytest.approx(np.linalg.svd(matrix, compute_uv=False)[0], rel=0.02)


def test_principal_components_are_those_of_an_svd():
    vectors = RANDOM.normal(size=(500, 12)) @ RANDOM.normal(size=(12, 12)) + 3.0
    kernel, bias, kept = principal_components(vectors, 4)
    _, singular, directions = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    assert kept == pytest.approx((singular[:4] ** 2).sum() / (singular**2).sum())
    made = vectors @ kernel + bias
    assert np.abs(made.mean(axis=0)).max() < 1e-9
    cosines = np.abs(np.sum(kernel / np.linalg.norm(kernel, axis=0) * directions[:4].T, axis=0))
    np.testing.assert_allclose(cosines, 1.0, atol=1e-6)
    # Half-whitened: variances fall with the square root of what they were.
    np.testing.assert_allclose(made.std(axis=0) ** 2 / made.std(axis=0)[0] ** 2, singular[:4] / singular[0], rtol=1e-6)


@pytest.mark.parametrize("n", [7, layers.ASKING, layers.ASKING + 1])
def test_self_attention_is_that_of_keras(n):
    x = RANDOM.normal(size=(2, n, 12)).astype(np.float32)
    ours = layers.SelfAttention(3, 12, name="attention")
    theirs = keras.layers.MultiHeadAttention(3, 4, name="attention")
    assert ours(x).shape == theirs(x, x).shape == ours.compute_output_shape(x.shape)
    assert {v.path: v.shape for v in ours.weights} == {v.path: v.shape for v in theirs.weights}
    found = {v.path: v for v in theirs.weights}
    for variable in ours.weights:
        variable.assign(RANDOM.normal(size=variable.shape))
        found[variable.path].assign(variable)
    np.testing.assert_allclose(ours(x), theirs(x, x), atol=1e-4)


@pytest.mark.parametrize("in_parts", [True, False])
@pytest.mark.parametrize("dilation", [1, 3])
def test_convolution_along_time_is_that_of_keras(dilation, in_parts, monkeypatch):
    monkeypatch.setattr(layers, "splits_dilated", lambda: in_parts)
    x = RANDOM.normal(size=(2, 30, 5)).astype(np.float32)
    oracle = keras.layers.Conv1D(7, 3, padding="same", dilation_rate=dilation, bias_initializer="random_normal")
    wanted = np.asarray(oracle(x))
    ours = layers.Conv1D(7, 3, dilation)
    ours.build((2, 1, 30, 5))
    ours.set_weights(oracle.get_weights())
    np.testing.assert_allclose(np.asarray(ours(x[:, None]))[:, 0], wanted, atol=1e-5)


@pytest.mark.parametrize("dilation", [1, 3, 5])
def test_in_training_a_convolution_is_what_it_always_is(dilation):
    x = RANDOM.normal(size=(2, 1, 31, 5)).astype(np.float32)
    ours = layers.LowRankConv1D(6, 7, (3, 2), dilation)
    wanted = np.asarray(ours(x))
    np.testing.assert_allclose(np.asarray(ours(x, training=True)), wanted, atol=1e-5)


@pytest.mark.parametrize("ranks", [(3, 2), (5, 2), (3, 6), (5, 6)])
def test_a_low_rank_convolution_is_the_product_of_its_parts(ranks):
    x = RANDOM.normal(size=(2, 1, 30, 5)).astype(np.float32)
    slim, whole = layers.LowRankConv1D(6, 3, ranks, 2), layers.Conv1D(6, 3, 2)
    found = np.asarray(slim(x))
    names = {w.name: np.asarray(w) for w in slim.weights}
    assert set(names) == {"kernel", "bias"} | {n for n, full in (("first", 5), ("last", 6)) if full not in ranks}
    kernel = names["kernel"]
    kernel = np.einsum("cr,kro->kco", names.get("first", np.eye(5, dtype=np.float32)), kernel)
    kernel = kernel @ names.get("last", np.eye(6, dtype=np.float32))
    whole.build(x.shape)
    whole.set_weights([kernel, names["bias"]])
    np.testing.assert_allclose(found, np.asarray(whole(x)), atol=1e-5)


@given(st.integers(0, 2**32 - 1), st.floats(-6, 4))
def test_eight_bits_are_near(seed, size):
    array = np.random.default_rng(seed).normal(size=(3, 4, 5)) * 10**size
    array[..., 0] = 0
    whole, worth = quantise_int8(array)
    assert whole.dtype == np.int8 and worth.dtype == np.float32
    half_a_step = np.abs(array).max(axis=(0, 1)) / 254
    assert (np.abs(whole * worth.astype(np.float64) - array).max(axis=(0, 1)) <= 1.001 * half_a_step).all()


@pytest.mark.parametrize(("kernel", "stride"), [(16, 8), (4, 2), (6, 3), (5, 2)])
def test_transposed_convolution_along_time_is_that_of_keras(kernel, stride):
    x = RANDOM.normal(size=(2, 11, 5)).astype(np.float32)
    oracle = keras.layers.Conv1DTranspose(7, kernel, stride, padding="same", bias_initializer="random_normal")
    wanted = np.asarray(oracle(x))
    ours = layers.Conv1DTranspose(7, kernel, stride)
    ours.build((2, 1, 11, 5))
    ours.set_weights(oracle.get_weights())
    np.testing.assert_allclose(np.asarray(ours(x[:, None]))[:, 0], wanted, atol=1e-5)


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


def test_a_slim_vocoder_is_as_its_ranks_say():
    sizes = inner_convolutions(TINY)
    ranks = {name: [1, channels] for name, (channels, *_) in sizes.items()}
    sound = check_ranks({"ranks": ranks}, TINY)
    model = hifigan_network.build(TINY, ranks=sound)
    whole = to_arrays(hifigan_network.build(TINY), "float32")
    arrays = {k: v for k, v in to_arrays(model, "float32").items() if k.split("/")[0] in sizes}
    packed = pack_low_rank(arrays)
    expected = expected_low_rank(TINY, sound)
    assert {k: v.shape for k, v in packed.items()} == {k: shape for k, (shape, _) in expected.items()}
    load_arrays(model, whole | unpack_low_rank(packed))
    for name, array in to_arrays(model, "float32").items():
        np.testing.assert_allclose(array, arrays.get(name, whole.get(name)), atol=0.005 * np.abs(array).max() + 1e-6)


@pytest.mark.parametrize("bad", [None, {}, [1], [0, 1], [1, 99], [True, 1], [1.0, 1], "11", [1, 1, 1]])
def test_ranks_that_no_network_has_are_refused(bad):
    sizes = inner_convolutions(TINY)
    ranks = {name: [1, 1] for name, _ in sizes.items()}
    for card in (bad, {"ranks": bad}, {"ranks": ranks | {next(iter(sizes)): bad}}, {"ranks": ranks | {"more": [1, 1]}}):
        with pytest.raises(ModelError, match="rank"):
            check_ranks(card, TINY)


def test_what_the_processor_has_is_asked(monkeypatch, tmp_path):
    monkeypatch.setattr(processor, "CPU_INFO", tmp_path / "cpuinfo")
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)

    def asked():
        return (
            uses_onednn(),
            splits_dilated(),
            is_bfloat16_quick(),
            has_amx(),
        )

    assert asked() == (False,) * 4
    for flags, wanted, told_so in (
        ("avx512f avx512_bf16 amx_bf16 amx_tile", (True, True, True, True), (True, True, True, True)),
        ("avx512f avx512_bf16 amx_bf16_not", (True, False, True, False), (True, False, True, False)),
        ("avx512f avx512_vnni", (True, False, False, False), (True, False, False, False)),
        ("avx2 avx_vnni", (True, True, False, False), (True, True, False, False)),
        ("avx2 fma", (False, False, False, False), (True, True, False, False)),
    ):
        (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags : fpu sse {flags}\n")
        assert asked() == wanted
        for told, then in (("0", (False,) * 4), ("1", told_so), ("yes", wanted)):
            with monkeypatch.context() as environment:
                environment.setenv("TF_ENABLE_ONEDNN_OPTS", told)
                assert asked() == then
