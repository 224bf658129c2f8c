"""Batches are a function of (seed, step), and know the recordings they are drawn from (R27, R29)."""

from pathlib import Path

import numpy as np
import pytest

from conftest import TINY
from voiceswap.audio.find import find_recordings
from voiceswap.events import ignore_events
from voiceswap.model.base import load_base
from voiceswap.training import dataset
from voiceswap.training.batches import CropSampler
from voiceswap.training.dataset import prepare_speech


@pytest.fixture
def speech(recordings, use_tiny):
    """Reads the recordings, or what is kept of them, into a cache of its own."""
    opened, files = load_base(), find_recordings(recordings)
    cache = recordings.parent / "own cache"
    return lambda: prepare_speech("speakerA", files, opened.encoder, opened.encoder_id, TINY, cache, ignore_events)


def test_r29_a_batch_knows_its_recordings(speech, recordings):
    for found in (speech(), speech()):
        assert {c.source for c in found.clips} == set(recordings.iterdir())
        crops = CropSampler([found.training], TINY, seed=3)
        seen = set()
        for step in range(20):
            batch, named = crops.batch(step), crops.sources(step)
            for field in ("content", "mel"):
                assert np.array_equal(getattr(batch, field), getattr(crops.batch(step), field))
            assert named == sorted(set(named)) and 1 <= len(named) <= TINY.train.batch
            drawn = [c for c in found.training if any(_holds(c, mel) for mel in batch.mel)]
            assert {c.source for c in drawn} == set(named)
            seen |= set(named)
        assert seen == {c.source for c in found.training}


@pytest.mark.parametrize("n", [2, 9, 10, 11, 35])
def test_what_is_judged_by_is_never_learnt_from(n):
    clips = tuple(
        dataset.Clip((), np.zeros((i, 80), np.float16), np.zeros(i, np.float32), Path("x.wav")) for i in range(n)
    )
    found = dataset.Speech(clips, 1, (), 0.0, 0.0, "")
    learnt, judged = ({len(c.mel) for c in part} for part in (found.training, found.held_out))
    assert not learnt & judged
    assert learnt | judged == set(range(n)) and len(judged) == max(1, n // 10)


def _holds(clip, mel):
    """Whether a crop's mel begins within a clip."""
    first = mel[0].astype(np.float16)
    return bool((clip.mel == first).all(axis=1).any())
