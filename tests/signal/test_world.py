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
    from voiceswap.signal import f0 as pitch, world
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
        made = world.warped(world.analysed(samples.astype(np.float32), config), **ratios)
        assert made.shape == samples.shape and np.isfinite(made).all() and made.dtype == np.float32
        for method in ("dio", "harvest")[: 1 + (case % 10 == 0)]:
            f0 = pitch.f0_hz(samples.astype(np.float32), config, method)
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


def test_what_setuptools_says_of_pyworld_is_not_shown():
    code = """
import warnings, voiceswap.signal
for text, module in (("pkg_resources is deprecated as an API.", "pyworld"), ("something else", "pyworld")):
    warnings.warn_explicit(text, UserWarning, "there", 13, module=module)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pkg_resources" not in done.stderr and "something else" in done.stderr
