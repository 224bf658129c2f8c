"""The base that all voices share: content encoder, base decoder, vocoder; the shipped one lies in the package."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from voiceswap import weights
from voiceswap.arrays import Arrays
from voiceswap.config import Config
from voiceswap.errors import ModelError
from voiceswap.model import decoder, encoder
from voiceswap.model.networks.layers import (
    HALF,
    expected_arrays,
    has_units_for_half,
    in_eight_bits,
    load_arrays,
    quick_dtype,
    quick_in_half,
)
from voiceswap.model.vocoders import hifigan as vocoder
from voiceswap.model.vocoders.hifigan import Vocoder
from voiceswap.storage.folder import Folder, open_folder, write_folder

BASE_KIND = "base"
BASE_MAX_BYTES = 80_000_000
SHIPPED = weights.path("base")
PARTS = {"encoder": encoder.build, "decoder": decoder.build, "vocoder": vocoder.build}
VOCODERS = ("best", "fast")
# The slimmer form of the vocoder: its inner convolutions, in eight bits.
SLIM = "slim_vocoder"
# The sounds that the content falls into, to tell which of them someone says (HuBERT's units; Hsu et al., 2021).
UNITS, N_UNITS = "units", 100
WORTH, BIAS = ":worth", "/bias"


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
        sums = {part: folder.sum_of(f"{part}.safetensors") for part in PARTS}
        self.id = hashlib.sha256(json.dumps(sums, sort_keys=True).encode()).hexdigest()[:12]
        self.encoder_id = sums["encoder"][:12]

    @cached_property
    def encoder(self) -> encoder.ContentEncoder:
        """The content encoder."""
        model = encoder.build(self.config, quick_dtype())
        load_arrays(model, self._folder.arrays("encoder", expected_arrays(model)))
        return encoder.ContentEncoder(model, self.config)

    @cached_property
    def vocoder(self) -> Vocoder:
        """The vocoder, "best"."""
        return self._vocoder("float32")

    @cached_property
    def fast_vocoder(self) -> Vocoder:
        """The vocoder in bfloat16, "fast"; where the processor has no units for that, in its slimmer form.

        In bfloat16, too, where that is quicker nevertheless. A base without a slimmer form has none that is quicker
        elsewhere.
        """
        half = quick_in_half()
        slim = None if has_units_for_half() else self.slim_vocoder(quick_dtype())
        return slim or (self._vocoder("bfloat16") if half else self.vocoder)

    def slim_vocoder(self, dtype: str = "float32") -> Vocoder | None:
        """The vocoder with its inner convolutions through fewer channels, built anew; None in older bases."""
        if f"{SLIM}.safetensors" not in self._folder.manifest["files"]:
            return None
        ranks = checked_ranks(self.card.get(SLIM), self.config)
        stored = self._folder.arrays(SLIM, expected_slim(self.config, ranks))
        model = vocoder.build(self.config, dtype, ranks, context_only=True)
        # The whole one's inner convolutions lie in the same file; it is not built only to learn their shapes.
        inner = vocoder.inner_convolutions(self.config)
        expected = {k: v for k, v in expected_arrays(model).items() if k.split("/")[0] not in inner}
        for name, (channels, width, _) in inner.items():
            expected |= {f"{name}/kernel": ((width, channels, channels), HALF), f"{name}{BIAS}": ((channels,), HALF)}
        load_arrays(model, self._folder.arrays("vocoder", expected) | unpacked_slim(stored))
        return Vocoder(model, self.config)

    def vocoder_of(self, name: str) -> Vocoder:
        """The vocoder "best" or "fast"."""
        return self.fast_vocoder if name == "fast" else self.vocoder

    @cached_property
    def units(self) -> np.ndarray | None:
        """The centres of the sounds that content falls into, (N_UNITS, content_dim) float32; None in older bases."""
        if f"{UNITS}.safetensors" not in self._folder.manifest["files"]:
            return None
        return self._folder.arrays(UNITS, expected_units(self.config))[UNITS].astype(np.float32)

    def arrays(self, part: str) -> Arrays:
        """The half-precision weights of "encoder", "decoder" or "vocoder"."""
        return self._folder.arrays(part, expected_arrays(PARTS[part](self.config)))

    def _vocoder(self, dtype: str) -> Vocoder:
        model = vocoder.build(self.config, dtype, context_only=True)
        load_arrays(model, self._folder.arrays("vocoder", expected_arrays(model)))
        return Vocoder(model, self.config)


def expected_units(config: Config) -> dict[str, tuple[tuple[int, ...], str]]:
    """Name, shape and safetensors type of a base's units."""
    return {UNITS: ((N_UNITS, config.encoder.content_dim), HALF)}


def checked_ranks(card: Any, config: Config) -> dict[str, tuple[int, int]]:
    """The ranks in the card of a slim vocoder; raises ModelError if they are not those of such a network."""
    found = card.get("ranks") if isinstance(card, dict) else None
    sizes = vocoder.inner_convolutions(config)
    if not isinstance(found, dict) or found.keys() != sizes.keys():
        raise ModelError(f"the base's card has no ranks for its {SLIM}", "install voiceswap anew")
    for name, (channels, *_) in sizes.items():
        ranks = found[name]
        sound = (
            isinstance(ranks, list) and len(ranks) == 2 and all(type(r) is int and 1 <= r <= channels for r in ranks)
        )
        if not sound:
            raise ModelError(
                f"the base's card has ranks {str(ranks)[:40]} for {name}, wanted two of 1 to {channels}",
                "install voiceswap anew",
            )
    return {name: (first, last) for name, (first, last) in found.items()}


def packed_slim(arrays: Arrays) -> Arrays:
    """The inner convolutions of a slim vocoder as they are stored: biases in half precision, all else in eight bits."""
    found: Arrays = {}
    for name, array in arrays.items():
        if name.endswith(BIAS):
            found[name] = array.astype(np.float16)
        else:
            found[name], found[name + WORTH] = in_eight_bits(array)
    return found


def unpacked_slim(stored: Arrays) -> Arrays:
    """What `packed_slim` stored, float32."""
    return {
        name: array.astype(np.float32) * stored[name + WORTH] if name + WORTH in stored else array
        for name, array in stored.items()
        if not name.endswith(WORTH)
    }


def expected_slim(config: Config, ranks: vocoder.Ranks) -> dict[str, tuple[tuple[int, ...], str]]:
    """Name, shape and safetensors type of what `packed_slim` gives for these ranks."""
    expected: dict[str, tuple[tuple[int, ...], str]] = {}
    for name, (channels, width, _) in vocoder.inner_convolutions(config).items():
        first, last = ranks[name]
        shapes = {"first": (channels, first), "kernel": (width, first, last), "last": (last, channels)}
        missing = {"first": first == channels, "last": last == channels}
        for part, shape in shapes.items():
            if not missing.get(part):
                expected[f"{name}/{part}"] = (shape, "I8")
                expected[f"{name}/{part}{WORTH}"] = (shape[-1:], "F32")
        expected[f"{name}{BIAS}"] = ((channels,), HALF)
    return expected


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
        arrays: Half-precision weights of "encoder", "decoder" and "vocoder".
        texts: Further text files by name: credits, licences, training log.

    Raises:
        WriteError: It cannot be written.
    """
    documents = {"config": config.to_json(), "card": card}
    write_folder(path, kind=BASE_KIND, documents=documents, arrays=arrays, texts=texts)
