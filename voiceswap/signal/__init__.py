"""Arrays in, arrays out: decoding, melody, mels, loudness. Knows nothing of models."""

import os
import warnings

# Newer setuptools say this where pyworld 0.3.5 is imported; which setuptools there may be is settled in pyproject.toml.
warnings.filterwarnings("ignore", message="pkg_resources is deprecated", category=UserWarning, module="pyworld")

# Offline is promised: from 1.29 on onnxruntime, on which SwiftF0 and DNSMOS run, tells its maker of each process and
# keeps an identifier in the home folder. It looks for this once, when it is imported, which is later than here.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
