"""Who is to speak: a decoder, and the vector by which it knows the speaker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from voiceswap.arrays import Array
from voiceswap.config import Config
from voiceswap.model.decoder import open_decoder
from voiceswap.model.runtime import Read

# From content, conditions and the speaker's vector, each with a batch in front, to mels.
Decode = Callable[[Array, Array, Array], Array]


@dataclass(frozen=True)
class Speaker:
    """A person's voice as a network has learnt it.

    Attributes:
        network: From content `(1, n_frames, content_dim)`, conditions `(1, n_frames, 3 + n_mels)` and the speaker's
            vector `(1, speaker_dim)` to a mel `(1, n_frames, n_mels)`.
        vector: Shape (speaker_dim,).
    """

    network: Decode
    vector: Array

    def decode(self, content: Array, conditions: Array) -> Array:
        """Say something as this speaker.

        Args:
            content: Shape (n_frames, content_dim), float32.
            conditions: Shape (n_frames, 3 + n_mels), float32: what `features.decoder_inputs` gives.

        Returns:
            Shape (n_frames, n_mels), natural log, float32.
        """
        return np.asarray(self.network(content[None], conditions[None], self.vector[None])[0])


def open_speaker(config: Config, read: Read) -> Speaker:
    """The one speaker of a decoder.

    Args:
        config: The decoder's settings, of a single speaker.
        read: Gives its weights.

    Returns:
        The speaker, ready to speak.

    Raises:
        ModelError: The weights are not those of such a decoder.
    """
    network, vectors = open_decoder(config, read)
    return Speaker(network, vectors[0])
