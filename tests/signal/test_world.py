"""WORLD, which can take its process down with it, is given nothing that does so (R20)."""

import subprocess
import sys
import textwrap

import pytest

from voiceswap.config import FeatureConfig

FUZZ = textwrap.dedent(
    """
    import sys
    import numpy as np
    from voiceswap.config import FeatureConfig
    from voiceswap.signal.f0 import estimate_f0
    from voiceswap.signal.world import analyse_world, warp_world
    n_cases, seed = int(sys.argv[1]), int(sys.argv[2])
    # The last of these: a period longer than a frame, found by the first 20,000 cases to crash WORLD's synthesis.
    for case in [*range(n_cases), 10_727]:
        draw = np.random.default_rng([seed, case])
        rate = int(draw.choice([8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000, draw.integers(8000, 48000)]))
        n = int(np.exp(draw.uniform(0, np.log(5 * rate)))) - 1
        samples = draw.normal(0, 0.1, n)
        kind = draw.integers(8)
        if kind == 0:
            samples[:] = 0
        elif kind == 1:
            samples += draw.uniform(-1, 1)
        elif kind == 2:
            samples *= 1e6
        elif kind == 3 and n:
            samples[draw.integers(n, size=3)] = draw.choice([np.nan, np.inf, -np.inf])
        elif kind == 4:
            samples = 0.3 * np.sin(2 * np.pi * draw.uniform(20, rate / 2) * np.arange(n) / rate)
        elif kind == 5:
            samples = np.sign(np.sin(2 * np.pi * draw.uniform(20, 2000) * np.arange(n) / rate))
        elif kind == 6:
            samples *= 1e-30
        config = FeatureConfig(mel_rate_hz=rate, n_fft=int(draw.choice([512, 1024, 2048])))
        print(case, rate, n, kind, config.n_fft, flush=True)
        ratios = {"f0_ratio": draw.uniform(0.25, 4), "envelope_ratio": draw.uniform(0.5, 2)}
        made = warp_world(analyse_world(samples.astype(np.float32), config), **ratios)
        assert made.shape == samples.shape and np.isfinite(made).all() and made.dtype == np.float32
        for method in ("dio", "harvest")[: 1 + (case % 10 == 0)]:
            f0 = estimate_f0(samples.astype(np.float32), config, method)
            assert len(f0) == n // config.hop_samples and np.isfinite(f0).all()
    print("done")
    """
)


@pytest.mark.timeout(0)
def test_r20_world_survives_whatever_it_is_given(tier):
    n = tier(60, 20_000)
    done = subprocess.run([sys.executable, "-W", "error", "-c", FUZZ, str(n), "1"], capture_output=True, text=True)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "done"), (done.stdout[-80:], done.stderr[-2000:])
    assert FeatureConfig().mel_rate_hz >= 8000


def test_what_setuptools_says_of_pyworld_is_not_shown_and_nothing_else_is_hidden():
    code = """
import warnings
before = list(warnings.filters)
import voiceswap.signal.world
assert "pkg_resources" not in str([rule[1] for rule in warnings.filters if rule not in before])
warnings.warn_explicit("pkg_resources is deprecated as an API.", UserWarning, "there", 13, module="pyworld")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.count("pkg_resources is deprecated") == 1, "only the one that this test asked for"
    quiet = subprocess.run([sys.executable, "-W", "error", "-c", "import voiceswap.signal.world"], check=False)
    assert quiet.returncode == 0
