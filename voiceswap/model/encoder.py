"""The content encoder: what is said, with as little as possible of who says it.

Whisper's encoder (Radford et al., 2022; MIT), followed by a linear map to its principal components.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from voiceswap.arrays import Arrays
from voiceswap.config import Config
from voiceswap.model.runtime import Network, open_network
from voiceswap.signal.features import normalise_encoder_mel

# Weights of the last map, which each base has of its own.
COMPONENTS = ("content/kernel", "content/bias")
# The silence that fills a window up, as log10 of power.
SILENCE_LOG10 = -10.0
GAP_FRAMES = 20


def position_code(n_positions: int, width: int) -> np.ndarray:
    """Whisper's fixed position code, `(n_positions, width)` float32."""
    rates = np.exp(-np.log(10000) / (width // 2 - 1) * np.arange(width // 2))
    angles = np.arange(n_positions)[:, None] * rates
    code = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    # Rounded to half precision as in the file that the weights came from: the answers differ by .25 otherwise.
    return code.astype(np.float16).astype(np.float32)


class ContentEncoder:
    """Content of encoder mels. The network sees windows of one length only: what is missing is silence.

    Args:
        network: Of `graphs.encoder`.
        config: The settings it was built with.
    """

    def __init__(self, network: Network, config: Config) -> None:
        self.network = network
        self._window_frames = 2 * config.encoder.window_vectors

    def prepare(self) -> None:
        """Build what the first window needs, which takes tenths of a second; nothing the second time."""
        self.network.prepare()

    def encode_window(self, mel: np.ndarray) -> np.ndarray:
        """Content of one window.

        Args:
            mel: Shape (n_frames, content_n_mels), log10 of power, not normalised; at most one window.

        Returns:
            Shape (n_frames // 2, content_dim), float32.
        """
        n_missing = self._window_frames - len(mel)
        padded = np.pad(mel, ((0, n_missing), (0, 0)), constant_values=SILENCE_LOG10)
        content = self.network(normalise_encoder_mel(padded)[None])[0]
        return np.asarray(content[: len(mel) // 2])

    def encode_pieces(self, mels: Iterable[np.ndarray]) -> list[np.ndarray]:
        """Content of many short pieces, as many to a window as fit, a gap of silence between them.

        Args:
            mels: Each of shape (n_frames, content_n_mels), at most one window long.

        Returns:
            For each piece shape (n_frames // 2, content_dim), float32.
        """
        contents: list[np.ndarray] = []
        batch: list[np.ndarray] = []
        for mel in mels:
            packed_frames = sum(len(other) + GAP_FRAMES + 1 for other in batch)
            if batch and packed_frames + len(mel) > self._window_frames:
                contents += self._encode_batch(batch)
                batch = []
            batch.append(mel)
        return contents + (self._encode_batch(batch) if batch else [])

    def _encode_batch(self, mels: Sequence[np.ndarray]) -> list[np.ndarray]:
        # Each piece begins on an even frame, so that its first vector is its own.
        padded = [np.pad(mel, ((0, GAP_FRAMES + len(mel) % 2), (0, 0)), constant_values=SILENCE_LOG10) for mel in mels]
        starts = np.cumsum([0] + [len(mel) // 2 for mel in padded])
        content = self.encode_window(np.concatenate(padded)[: self._window_frames])
        return [content[start : start + len(mel) // 2] for start, mel in zip(starts, mels, strict=False)]


def open_without_map(config: Config, arrays: Arrays) -> ContentEncoder:
    """An encoder that answers as Whisper's does, `width` wide, before any map to components.

    Args:
        config: The encoder's settings.
        arrays: Its weights; a map among them is not used.

    Returns:
        The encoder.
    """
    width = config.encoder.width
    size = config.encoder.model_copy(update={"content_dim": width})
    no_map = dict(zip(COMPONENTS, (np.eye(width), np.zeros(width)), strict=True))
    config = config.model_copy(update={"encoder": size})
    return ContentEncoder(open_network("encoder", config, read=lambda expected: arrays | no_map), config)
