"""Runs Resemblyzer's voice encoder, and keeps weights and one answer.

Runs in an environment of its own, which has torch, numpy and the package's files (`pip install --no-deps
Resemblyzer==0.1.4`); voiceswap itself needs neither.

    python tools/porting/originals_speaker.py OUT.npz
"""

import hashlib
import importlib.metadata
import importlib.util
import sys
from pathlib import Path

import numpy as np
import torch

SHA256 = "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e"
N_PARTIALS, N_FRAMES, N_BANDS = 8, 160, 40
WIDTH, N_LAYERS = 256, 3


def main(out):
    file = Path(importlib.util.find_spec("resemblyzer").submodule_search_locations[0]) / "pretrained.pt"
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != SHA256:
        sys.exit(f"{file} has sha256 {found}, wanted {SHA256}")
    state = torch.load(file, map_location="cpu", weights_only=True)["model_state"]
    # The package's network, without the rest of its file, which wants librosa and webrtcvad.
    lstm, linear = torch.nn.LSTM(N_BANDS, WIDTH, N_LAYERS, batch_first=True), torch.nn.Linear(WIDTH, WIDTH)
    lstm.load_state_dict({k.removeprefix("lstm."): v for k, v in state.items() if k.startswith("lstm.")})
    linear.load_state_dict({k.removeprefix("linear."): v for k, v in state.items() if k.startswith("linear.")})
    # Powers of mel bands as speech has them: uneven, from nothing to a few units.
    seen = (
        np.exp(np.random.default_rng(0).normal(-5, 3, (N_PARTIALS, N_FRAMES, N_BANDS))).clip(0, 20).astype(np.float32)
    )
    with torch.no_grad():
        raw = torch.relu(linear(lstm(torch.tensor(seen))[1][0][-1]))
        vectors = (raw / raw.norm(dim=1, keepdim=True)).numpy()
    kept = {k: v.numpy() for k, v in state.items() if k.startswith(("lstm.", "linear."))}
    licence = importlib.metadata.distribution("Resemblyzer").read_text("LICENSE")
    np.savez(out, **{"in": seen, "out": vectors, "licence": np.array(licence)}, **kept)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
