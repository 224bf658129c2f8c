"""A song put together again."""

import numpy as np
import pytest

from voiceswap.audio import write
from voiceswap.audio.read import AudioInfo
from voiceswap.audio.source import array_source
from voiceswap.conversion import mixing, songs
from voiceswap.conversion.mixing import mix_song
from voiceswap.conversion.options import ConvertOptions

RATE = 22_050


@pytest.mark.parametrize(("sung_s", "marked"), [(mixing.SPARSE_S, True), (mixing.SPARSE_S - 1, False)])
def test_a_song_is_marked_where_it_is_converted_if_that_is_enough(sung_s, marked):
    made, rest = np.zeros((RATE, 2), np.float32), np.full((RATE, 2), 0.1, np.float32)
    made[RATE // 2 :, 1] = 0.1
    song = songs.Song(array_source(made, RATE), array_source(rest, RATE, 1000).open, separated=True, sung_s=sung_s)
    kind = AudioInfo(RATE, 2, "WAV", "FLOAT")
    blocks = iter([made[:5000], made[5000:]])
    with mix_song(blocks, song, ConvertOptions("anna"), kind, len(made), str, str) as parts:
        where = [where for _, where in parts]
    if marked:
        np.testing.assert_array_equal(np.concatenate(where), np.arange(RATE) >= RATE // 2)
    else:
        assert where and all(part is None for part in where)


def test_stems_too_long_for_riff_are_rf64(tmp_path, monkeypatch):
    monkeypatch.setattr(write, "MAX_COUNTED_BYTES", 70_000)
    made = np.zeros((9000, 2), np.float32)
    kind, options = AudioInfo(RATE, 2, "WAV", "PCM_16"), ConvertOptions("anna", stems=tmp_path)
    song = songs.Song(array_source(made, RATE), None)
    with mix_song(iter([made]), song, options, kind, len(made), str, str) as parts:
        assert list(parts)
    assert [path.read_bytes()[:4] for path in sorted(tmp_path.iterdir())] == [b"RF64"] * 3
