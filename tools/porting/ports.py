"""Turns the originals' weights into a start for `voiceswap pretrain`, and holds our networks against theirs.

    python tools/porting/ports.py ORIGINALS.npz START_FOLDER

ORIGINALS.npz comes from originals.py. Prints the largest difference of each port over the standard deviation of the
original's output on the same input (wanted: at most 0.01).
"""

import sys
from pathlib import Path

import keras
import numpy as np

from voiceswap.config import Config
from voiceswap.model.networks import encoder as encoder_network
from voiceswap.model.networks import hifigan as hifigan_network
from voiceswap.model.weights import load_arrays, to_arrays
from voiceswap.storage.folder import write_folder
from voiceswap.training.base.context import START_KIND


def encoder_arrays(whisper, size):
    """Whisper's encoder under our names; the last map is left out, since the principal components come later."""
    heads = (size.width, size.n_heads, size.width // size.n_heads)
    arrays = {}

    def linear(ours, theirs):
        arrays[f"{ours}/kernel"], arrays[f"{ours}/bias"] = whisper(f"{theirs}/weight").T, whisper(f"{theirs}/bias")

    def norm(ours, theirs):
        arrays[f"{ours}/gamma"], arrays[f"{ours}/beta"] = whisper(f"{theirs}/gamma"), whisper(f"{theirs}/beta")

    for i in (1, 2):
        arrays[f"conv_{i}/kernel"] = whisper(f"conv{i}/weight").transpose(2, 1, 0)
        arrays[f"conv_{i}/bias"] = whisper(f"conv{i}/bias")
    for i in range(size.n_layers):
        theirs = f"layer_{i}/self_attention"
        kernels = np.split(whisper(f"{theirs}/linear_0/weight"), 3)
        biases = np.split(whisper(f"{theirs}/linear_0/bias"), 3)
        for part, kernel, bias in zip(("query", "key", "value"), kernels, biases, strict=True):
            arrays[f"attention_{i}/{part}/kernel"] = kernel.T.reshape(heads)
            arrays[f"attention_{i}/{part}/bias"] = bias.reshape(heads[1:])
        linear(f"attention_{i}/attention_output", f"{theirs}/linear_1")
        output = f"attention_{i}/attention_output/kernel"
        arrays[output] = arrays[output].reshape(*heads[1:], heads[0])
        norm(f"attention_norm_{i}", f"{theirs}/layer_norm")
        norm(f"feed_norm_{i}", f"layer_{i}/ffn/layer_norm")
        linear(f"expand_{i}", f"layer_{i}/ffn/linear_0")
        linear(f"contract_{i}", f"layer_{i}/ffn/linear_1")
    norm("norm", "layer_norm")
    return arrays


def vocoder_arrays(hifigan, size):
    """HiFi-GAN's generator, its weight norm folded in, under our names."""
    arrays = {}

    def conv(ours, theirs):
        arrays[f"{ours}/kernel"] = hifigan(f"{theirs}.weight").transpose(2, 1, 0)
        arrays[f"{ours}/bias"] = hifigan(f"{theirs}.bias")

    conv("conv_in", "conv_pre")
    conv("conv_out", "conv_post")
    for i in range(len(size.upsample_rates)):
        # torch keeps (in, out, width), Keras (width, out, in): the same reversal as for an ordinary convolution.
        conv(f"up_{i}", f"ups.{i}")
        for j, width in enumerate(size.block_kernels):
            block = f"resblocks.{i * len(size.block_kernels) + j}"
            for k in range(len(size.block_dilations)):
                conv(f"stage_{i}_kernel_{width}_dilated_{k}", f"{block}.convs1.{k}")
                conv(f"stage_{i}_kernel_{width}_plain_{k}", f"{block}.convs2.{k}")
    return arrays


def difference(ours, theirs):
    return float(np.abs(ours - theirs).max() / theirs.std())


def main(originals, start):
    z, config = np.load(originals), Config()
    encoded = encoder_arrays(lambda name: z[f"whisper/encoder/{name}"].astype(np.float32), config.encoder)
    sounded = vocoder_arrays(lambda name: z[f"hifigan/{name}"], config.vocoder)
    network = encoder_network.build(config)
    load_arrays(network, to_arrays(network, "float32") | encoded)
    uncut = keras.Model(network.input, network.get_layer("norm").output)
    content = uncut.predict(z["whisper_in"][None], verbose=0)[0]
    print(f"encoder: largest difference {difference(content, z['whisper_out']):.5f}")
    generator = hifigan_network.build(config)
    for dtype in ("float32", "float16"):
        load_arrays(generator, {k: v.astype(dtype) for k, v in sounded.items()})
        samples = generator.predict(z["hifigan_in"][None], verbose=0)[0]
        print(f"vocoder in {dtype}: largest difference {difference(samples, z['hifigan_out']):.5f}")
    parts = {"encoder": encoded, "vocoder": sounded}
    half = {part: {k: v.astype(np.float16) for k, v in arrays.items()} for part, arrays in parts.items()}
    write_folder(Path(start), kind=START_KIND, documents={"config": config.to_json()}, arrays=half)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
