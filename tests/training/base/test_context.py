"""What parts are made with: a start of either kind, and no more components than there are."""

import numpy as np
import pytest

from conftest import TINY
from voiceswap.errors import ModelError, UsageError
from voiceswap.model.base import load_base
from voiceswap.model.encoder import COMPONENTS
from voiceswap.storage.folder import write_folder
from voiceswap.training.base.context import START_KIND, Start, open_part


@pytest.fixture
def ported(tiny_base, tmp_path):
    """A start as tools/porting/ports.py writes it: encoder without the map, vocoder, no decoder."""
    tiny = load_base(tiny_base)
    encoder = {name: array for name, array in tiny.arrays("encoder").items() if name not in COMPONENTS}
    arrays = {"encoder": encoder, "vocoder": tiny.arrays("vocoder")}
    write_folder(tmp_path / "start", kind=START_KIND, documents={"config": TINY.to_json()}, arrays=arrays)
    return tmp_path / "start"


def test_a_start_is_what_was_ported_or_a_base(ported, tiny_base, quick_base):
    first, base = Start(ported, None), Start(tiny_base, None)
    assert first.decoder is None and first.quick_vocoder is None and base.quick_vocoder is None
    assert set(Start(quick_base, None).quick_vocoder) == set(load_base(quick_base).arrays("quick_vocoder"))
    assert set(base.decoder) == set(load_base(tiny_base).arrays("decoder"))
    assert set(base.encoder) - set(first.encoder) == set(COMPONENTS)
    assert base.sha256 == load_base(tiny_base).id != first.sha256
    for name, array in first.vocoder.items():
        np.testing.assert_array_equal(array, base.vocoder[name])


def test_what_belongs_to_a_training_is_not_taken_from_the_start(ported):
    config = Start(ported, 3).config
    assert config.encoder == TINY.encoder.model_copy(update={"content_dim": 3}) and config.vocoder == TINY.vocoder
    assert config.decoder != TINY.decoder and config.train != TINY.train


@pytest.mark.parametrize("content_dim", [0, -1, TINY.encoder.width + 1])
def test_there_are_no_more_components_than_the_encoder_is_wide(content_dim, ported):
    with pytest.raises(UsageError, match=f"content_dim is {content_dim}$") as caught:
        Start(ported, content_dim)
    assert caught.value.hint == "wanted 1 to 16, the encoder's width"


def test_a_part_that_is_missing_is_told(tmp_path):
    with pytest.raises(ModelError):
        open_part(tmp_path, "encoder")
