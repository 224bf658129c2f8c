"""Who a voice is, on its card."""

import numpy as np
import pytest

from conftest import save
from voiceswap.config import Config
from voiceswap.scoring.embedding import embed_recordings, embedding_from_card, embedding_to_card
from voiceswap.signal import synthetic

F = Config().features


RATE = F.mel_rate_hz


def test_an_identity_comes_back_from_a_card_and_nothing_else_does(tmp_path):
    from voiceswap.errors import ModelError

    files = [save(tmp_path / f"{i}.wav", synthetic.speech(synthetic.ANNA, 3.0, seed=i).samples) for i in range(3)]
    (tmp_path / "bad.wav").write_bytes(b"hello")
    found = embed_recordings([*files, tmp_path / "bad.wav"])
    assert found.n_recordings == 3 and 0.7 < found.own <= 1
    card = {"speaker": embedding_to_card(found)}
    assert len(str(card)) < 1000
    back = embedding_from_card(card, "card.json")
    assert back.vector @ found.vector > 0.9999 and back.n_recordings == 3
    assert embedding_from_card({}, "card.json") is None
    assert embedding_from_card({"speaker": card["speaker"] | {"encoder": "another"}}, "card.json") is None
    good = card["speaker"]
    for wrong in (good | {"vector": "x"}, good | {"vector": good["vector"][:-4]}, good | {"own": "y"}, [], "z", 3,
                  good | {"vector": "AAAA" * 171}, good | {"own": 10**400}):  # fmt: skip
        with pytest.raises(ModelError, match=r"card\.json has no valid speaker embedding"):
            embedding_from_card({"speaker": wrong}, "card.json")
    silent = save(tmp_path / "silent.wav", np.zeros(RATE))
    assert embed_recordings([silent]) is None and embedding_to_card(None) is None
