"""The pieces of a page."""

import numpy as np

from voiceswap.web import page


def test_a_plot_is_true_to_its_values():
    x = np.arange(5.0)
    scale = page.Scale(100, 400, [200], " Hz", logarithmic=True)
    made = page.plot(
        "a label", [page.Curve("up", x, np.array([100, 200, np.nan, 400, 400.0]))], scale, (0, 4), ("a", "b")
    )
    assert 'd="M0 1000h0L250 500M750 0h0L1000 0"' in made
    assert 'd="M0 500h1000"' in made and '"top:50.0%">200 Hz<' in made
    flat = page.Scale(0, 2, [])
    assert [flat.place(v) for v in (0, 1, 2, 3, -1)] == [1, 0.5, 0, 0, 1]
