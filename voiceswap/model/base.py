"""The base that all voices share: content encoder, base decoder, vocoder; the shipped one lies in the package."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import voiceswap
from voiceswap.config import Config
from voiceswap.errors import ModelError
from voiceswap.model import decoder, encoder, vocoder
from voiceswap.model.layers import Arrays, expected_arrays, load_arrays
from voiceswap.model.vocoder import Vocoder
from voiceswap.storage.folder import Folder, open_folder, write_folder

BASE_KIND = "base"
BASE_MAX_BYTES = 80_000_000
SHIPPED = Path(voiceswap.__file__).parent / "weights" / "base"
PARTS = {"encoder": encoder.build, "decoder": decoder.build, "vocoder": vocoder.build}
# Voices do not depend on it: a base may lack it, and its weights are not part of the base's name.
FAST_VOCODER = "fast_vocoder"
BUILDS = PARTS | {FAST_VOCODER: vocoder.build_fast}
VOCODERS = ("best", "fast")


class Base:
    """An opened base; each network is built when it is first asked for.

    Args:
        folder: Its folder, opened and verified.

    Attributes:
        config: The settings it was made with.
        card: What it was trained on and how it scored.
        id: Twelve hexadecimal digits that name these very weights.
        encoder_id: The same for the encoder's weights alone.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self.config = Config.from_json(folder.document("config"), str(folder.path / "config.json"))
        self.card: dict[str, Any] = folder.document("card")
        sums = {part: folder.sum_of(f"{part}.safetensors") for part in PARTS}
        self.id = hashlib.sha256(json.dumps(sums, sort_keys=True).encode()).hexdigest()[:12]
        self.encoder_id = sums["encoder"][:12]

    @cached_property
    def encoder(self) -> encoder.ContentEncoder:
        """The content encoder."""
        return encoder.ContentEncoder(self._network("encoder"), self.config)

    @cached_property
    def vocoder(self) -> Vocoder:
        """The vocoder: "best"."""
        return Vocoder(self._network("vocoder"), self.config)

    @cached_property
    def fast_vocoder(self) -> Vocoder:
        """The quick vocoder: "fast"; raises ModelError if this base has none."""
        if not self.has_fast_vocoder:
            raise ModelError(f"the base {self.id} has no fast vocoder", "leave out --vocoder fast")
        network = vocoder.joined(self.vocoder.network, self._network(FAST_VOCODER), self.config)
        return Vocoder(network, self.config)

    @property
    def has_fast_vocoder(self) -> bool:
        """Whether it has a quick vocoder."""
        return f"{FAST_VOCODER}.safetensors" in self._folder.files

    def vocoder_of(self, name: str) -> Vocoder:
        """The vocoder "best" or "fast"; raises ModelError if there is none."""
        return self.fast_vocoder if name == "fast" else self.vocoder

    def arrays(self, part: str) -> Arrays:
        """The half-precision weights of "encoder", "decoder", "vocoder" or "fast_vocoder"."""
        return self._folder.arrays(part, expected_arrays(BUILDS[part](self.config)))

    def _network(self, part: str) -> Any:
        model = BUILDS[part](self.config)
        load_arrays(model, self._folder.arrays(part, expected_arrays(model)))
        return model


def load_base(path: Path | None = None) -> Base:
    """Open a base.

    Args:
        path: Its folder; the shipped one if not given.

    Returns:
        The base, its files verified against their sums.

    Raises:
        ModelError: It is missing, damaged, or not a base.
    """
    return Base(open_folder(path or SHIPPED, kind=BASE_KIND, max_bytes=BASE_MAX_BYTES))


def write_base(
    path: Path, config: Config, card: dict[str, Any], arrays: Mapping[str, Arrays], texts: Mapping[str, str]
) -> None:
    """Write a base whole.

    Args:
        path: Its folder, replaced if it exists.
        config: The settings of all three networks.
        card: What it was trained on, how, and its scores; plain JSON values.
        arrays: Half-precision weights of "encoder", "decoder", "vocoder" and, if there is one, "fast_vocoder".
        texts: Further text files by name: credits, licences, training log.

    Raises:
        WriteError: It cannot be written.
    """
    documents = {"config": config.to_json(), "card": card}
    write_folder(path, kind=BASE_KIND, documents=documents, arrays=arrays, texts=texts)
