"""Content is heard piece by piece, whichever way the pieces are packed."""

import os

import numpy as np
import pytest

from conftest import TINY, keras_network, save
from voiceswap.errors import AudioError, WriteError
from voiceswap.events import ignore_events
from voiceswap.model import encoder
from voiceswap.model.runtime import open_network
from voiceswap.model.weights import to_arrays
from voiceswap.signal import synthetic
from voiceswap.training import dataset
from voiceswap.training.dataset import encode_clips, perturb_copies, prepare_speech

RANDOM = np.random.default_rng(0)


def test_pieces_heard_backwards_come_in_their_order_but_lie_elsewhere():
    arrays = to_arrays(keras_network("encoder"))
    listener = encoder.ContentEncoder(open_network("encoder", TINY, read=lambda expected: arrays), TINY)
    mels = [RANDOM.normal(-3, 1, (n, 80)).astype(np.float32) for n in (120, 200, 300)]
    forwards, backwards = (encode_clips(listener, mels, backwards=way) for way in (False, True))
    assert [len(c) for c in forwards] == [len(c) for c in backwards] == [60, 100, 150]
    assert all(np.abs(one - other).max() > 1e-3 for one, other in zip(forwards, backwards, strict=True))
    again = encode_clips(listener, mels[::-1], backwards=False)[::-1]
    for one, other in zip(backwards, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_copies_move_formants_up_and_down_in_turn(monkeypatch):
    ways = []
    monkeypatch.setattr(
        dataset, "perturb_speech", lambda said, random, *, up, rooms: ways.append((up, rooms)) or said.samples
    )
    piece, train = np.zeros(4000, np.float32), TINY.train.model_copy(update={"perturbed_copies": 4})
    assert len(perturb_copies(piece, TINY.features, train, seed=[1, 2])) == 4
    assert not any(rooms for _, rooms in ways)
    assert [up for up, _ in ways] in ([True, False] * 2, [False, True] * 2)


def test_an_offset_changes_no_clip(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "PART_S", 3.0)
    spoken = synthetic.speech(synthetic.ANNA, 12.0, seed=0).samples
    plain, offset = (dataset._Extraction(TINY), dataset._Extraction(TINY))
    for found, samples in ((plain, spoken), (offset, spoken + 0.03)):
        found.add(save(tmp_path / "a.wav", samples, subtype="FLOAT"), 0)
    assert len(plain.mels) > 3 and plain.speech_s == offset.speech_s < plain.total_s - 1
    for ours, theirs in zip(plain.mels, offset.mels, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=0.02)


def test_nothing_stays_of_a_recording_that_is_damaged_further_on(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "PART_S", 3.0)
    spoken = synthetic.speech(synthetic.ANNA, 8.0, seed=0).samples
    whole, cut = (save(tmp_path / name, spoken) for name in ("a.wav", "b.wav"))
    cut.write_bytes(cut.read_bytes()[:-10_000])
    found, alone = dataset._Extraction(TINY), dataset._Extraction(TINY)
    alone.add(whole, 0)
    found.add(whole, 0)
    with pytest.raises(AudioError, match="damaged after"):
        found.add(cut, 1)
    assert found.sources == alone.sources and (found.speech_s, found.total_s) == (alone.speech_s, alone.total_s)
    assert {len(clips) for clips in (found.mels, found.f0s, *found.encoder_mels)} == {len(alone.mels)}


def test_a_cache_that_cannot_be_written_to_is_told_before_the_work(tmp_path, monkeypatch):
    recording = save(tmp_path / "a.wav", np.zeros(22050))
    monkeypatch.setattr(dataset, "_extract", lambda *arguments: pytest.fail("too late"))
    monkeypatch.setattr(os, "access", lambda folder, mode: False)
    for cache, says in [(tmp_path / "cache", "permission denied"), (recording, "file exists")]:
        with pytest.raises(WriteError, match=f"cannot write {cache}: {says}"):
            prepare_speech("anna", [recording], None, "0", TINY, cache, ignore_events)
