"""The low-rank vocoder: the inner convolutions of the whole one through fewer channels; ranks and weights."""

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

# What the names of scales end with, which are stored beside weights in eight bits.
SCALE = ":worth"
BIAS = "/bias"


def check_ranks(card: Any, config: Config) -> dict[str, tuple[int, int]]:
    """The ranks in the card of a low-rank vocoder; raises ModelError if they are not those of such a network."""
    ranks_by_name = card.get("ranks") if isinstance(card, dict) else None
    convolutions = inner_convolutions(config)
    if not isinstance(ranks_by_name, dict) or ranks_by_name.keys() != convolutions.keys():
        raise ModelError(f"the base's card has no ranks for its {SLIM}", "install voiceswap anew")
    for name, (channels, *_) in convolutions.items():
        ranks = ranks_by_name[name]
        is_pair = isinstance(ranks, list) and len(ranks) == 2
        if not is_pair or not all(type(rank) is int and 1 <= rank <= channels for rank in ranks):
            raise ModelError(
                f"the base's card has ranks {str(ranks)[:40]} for {name}, wanted two of 1 to {channels}",
                "install voiceswap anew",
            )
    return {name: (first, last) for name, (first, last) in ranks_by_name.items()}


def pack_low_rank(arrays: Arrays) -> Arrays:
    """A low-rank vocoder's inner convolutions as they are stored: biases in half precision, all else in eight bits."""
    packed: Arrays = {}
    for name, array in arrays.items():
        if name.endswith(BIAS):
            packed[name] = array.astype(np.float16)
        else:
            packed[name], packed[name + SCALE] = quantise_int8(array)
    return packed


def unpack_low_rank(stored: Arrays) -> Arrays:
    """What `pack_low_rank` stored, float32."""
    return {
        name: array.astype(np.float32) * stored[name + SCALE] if name + SCALE in stored else array
        for name, array in stored.items()
        if not name.endswith(SCALE)
    }


def expected_low_rank(config: Config, ranks: Ranks) -> dict[str, tuple[tuple[int, ...], str]]:
    """Name, shape and safetensors type of what `pack_low_rank` gives for these ranks."""
    expected: dict[str, tuple[tuple[int, ...], str]] = {}
    for name, (channels, width, _) in inner_convolutions(config).items():
        first, last = ranks[name]
        shapes = {"first": (channels, first), "kernel": (width, first, last), "last": (last, channels)}
        is_left_out = {"first": first == channels, "last": last == channels}
        for part, shape in shapes.items():
            if not is_left_out.get(part):
                expected[f"{name}/{part}"] = (shape, "I8")
                expected[f"{name}/{part}{SCALE}"] = (shape[-1:], "F32")
        expected[f"{name}{BIAS}"] = ((channels,), HALF)
    return expected


# Reading a value for a kernel's tap, and writing one, take as long as so many multiply-adds (two cores with AVX2).
READ_COST = 13
WRITE_COST = 3
# Ranks are tried at most so many channels apart.
MAX_RANK_STEP = 16


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
    eigenvalues, axes = np.linalg.eigh(felt)
    roots = np.sqrt(np.maximum(eigenvalues, max(eigenvalues.max() * 1e-6, 1e-30)))
    root = (axes * roots) @ axes.T
    inverse = (axes / roots) @ axes.T
    heard, directions = np.linalg.eigh(root @ (products - np.outer(mean, mean)) @ root)
    # eigh sorts ascending; the most heard direction comes first.
    heard = heard[::-1]
    directions = directions[:, ::-1]
    heard = np.maximum(heard, max(heard.max() * 1e-9, 1e-30))
    deviations = np.sqrt(heard)
    return Side(mean, heard, root @ directions / deviations, (inverse @ directions * deviations).T)


def choose_ranks(sides: Sides, config: Config, share: float) -> dict[str, tuple[int, int]]:
    """Choose through how many channels each convolution goes, so that the loss is heard least.

    Args:
        sides: What `measure_sides` gave.
        config: The vocoder's settings.
        share: Of the time that the convolutions take, 0 to 1; the ranks returned take no more, where they can.

    Returns:
        Channels before and after the kernel, by the convolution's name.
    """
    convolutions = inner_convolutions(config)
    options = {name: _list_options(*sides[name], *convolutions[name]) for name in convolutions}
    budget = share * sum(costs[0] for _, _, costs in options.values())
    # A bisection for the lowest price of time, by its logarithm, at which the choices stay within the budget.
    low_log_price = -60.0
    high_log_price = 60.0
    for _ in range(60):
        log_price = (low_log_price + high_log_price) / 2
        chosen = _choose_options(options, np.exp(log_price))
        if sum(options[name][2][i] for name, i in chosen.items()) > budget:
            low_log_price = log_price
        else:
            high_log_price = log_price
    chosen = _choose_options(options, np.exp(high_log_price))
    return {name: options[name][0][i] for name, i in chosen.items()}


# Pairs of ranks, what each would lose, and what it costs.
_Options = tuple[list[tuple[int, int]], Array, Array]


def _choose_options(options: Mapping[str, _Options], price: float) -> dict[str, int]:
    """The index of the best pair of ranks for each convolution, where time has this price."""
    return {name: int(np.argmin(losses + price * costs)) for name, (_, losses, costs) in options.items()}


def _list_options(before: Side, after: Side, channels: int, width: int, values_per_frame: int) -> _Options:
    """All pairs of ranks to choose from; the first keeps all channels."""
    step = max(1, min(MAX_RANK_STEP, channels // 4))
    ranks = list(range(step, channels + 1, step))
    pairs = [(channels, channels), *((first, last) for first in ranks for last in ranks)]
    losses = [values_per_frame * (before.heard[first:].sum() + after.heard[last:].sum()) for first, last in pairs]

    def cost(taps: int, n_in: int, n_out: int) -> int:
        return values_per_frame * taps * (n_in * n_out + READ_COST * n_in + WRITE_COST * n_out)

    costs = [
        cost(width, first, last)
        + (cost(1, channels, first) if first < channels else 0)
        + (cost(1, last, channels) if last < channels else 0)
        for first, last in pairs
    ]
    return pairs, np.array(losses), np.array(costs, float)


def decompose(arrays: Arrays, sides: Sides, ranks: Ranks) -> Arrays:
    """Weights of the inner convolutions through fewer channels.

    Args:
        arrays: The vocoder's weights.
        sides: What `measure_sides` gave.
        ranks: What `choose_ranks` gave.

    Returns:
        By name as `networks.hifigan` names them with these ranks, float64.
    """
    decomposed: Arrays = {}
    for name, (first, last) in ranks.items():
        kernel, bias = (arrays[f"{name}/{part}"].astype(np.float64) for part in ("kernel", "bias"))
        before, after = sides[name]
        channels = kernel.shape[1]
        if first < channels:
            onto = before.onto[:, :first]
            back = before.back[:first]
            decomposed[f"{name}/first"] = onto
            # What is left out is replaced by its mean.
            bias = bias + np.einsum("c,kco->o", before.mean - before.mean @ onto @ back, kernel)
            kernel = np.einsum("rc,kco->kro", back, kernel)
        if last < channels:
            onto = after.onto[:, :last]
            back = after.back[:last]
            decomposed[f"{name}/last"] = back
            bias = after.mean + (bias - after.mean) @ onto @ back
            kernel = kernel @ onto
        decomposed |= {f"{name}/kernel": kernel, f"{name}/bias": bias}
    return decomposed


# The part of a base that is the low-rank vocoder: its inner convolutions, in eight bits.
SLIM = "slim_vocoder"
