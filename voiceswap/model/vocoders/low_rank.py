"""A low-rank vocoder: a large one's inner convolutions through as few channels as the ear allows; ranks and weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from voiceswap.arrays import Array, Arrays
from voiceswap.config import Config
from voiceswap.errors import ModelError
from voiceswap.model.vocoders.hifigan import Ranks, inner_convolutions
from voiceswap.model.weights import HALF, quantise_int8

# Stored beside weights in eight bits: what one step of them is worth.
WORTH = ":worth"
BIAS = "/bias"


def check_ranks(card: Any, config: Config) -> dict[str, tuple[int, int]]:
    """The ranks in the card of a low-rank vocoder; raises ModelError if they are not those of such a network."""
    found = card.get("ranks") if isinstance(card, dict) else None
    sizes = inner_convolutions(config)
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


def pack_low_rank(arrays: Arrays) -> Arrays:
    """A low-rank vocoder's inner convolutions as they are stored: biases in half precision, all else in eight bits."""
    found: Arrays = {}
    for name, array in arrays.items():
        if name.endswith(BIAS):
            found[name] = array.astype(np.float16)
        else:
            found[name], found[name + WORTH] = quantise_int8(array)
    return found


def unpack_low_rank(stored: Arrays) -> Arrays:
    """What `pack_low_rank` stored, float32."""
    return {
        name: array.astype(np.float32) * stored[name + WORTH] if name + WORTH in stored else array
        for name, array in stored.items()
        if not name.endswith(WORTH)
    }


def expected_low_rank(config: Config, ranks: Ranks) -> dict[str, tuple[tuple[int, ...], str]]:
    """Name, shape and safetensors type of what `pack_low_rank` gives for these ranks."""
    expected: dict[str, tuple[tuple[int, ...], str]] = {}
    for name, (channels, width, _) in inner_convolutions(config).items():
        first, last = ranks[name]
        shapes = {"first": (channels, first), "kernel": (width, first, last), "last": (last, channels)}
        missing = {"first": first == channels, "last": last == channels}
        for part, shape in shapes.items():
            if not missing.get(part):
                expected[f"{name}/{part}"] = (shape, "I8")
                expected[f"{name}/{part}{WORTH}"] = (shape[-1:], "F32")
        expected[f"{name}{BIAS}"] = ((channels,), HALF)
    return expected


# Reading a value for a kernel's tap, and writing one, take as long as so many multiply-adds (two cores with AVX2).
READ, WRITE = 13, 3
MOST_STEP = 16


@dataclass(frozen=True)
class Side:
    """What passes on one side of a convolution, in directions from the most heard one to the least.

    Attributes:
        mean: Shape (channels,).
        heard: Shape (channels,): how much a value's part in each direction changes the relative spectrum.
        onto: Shape (channels, channels): the directions' values are `(value - mean) @ onto`, of unit variance.
        back: Shape (channels, channels): and back again by `mean + values @ back`.
    """

    mean: Array
    heard: Array
    onto: Array
    back: Array


Sides = Mapping[str, tuple[Side, Side]]


def to_side(mean: Array, products: Array, felt: Array) -> Side:
    sizes, axes = np.linalg.eigh(felt)
    roots = np.sqrt(np.maximum(sizes, max(sizes.max() * 1e-6, 1e-30)))
    root, inverse = (axes * roots) @ axes.T, (axes / roots) @ axes.T
    heard, directions = np.linalg.eigh(root @ (products - np.outer(mean, mean)) @ root)
    heard, directions = heard[::-1], directions[:, ::-1]
    heard = np.maximum(heard, max(heard.max() * 1e-9, 1e-30))
    deviations = np.sqrt(heard)
    return Side(mean, heard, root @ directions / deviations, (inverse @ directions * deviations).T)


def choose_ranks(found: Sides, config: Config, share: float) -> dict[str, tuple[int, int]]:
    """Through how many channels each convolution is to go, so that what is heard of it is least.

    Args:
        found: What `sides` gave.
        config: The vocoder's settings.
        share: Of the time that the convolutions take, 0 to 1; the ranks returned take no more, where they can.

    Returns:
        Channels before and after the kernel, by the convolution's name.
    """
    sizes = inner_convolutions(config)
    choices = {name: _choices(*found[name], *sizes[name]) for name in sizes}
    budget = share * sum(cost[0] for _, _, cost in choices.values())
    cheap, dear = -60.0, 60.0
    for _ in range(60):
        price = np.exp((cheap + dear) / 2)
        picked = {name: int(np.argmin(lost + price * cost)) for name, (_, lost, cost) in choices.items()}
        if sum(choices[name][2][i] for name, i in picked.items()) > budget:
            cheap = (cheap + dear) / 2
        else:
            dear = (cheap + dear) / 2
    picked = {name: int(np.argmin(lost + np.exp(dear) * cost)) for name, (_, lost, cost) in choices.items()}
    return {name: choices[name][0][i] for name, i in picked.items()}


def _choices(
    before: Side, after: Side, channels: int, width: int, values: int
) -> tuple[list[tuple[int, int]], Array, Array]:
    """Pairs of ranks, all channels first, what each would lose, and what it costs."""
    step = max(1, min(MOST_STEP, channels // 4))
    some = list(range(step, channels + 1, step))
    pairs = [(channels, channels), *((first, last) for first in some for last in some)]
    lost = [values * (before.heard[first:].sum() + after.heard[last:].sum()) for first, last in pairs]

    def cost(taps: int, n_in: int, n_out: int) -> int:
        return values * taps * (n_in * n_out + READ * n_in + WRITE * n_out)

    costs = [
        cost(width, first, last)
        + (cost(1, channels, first) if first < channels else 0)
        + (cost(1, last, channels) if last < channels else 0)
        for first, last in pairs
    ]
    return pairs, np.array(lost), np.array(costs, float)


def decompose(arrays: Arrays, found: Sides, chosen: Ranks) -> Arrays:
    """Weights of the inner convolutions through fewer channels.

    Args:
        arrays: The vocoder's weights.
        found: What `sides` gave.
        chosen: What `choose_ranks` gave.

    Returns:
        By name as `vocoder.build` names them with these ranks, float64.
    """
    made: Arrays = {}
    for name, (first, last) in chosen.items():
        kernel, bias = (arrays[f"{name}/{part}"].astype(np.float64) for part in ("kernel", "bias"))
        before, after = found[name]
        channels = kernel.shape[1]
        if first < channels:
            onto, back = before.onto[:, :first], before.back[:first]
            made[f"{name}/first"] = onto
            # What is left out stays at its mean.
            bias = bias + np.einsum("c,kco->o", before.mean - before.mean @ onto @ back, kernel)
            kernel = np.einsum("rc,kco->kro", back, kernel)
        if last < channels:
            onto, back = after.onto[:, :last], after.back[:last]
            made[f"{name}/last"] = back
            bias = after.mean + (bias - after.mean) @ onto @ back
            kernel = kernel @ onto
        made |= {f"{name}/kernel": kernel, f"{name}/bias": bias}
    return made


# The slimmer form of the vocoder: its inner convolutions, in eight bits.
SLIM = "slim_vocoder"
