"""The base that all voices share: content encoder, base decoder and vocoder; the package ships one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property, lru_cache, partial
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np

from voiceswap import weights
from voiceswap.arrays import Arrays
from voiceswap.config import Config
from voiceswap.errors import UsageError
from voiceswap.model.decoder import expected_decoder
from voiceswap.model.encoder import ContentEncoder
from voiceswap.model.runtime import Read, expected_weights, open_network
from voiceswap.model.vocoders import Vocoder
from voiceswap.model.vocoders.hifigan import HifiGan, Ranks, inner_convolutions
from voiceswap.model.vocoders.low_rank import SLIM, check_ranks, expected_low_rank, unpack_low_rank
from voiceswap.model.vocoders.quick_vocoder import QuickVocoder
from voiceswap.model.weights import HALF
from voiceswap.storage.folder import Expected, Folder, open_folder, write_folder

BASE_KIND = "base"
BASE_MAX_BYTES = 100_000_000
SHIPPED = weights.path("base")
PARTS = ("encoder", "decoder", "vocoder")
VOCODERS = ("best", "fast", "quick")
# The quick vocoder's part; older bases have none.
QUICK = "quick_vocoder"
# The sounds that the content falls into, to tell which of them someone says (HuBERT's units; Hsu et al., 2021).
UNITS = "units"
N_UNITS = 100


class Base:
    """An opened base; each network is built when it is first asked for.

    Args:
        folder: Its folder, opened and verified.

    Attributes:
        config: The settings it was made with.
        card: What it was trained on and how it scored.
        id: Twelve hexadecimal digits that name its weights: those of encoder, decoder and whole vocoder.
        encoder_id: The same for the encoder's weights alone.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self.config = Config.from_json(folder.document("config"), str(folder.path / "config.json"))
        self.card: dict[str, Any] = folder.document("card")
        sha256_by_part = {part: folder.sum_of(f"{part}.safetensors") for part in PARTS}
        self.id = hashlib.sha256(json.dumps(sha256_by_part, sort_keys=True).encode()).hexdigest()[:12]
        self.encoder_id = sha256_by_part["encoder"][:12]
        self._build_lock = RLock()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Base) and self._folder == other._folder

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def encoder(self) -> ContentEncoder:
        """The content encoder."""
        # Of two threads that ask at once, one builds, the other waits: cached_property has no lock since Python 3.12.
        with self._build_lock:
            return self._encoder

    @cached_property
    def _encoder(self) -> ContentEncoder:
        network = open_network("encoder", self.config, read=partial(self._folder.arrays, "encoder"))
        return ContentEncoder(network, self.config)

    @cached_property
    def vocoder(self) -> HifiGan:
        """The vocoder, "best"."""
        return self._build_vocoder()

    @cached_property
    def fast_vocoder(self) -> Vocoder:
        """The vocoder, "fast": its inner convolutions through fewer channels; the whole one in older bases."""
        if not self.has(SLIM):
            return self.vocoder
        ranks = check_ranks(self.card.get(SLIM), self.config)

        def read(expected: Expected) -> Arrays:
            # The file of the whole vocoder has inner convolutions, too: their shapes follow from the settings.
            inner = inner_convolutions(self.config)
            in_file = {name: spec for name, spec in expected.items() if name.split("/")[0] not in inner}
            for name, (channels, width, _) in inner.items():
                in_file[f"{name}/kernel"] = ((width, channels, channels), HALF)
                in_file[f"{name}/bias"] = ((channels,), HALF)
            low_rank = self._folder.arrays(SLIM, expected_low_rank(self.config, ranks))
            return self._folder.arrays("vocoder", in_file) | unpack_low_rank(low_rank)

        return self._build_vocoder(ranks, read)

    @cached_property
    def quick_vocoder(self) -> QuickVocoder:
        """The vocoder, "quick"; raises UsageError if this base has none."""
        if not self.has(QUICK):
            raise UsageError('the vocoder "quick" is not part of this base', "wanted best or fast")
        network = open_network(QUICK, self.config, read=partial(self._folder.arrays, QUICK))
        return QuickVocoder(network, self.config)

    def get_vocoder(self, name: str) -> Vocoder:
        """The vocoder "best", "fast" or "quick"; raises UsageError if this base has none of that name."""
        with self._build_lock:
            if name == "quick":
                return self.quick_vocoder
            return self.fast_vocoder if name == "fast" else self.vocoder

    @cached_property
    def units(self) -> np.ndarray | None:
        """The centres of the sounds that content falls into, (N_UNITS, content_dim) float32; None in older bases."""
        if not self.has(UNITS):
            return None
        return self._folder.arrays(UNITS, expected_units(self.config))[UNITS].astype(np.float32)

    def arrays(self, part: str) -> Arrays:
        """The half-precision weights of "encoder", "decoder", "vocoder" or "quick_vocoder"."""
        return self._folder.arrays(part, expected_part(part, self.config))

    def has(self, part: str) -> bool:
        """Whether it has a part that older bases lack: "units", "slim_vocoder" or "quick_vocoder"."""
        return f"{part}.safetensors" in self._folder.manifest["files"]

    def _build_vocoder(self, ranks: Ranks | None = None, read: Read | None = None) -> HifiGan:
        read = read or partial(self._folder.arrays, "vocoder")
        return HifiGan(open_network("hifigan", self.config, ranks, read=read, context_only=True), self.config)


def expected_part(part: str, config: Config) -> Expected:
    """Names, shapes and safetensors types of the weights of "encoder", "decoder", "vocoder" or "quick_vocoder"."""
    if part == "decoder":
        return expected_decoder(config)
    return expected_weights("hifigan" if part == "vocoder" else part, config)


def expected_units(config: Config) -> dict[str, tuple[tuple[int, ...], str]]:
    """Name, shape and safetensors type of a base's units."""
    return {UNITS: ((N_UNITS, config.encoder.content_dim), HALF)}


def load_base(path: Path | None = None) -> Base:
    """Open a base.

    Args:
        path: Its folder; the shipped one if not given.

    Returns:
        The base, its files verified against their sums.

    Raises:
        ModelError: It is missing, damaged, or not a base.
    """
    return _share(Base(open_folder(path or SHIPPED, kind=BASE_KIND, max_bytes=BASE_MAX_BYTES, hold=False)))


# Bases that are equal share one object, so that its networks are built once for all voices.
@lru_cache(maxsize=1)
def _share(base: Base) -> Base:
    return base


def write_base(
    path: Path, config: Config, card: dict[str, Any], arrays: Mapping[str, Arrays], texts: Mapping[str, str]
) -> None:
    """Write a base whole.

    Args:
        path: Its folder, replaced if it exists.
        config: The settings of all three networks.
        card: What it was trained on, how, and its scores; plain JSON values.
        arrays: Half-precision weights of "encoder", "decoder" and "vocoder".
        texts: Further text files by name: credits, licences, training log.

    Raises:
        WriteError: It cannot be written.
    """
    documents = {"config": config.to_json(), "card": card}
    write_folder(path, kind=BASE_KIND, documents=documents, arrays=arrays, texts=texts)
