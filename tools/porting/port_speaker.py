"""Turns Resemblyzer's voice encoder into voiceswap/weights/speaker, and holds ours against the original.

    python tools/porting/port_speaker.py ORIGINALS.npz [FOLDER]

ORIGINALS.npz comes from tools/porting/originals_speaker.py. Prints the largest angle between our direction and the
original's for the same mels (wanted: at most 1 degree), with weights as they were and as they are shipped.
"""

import sys
from pathlib import Path

import numpy as np

from voiceswap.model import speaker
from voiceswap.model.networks import speaker as speaker_network
from voiceswap.model.weights import load_arrays
from voiceswap.storage.folder import write_folder

CARD = {
    "network": "Resemblyzer's voice encoder (GE2E)",
    "from": "Resemblyzer 0.1.4, resemblyzer/pretrained.pt",
    "sha256": "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e",
    "sample_rate_hz": speaker.SAMPLE_RATE_HZ,
}
CREDITS = """# Credits and licences of these weights
- Resemblyzer's voice encoder: Apache licence 2.0, Copyright Resemble AI, Corentin Jemine;
  https://github.com/resemble-ai/Resemblyzer, package Resemblyzer 0.1.4.
  Trained on LibriSpeech, VoxCeleb1 and VoxCeleb2.
- After L. Wan, Q. Wang, A. Papir, I. Lopez Moreno: Generalized end-to-end loss for speaker verification, ICASSP 2018.
- Changed: the two biases of each layer added up, rounded to half precision; the loss's two numbers left out.

The licence stands in LICENSE.txt beside this file.
"""


def network_arrays(theirs):
    """The network's weights under our names: torch's gates come in Keras's order, its kernels are transposed."""
    arrays = {"direction/kernel": theirs["linear.weight"].T, "direction/bias": theirs["linear.bias"]}
    for i in range(speaker.N_LAYERS):
        arrays[f"lstm_{i}/lstm_cell/kernel"] = theirs[f"lstm.weight_ih_l{i}"].T
        arrays[f"lstm_{i}/lstm_cell/recurrent_kernel"] = theirs[f"lstm.weight_hh_l{i}"].T
        arrays[f"lstm_{i}/lstm_cell/bias"] = theirs[f"lstm.bias_ih_l{i}"] + theirs[f"lstm.bias_hh_l{i}"]
    return arrays


def main(originals, folder):
    z = np.load(originals)
    network = speaker_network.build()
    exact = network_arrays(z)
    shipped = {name: array.astype(np.float16) for name, array in exact.items()}
    for label, arrays in (("single precision", exact), ("as shipped", shipped)):
        load_arrays(network, arrays)
        made = network.predict_on_batch(z["in"])
        cosine = np.sum(made / np.linalg.norm(made, axis=1, keepdims=True) * z["out"], axis=1)
        print(f"{label}: largest angle {np.degrees(np.arccos(np.clip(cosine.min(), -1, 1))):.3f} degrees")
    write_folder(
        folder,
        kind=speaker.KIND,
        documents={"card": CARD},
        arrays={speaker.WEIGHTS: shipped},
        texts={"CREDITS.md": CREDITS, "LICENSE.txt": str(z["licence"])},
    )


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(sys.argv[1], Path(sys.argv[2]) if len(sys.argv) == 3 else speaker.SHIPPED)
