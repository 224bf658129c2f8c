"""Who speaks: Resemblyzer's voice encoder (GE2E, Wan et al., 2018; Apache 2.0), speech in, a direction out.

The same person's recordings point the same way. No conversion goes through it: it judges them, and it never took part
in a training, so that what it says of a voice is a stranger's opinion.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from scipy.ndimage import maximum_filter1d

from voiceswap import weights
from voiceswap.arrays import Array
from voiceswap.model.runtime import Network, open_network
from voiceswap.signal import loudness
from voiceswap.signal.features import mel_filters, stft_magnitudes
from voiceswap.signal.loudness import remove_dc
from voiceswap.storage.folder import open_folder

KIND = "speaker encoder"
WEIGHTS = "speaker"
MAX_BYTES = 4_000_000
SHIPPED = weights.path("speaker")

SAMPLE_RATE_HZ = 16_000
FRAME_SAMPLES = 400
HOP_SAMPLES = 160
N_MELS = 40
WIDTH = 256
N_LAYERS = 3
# It hears pieces of 1.6 s, begun every 0.77 s; a last one counts if three quarters of it are there.
PIECE_FRAMES = 160
STEP_FRAMES = 77
MIN_SHARE = 0.75
# So many at a time: one alone takes nearly as long.
BATCH = 64
# Its mel is one of power, not its logarithm: it was trained on recordings raised to at least this level, without pauses
# (what lies so far below the speech), but for some frames of 20 ms around it.
LEVEL_DB = -30.0
PAUSE_DB = 25.0
KEPT_FRAMES = 7


class SpeakerEncoder:
    """Embeddings of speakers: the same person's recordings point the same way.

    Args:
        network: Of `graphs.speaker`.
        name: Names these very weights: only vectors of one encoder can be compared.

    Attributes:
        name: As given.
    """

    def __init__(self, network: Network, name: str) -> None:
        self.network = network
        self.name = name

    def embed_pieces(self, samples: Array) -> Array:
        """Hear a recording.

        Args:
            samples: Shape (n_samples,), float32, at `SAMPLE_RATE_HZ`.

        Returns:
            Shape (n_pieces, WIDTH), float32, a vector of length 1 for each 1.6 s of speech; none without speech.
        """
        return self.embed_recordings([samples])[0]

    def embed_recordings(self, recordings: Sequence[Array]) -> list[Array]:
        """`embed_pieces` of many recordings, in much less time than one by one."""
        mels = [_cut_mels(samples) for samples in recordings]
        joined = np.concatenate([np.zeros((0, PIECE_FRAMES, N_MELS)), *mels])
        batches = [joined[first : first + BATCH] for first in range(0, len(joined), BATCH)]
        vectors = np.concatenate([np.zeros((0, WIDTH), np.float32), *map(self.network, batches)])
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        return np.split(vectors, np.cumsum([len(mel) for mel in mels]))[:-1]


def _cut_mels(samples: Array) -> Array:
    """The mels of the pieces of a recording, (n_pieces, PIECE_FRAMES, N_MELS)."""
    speech = _keep_speech(samples)
    if not len(speech):
        return np.zeros((0, PIECE_FRAMES, N_MELS))
    n_steps = max(0, -(-(len(speech) // HOP_SAMPLES - PIECE_FRAMES) // STEP_FRAMES))
    starts = [i * STEP_FRAMES for i in range(n_steps + 1)]
    if n_steps and len(speech) / HOP_SAMPLES - starts[-1] < MIN_SHARE * PIECE_FRAMES:
        starts.pop()
    missing = (starts[-1] + PIECE_FRAMES) * HOP_SAMPLES - len(speech)
    half = FRAME_SAMPLES // 2
    spectra = stft_magnitudes(np.pad(speech, (half, half + max(0, missing))), FRAME_SAMPLES, HOP_SAMPLES)
    mel = spectra**2 @ mel_filters(SAMPLE_RATE_HZ, FRAME_SAMPLES, N_MELS, SAMPLE_RATE_HZ / 2).T
    return np.stack([mel[start : start + PIECE_FRAMES] for start in starts])


def _keep_speech(samples: Array) -> Array:
    (samples,) = remove_dc([samples], SAMPLE_RATE_HZ)
    levels_db = loudness.frame_levels_db(samples, SAMPLE_RATE_HZ)
    active_db = loudness.active_level_db(levels_db)
    if active_db < loudness.NO_SPEECH_DB:
        return samples[:0]
    raised_db = max(0.0, LEVEL_DB - 10 * float(np.log10(np.mean(np.square(samples)))))
    kept = maximum_filter1d(levels_db > active_db - PAUSE_DB, KEPT_FRAMES)
    frame = round(loudness.LEVEL_FRAME_S * SAMPLE_RATE_HZ)
    return np.asarray(samples[np.repeat(kept, frame)[: len(samples)]] * np.float32(10 ** (raised_db / 20)))


def mean_embedding(vectors: Array) -> Array:
    """The mean direction of `(n, WIDTH)`, of length 1; nan without any."""
    if not len(vectors):
        return np.full(WIDTH, np.nan)
    mean = vectors.mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean))


def load_speaker_encoder(path: Path | None = None) -> SpeakerEncoder:
    """Open a speaker encoder.

    Args:
        path: Its folder; the shipped one if not given.

    Returns:
        The encoder, its file verified against its sum.

    Raises:
        ModelError: It is missing, damaged, or no speaker encoder.
    """
    folder = open_folder(path or SHIPPED, kind=KIND, max_bytes=MAX_BYTES, hold=False)
    network = open_network("speaker", read=partial(folder.arrays, WEIGHTS))
    return SpeakerEncoder(network, folder.sum_of(f"{WEIGHTS}.safetensors")[:12])
