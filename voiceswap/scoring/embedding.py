"""Whose voice it is: a speaker embedding from real recordings, kept on a voice's card from its training on."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from voiceswap.arrays import Array
from voiceswap.audio.read import read_mono
from voiceswap.errors import AudioError, ModelError, UsageError
from voiceswap.model.speaker import SAMPLE_RATE_HZ, WIDTH, SpeakerEncoder, load_speaker_encoder, mean_embedding

# So many recordings, evenly picked, and so much of them altogether say who speaks.
MAX_RECORDINGS = 40
MAX_S = 240.0


@dataclass(frozen=True)
class SpeakerEmbedding:
    """Who a person is by the speaker encoder.

    Attributes:
        vector: Shape (WIDTH,), of length 1.
        own: How similar the person's recordings are to it, on average; nan for a single one.
        n_recordings: From how many.
    """

    vector: Array
    own: float
    n_recordings: int


@lru_cache(maxsize=1)
def speaker_encoder() -> SpeakerEncoder:
    """The shipped speaker encoder, opened once."""
    return load_speaker_encoder()


def embed_recordings(files: Sequence[Path]) -> SpeakerEmbedding | None:
    """Who speaks in recordings of one person.

    Args:
        files: Recordings; those that cannot be read, or hold no speech, are left out.

    Returns:
        The person's embedding; None if no speech was heard.
    """
    chosen = [files[i] for i in np.unique(np.linspace(0, len(files) - 1, MAX_RECORDINGS).astype(int))]
    each_s = MAX_S / len(chosen)
    pieces_of_each = speaker_encoder().embed_recordings([_read_beginning(file, each_s) for file in chosen])
    embeddings = [mean_embedding(pieces) for pieces in pieces_of_each if len(pieces)]
    if not embeddings:
        return None
    together = np.stack(embeddings)
    vector = mean_embedding(together)
    # Each against the others: a recording is always like itself.
    others = together.sum(axis=0) - together
    own = np.sum(together * others, axis=1) / np.maximum(np.linalg.norm(others, axis=1), 1e-9)
    return SpeakerEmbedding(vector, float(own.mean()) if len(embeddings) > 1 else float("nan"), len(embeddings))


def _read_beginning(file: Path, most_s: float) -> Array:
    """The beginning of a recording; nothing if it cannot be read."""
    try:
        return read_mono(file, SAMPLE_RATE_HZ, max_s=most_s)
    except (AudioError, UsageError):
        return np.zeros(0, np.float32)


def embedding_to_card(embedding: SpeakerEmbedding | None) -> dict[str, Any] | None:
    """A speaker embedding as a voice's card keeps it: plain JSON values, under a kilobyte."""
    if embedding is None:
        return None
    vector = base64.b64encode(embedding.vector.astype("<f2").tobytes()).decode()
    own = round(embedding.own, 4) if np.isfinite(embedding.own) else None
    return {"encoder": speaker_encoder().name, "vector": vector, "own": own, "n_recordings": embedding.n_recordings}


def embedding_from_card(card: dict[str, Any], where: str) -> SpeakerEmbedding | None:
    """The speaker embedding on a card.

    Args:
        card: A voice's.
        where: Its file, for the message.

    Returns:
        The embedding; None if there is none, or one of another encoder.

    Raises:
        ModelError: It is none that `embedding_to_card` makes.
    """
    entry = card.get("speaker")
    if entry is None:
        return None
    try:
        if entry["encoder"] != speaker_encoder().name:
            return None
        vector = np.frombuffer(base64.b64decode(entry["vector"], validate=True), "<f2").astype(np.float64)
        own = float("nan") if entry["own"] is None else float(entry["own"])
        n_recordings = int(entry["n_recordings"])
        length = float(np.linalg.norm(vector))
        if vector.shape != (WIDTH,) or not abs(length - 1) < 0.01:
            raise ValueError(f"{vector.shape} numbers of length {length}")
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        raise ModelError(
            f"{where} has no valid speaker embedding: {str(error)[:80]}", "train the voice again"
        ) from error
    return SpeakerEmbedding(vector / length, own, n_recordings)
