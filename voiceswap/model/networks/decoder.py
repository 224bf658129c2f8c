"""The decoder's network: content, F0 and loudness in, one person's mel out."""

from __future__ import annotations

from typing import Any

import keras
from keras import initializers, layers

from voiceswap.config import Config
from voiceswap.model.decoder import MEL_CENTRE, MEL_SCALE, N_SCALARS
from voiceswap.model.networks.layers import Film, gelu


def build(config: Config, *, by_vector: bool = False) -> keras.Model:
    """The network, with fresh weights: ConvNeXt blocks (Liu et al., 2022), each steered by the speaker's vector.

    Args:
        config: Sizes are read from its `features`, `encoder` and `decoder` sections.
        by_vector: Whether the speaker is given as a vector, instead of an index into those that the network holds.

    Returns:
        A model from content `(batch, n_frames, content_dim)`, conditions `(batch, n_frames, 3 + n_mels)` and the
        speaker, an index `(batch,)` int32 or a vector `(batch, speaker_dim)`, to a natural-log mel `(batch, n_frames,
        n_mels)`, float32.
    """
    size = config.decoder
    content = keras.Input((None, config.encoder.content_dim), name="content")
    conditions = keras.Input((None, N_SCALARS + config.features.n_mels), name="conditions")
    if by_vector:
        speaker = vector = keras.Input((size.speaker_dim,), name="speaker")
    else:
        speaker = keras.Input((), dtype="int32", name="speaker")
        start = initializers.RandomNormal(stddev=0.3)
        held = layers.Embedding(size.n_speakers, size.speaker_dim, embeddings_initializer=start, name="speakers")
        vector = held(speaker)
    x = layers.Dense(size.width, name="content_in")(content)
    x = x + layers.Conv1D(size.width, 3, padding="same", name="conditions_in")(conditions)
    for i, dilation in enumerate(size.dilations):
        x = x + _block(x, vector, size.width, size.expansion, size.kernel_frames, dilation, f"block_{i}")
    x = layers.Dense(config.features.n_mels, name="mel_out")(layers.LayerNormalization(epsilon=1e-5, name="norm")(x))
    return keras.Model([content, conditions, speaker], x * MEL_SCALE + MEL_CENTRE, name="decoder")


def _block(x: Any, vector: Any, width: int, expansion: int, kernel: int, dilation: int, name: str) -> Any:
    x = layers.DepthwiseConv1D(kernel, padding="same", dilation_rate=dilation, name=f"{name}_depthwise")(x)
    x = layers.LayerNormalization(epsilon=1e-5, name=f"{name}_norm")(x)
    x = Film(name=f"{name}_film")(x, vector)
    x = gelu(layers.Dense(width * expansion, name=f"{name}_expand")(x))
    # Nearly zero at the start, so that a fresh block passes its input on.
    small = initializers.RandomNormal(stddev=0.005)
    return layers.Dense(width, kernel_initializer=small, name=f"{name}_contract")(x)
