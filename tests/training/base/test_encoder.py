"""A base's encoder: components that keep what they say they keep, and the sounds that it knows."""

import numpy as np
import pytest

from conftest import TINY, run_pretrain, save
from voiceswap.audio.read import read_mono
from voiceswap.errors import UsageError
from voiceswap.jobs import check
from voiceswap.model import base
from voiceswap.model.base import load_base
from voiceswap.signal import synthetic
from voiceswap.training.base.encoder import principal_components


def test_components_keep_the_most_and_are_half_whitened():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(4000, 8)) @ rng.normal(size=(8, 8)) + 3
    for n_components in (1, 3, 8):
        kernel, bias, kept = principal_components(vectors, n_components)
        content = vectors @ kernel + bias
        covariance = np.cov(content.T).reshape(n_components, n_components)
        np.testing.assert_allclose(content.mean(axis=0), 0, atol=1e-8)
        np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), atol=1e-8)
        variances = np.linalg.eigvalsh(np.cov(vectors.T))[::-1]
        assert kept == pytest.approx(variances[:n_components].sum() / variances.sum())
        # Standard deviations stand to each other as their roots did before.
        roots = variances[:n_components] ** 0.25
        deviations = np.sqrt(np.diag(covariance))
        np.testing.assert_allclose(deviations / deviations[0], roots / roots[0], rtol=1e-6)


def test_a_base_knows_the_sounds_that_it_was_made_of(people, home, monkeypatch):
    run_pretrain(people, home / "work")
    assert load_base(home / "work" / "base").units.shape == (base.N_UNITS, TINY.encoder.content_dim)
    monkeypatch.setattr(base, "SHIPPED", home / "work" / "base")
    excerpts = [(read_mono(path, 22050, max_s=8.0), 22050) for path in sorted((people / "anna").iterdir())]
    some, all_of_it = check.measure_units_share(excerpts[:1]), check.measure_units_share(excerpts)
    assert 0 < some < all_of_it <= 1
    assert check.measure_units_share([]) == 0


@pytest.mark.parametrize(("durations_s", "heard"), [((0.8, 0.9), "0.0"), ((0.8, 1.2), "1.2")])
def test_first_recordings_in_which_too_little_is_said_are_refused(durations_s, heard, people, home):
    for name, duration_s in zip(("anna", "bert"), durations_s, strict=True):
        save(people / name / "take0.wav", synthetic.speech(synthetic.ANNA, 2.0).samples[: round(22050 * duration_s)])
    with pytest.raises(UsageError, match=f"first recordings have {heard} s in all, wanted at least 2 s"):
        run_pretrain(people, home / "work", parts=["encoder"])
