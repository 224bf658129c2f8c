"""A copy of the shipped base with a checkpoint of the quick vocoder in it, for `pretrain --start` to go on from.

python tools/quick_vocoder_start.py pretraining/quick-vocoder/vocoder.safetensors BASE_FOLDER
"""

import sys
from pathlib import Path

from safetensors.numpy import load

from voiceswap.model.base import BASE_KIND, BASE_MAX_BYTES, QUICK, SHIPPED
from voiceswap.storage.folder import open_folder, write_folder

NETWORK = "network/"

if __name__ == "__main__":
    checkpoint, out = map(Path, sys.argv[1:])
    folder = open_folder(SHIPPED, kind=BASE_KIND, max_bytes=BASE_MAX_BYTES)
    arrays = {
        name.removesuffix(".safetensors"): load(data)
        for name, data in folder.files.items()
        if name.endswith(".safetensors")
    }
    arrays[QUICK] = {
        name.removeprefix(NETWORK): array
        for name, array in load(checkpoint.read_bytes()).items()
        if name.startswith(NETWORK)
    }
    documents = {name: folder.document(name) for name in ("config", "card")}
    texts = {
        name: data.decode() for name, data in folder.files.items() if Path(name).suffix not in (".json", ".safetensors")
    }
    write_folder(out, kind=BASE_KIND, documents=documents, arrays=arrays, texts=texts)
