"""Arrays in, arrays out: decoding, melody, mels, loudness. Knows nothing of models."""

import warnings

# Newer setuptools say this where pyworld 0.3.5 is imported; which setuptools there may be is settled in pyproject.toml.
warnings.filterwarnings("ignore", message="pkg_resources is deprecated", category=UserWarning, module="pyworld")
