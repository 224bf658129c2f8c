"""Pictures, read back by another decoder."""

import av
import numpy as np

from voiceswap.storage import png


def grey(path):
    with av.open(str(path)) as file:
        return next(file.decode(video=0)).to_ndarray(format="gray")


def test_a_heat_map_has_time_to_the_right_and_the_first_value_below(tmp_path):
    rows = np.zeros((50, 80), np.float32)
    rows[40:, :10] = 1.0
    png.write_heat(tmp_path / "heat.png", rows)
    seen = grey(tmp_path / "heat.png")
    assert seen.shape == (240, 50)
    assert seen[-25:, 41:].min() > 200 and seen[:200].max() == 0 and seen[:, :39].max() == 0


def test_a_curve_rises_to_the_top_and_leaves_gaps(tmp_path):
    values = np.geomspace(50, 800, 100)
    values[40:60] = 0.0
    png.write_curve(tmp_path / "curve.png", values, 50.0, 800.0)
    seen = grey(tmp_path / "curve.png")
    assert seen[:, 40:60].max() == 0
    heights = [int(np.argmax(seen[:, i] > 100)) for i in (0, 30, 70, 99)]
    assert heights == sorted(heights, reverse=True) and heights[0] >= 237 and heights[-1] == 0


def test_long_and_empty_recordings_are_drawn_too(tmp_path):
    png.write_heat(tmp_path / "long.png", np.random.default_rng(0).normal(0, 1, (10_001, 4)))
    assert grey(tmp_path / "long.png").shape[1] <= png.MAX_COLUMNS
    png.write_heat(tmp_path / "none.png", np.zeros((0, 80)))
    png.write_curve(tmp_path / "flat.png", np.zeros(0), 50.0, 800.0)
    assert grey(tmp_path / "none.png").shape == grey(tmp_path / "flat.png").shape == (1, 1)
