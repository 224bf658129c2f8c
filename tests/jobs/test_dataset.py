"""Content is heard piece by piece, whichever way the pieces are packed."""

import numpy as np

from conftest import TINY
from voiceswap.jobs import dataset
from voiceswap.model import encoder

RANDOM = np.random.default_rng(0)


def test_pieces_heard_backwards_come_in_their_order_but_lie_elsewhere():
    listener = encoder.ContentEncoder(encoder.build(TINY), TINY)
    mels = [RANDOM.normal(-3, 1, (n, 80)).astype(np.float32) for n in (120, 200, 300)]
    forwards, backwards = (dataset.heard(listener, mels, backwards=way) for way in (False, True))
    assert [len(c) for c in forwards] == [len(c) for c in backwards] == [60, 100, 150]
    assert all(np.abs(one - other).max() > 1e-3 for one, other in zip(forwards, backwards, strict=True))
    again = dataset.heard(listener, mels[::-1], backwards=False)[::-1]
    for one, other in zip(backwards, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_copies_move_formants_up_and_down_in_turn(monkeypatch):
    ways = []
    monkeypatch.setattr(
        dataset, "perturbed", lambda said, random, *, up, rooms: ways.append((up, rooms)) or said.samples
    )
    piece, train = np.zeros(4000, np.float32), TINY.train.model_copy(update={"perturbed_copies": 4})
    assert len(dataset.copies_of(piece, TINY.features, train, seed=[1, 2])) == 4
    assert not any(rooms for _, rooms in ways)
    assert [up for up, _ in ways] in ([True, False] * 2, [False, True] * 2)
