"""A base's encoder: Whisper's as it is, with a map to the principal components of what it hears; and its units."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.cluster.vq import kmeans2

from voiceswap.arrays import Array
from voiceswap.audio.read import read_mono
from voiceswap.errors import UsageError
from voiceswap.events import Note, Progress
from voiceswap.model.base import N_UNITS, UNITS
from voiceswap.model.encoder import COMPONENTS, ContentEncoder, open_without_map
from voiceswap.model.runtime import open_network
from voiceswap.signal import features
from voiceswap.training.base.context import Context, PartWeights

# Principal components are taken over so much of each speaker: many speakers matter more than much of one.
COMPONENTS_S_PER_SPEAKER = 12.0
# Units are the centres of so many vectors at most.
MAX_CLUSTERED_VECTORS = 40_000
# Below it a variance is rounding.
MIN_VARIANCE = 1e-12


def make_encoder(context: Context) -> PartWeights:
    """Whisper's encoder as it is, and a map to the principal components of what it hears in these recordings.

    Args:
        context: Whose recordings, and the weights to start from.

    Returns:
        Encoder and map, and how much of the variance the components keep.

    Raises:
        UsageError: Too little is said.
        AudioError: A first recording cannot be read.
        StoppedError: Someone stopped it.
    """
    config = context.config
    weights = {name: array for name, array in context.start.encoder.items() if name not in COMPONENTS}
    vectors = _encode_first_recordings("encoder", open_without_map(config, weights), context).astype(np.float64)
    kernel, bias, kept_variance = principal_components(vectors, config.encoder.content_dim)
    context.on_event(Note(f"encoder: {config.encoder.content_dim} components keep {kept_variance:.1%} of the variance"))
    components = dict(zip(COMPONENTS, (kernel, bias), strict=True))
    arrays = weights | {name: array.astype(np.float16) for name, array in components.items()}
    return PartWeights(config, arrays, {"kept_variance": kept_variance, "vectors": len(vectors)})


def make_units(context: Context) -> PartWeights:
    """Which sounds there are: the centres of as many groups of content, to tell later which of them someone says.

    Args:
        context: Whose recordings; the encoder must be made.

    Returns:
        The centres, and of how many vectors.

    Raises:
        UsageError: Too little is said.
        AudioError: A first recording cannot be read.
        ModelError: The encoder is missing.
        StoppedError: Someone stopped it.
    """
    arrays, _ = context.load("encoder")
    network = open_network("encoder", context.config, read=lambda expected: arrays)
    content = _encode_first_recordings("units", ContentEncoder(network, context.config), context)
    every = -(-len(content) // MAX_CLUSTERED_VECTORS)
    centres, _ = kmeans2(content[::every], N_UNITS, minit="++", seed=context.seed)
    return PartWeights(context.config, {UNITS: centres.astype(np.float16)}, {"vectors": len(content)})


def principal_components(vectors: Array, n_components: int) -> tuple[Array, Array, float]:
    """A linear map to half-whitened principal components.

    Each component is divided by the square root of its standard deviation, and all by one number that brings them to
    unit size: full whitening would make noise as loud as speech, none would let three components rule.

    Args:
        vectors: Shape (n, width), float64.
        n_components: How many to keep, at most the width.

    Returns:
        Kernel (width, n_components), bias (n_components,), and the share of the variance that is kept.
    """
    mean = vectors.mean(axis=0)
    variances, directions = np.linalg.eigh(np.cov((vectors - mean).T))
    variances = variances[::-1]
    directions = directions[:, ::-1]
    deviations = np.sqrt(np.maximum(variances[:n_components], MIN_VARIANCE))
    kernel = directions[:, :n_components] / np.sqrt(deviations) / np.sqrt(deviations.mean())
    return kernel, -(mean @ kernel), float(variances[:n_components].sum() / variances.sum())


def _encode_first_recordings(part: str, encoder: ContentEncoder, context: Context) -> Array:
    """Vectors (n, width) of the beginning of each speaker's first recording: at least as many as there are units."""
    config = context.config
    vectors = encoder.encode_pieces(_read_encoder_mels(part, context))
    if (n_vectors := sum(map(len, vectors))) < N_UNITS:
        heard_s = n_vectors / config.features.content_per_s
        needed_s = N_UNITS / config.features.content_per_s
        raise UsageError(
            f"the people's first recordings have {heard_s:.1f} s in all, wanted at least {needed_s:.0f} s",
            "give longer ones: those of a second or less do not count",
        )
    return np.concatenate(vectors)


def _read_encoder_mels(part: str, context: Context) -> Iterator[Array]:
    """The encoder's mel of the beginning of each speaker's first recording that is longer than a second."""
    f = context.config.features
    on_event = context.until_stopped()
    for i, recordings in enumerate(context.speakers.values()):
        on_event(Progress(part, "listening", i, len(context.speakers)))
        samples = read_mono(recordings[0], f.content_rate_hz, max_s=COMPONENTS_S_PER_SPEAKER)
        if len(samples) > f.content_rate_hz:
            level = float(np.sqrt(np.mean(samples**2))) + 1e-9
            gain = 10 ** (f.speech_level_db / 20) / level
            yield features.encoder_mel(samples * np.float32(gain), f)
