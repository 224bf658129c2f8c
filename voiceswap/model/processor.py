"""What this processor does quickly: in which precision networks work, and how dilated convolutions are worked out."""

from __future__ import annotations

import os
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")
# With one of these TensorFlow uses oneDNN (tensorflow/core/util/util.cc).
ONEDNN_FLAGS = ("avx512_vnni", "avx512_bf16", "avx_vnni", "amx_tile", "amx_int8", "amx_bf16")
AMX_FLAG, AVX512_FLAG, AVX512_HALF_FLAG = "amx_bf16", "avx512f", "avx512_bf16"


def processor_flags() -> frozenset[str]:
    """What this processor can do, as Linux names it; empty elsewhere."""
    try:
        return frozenset(CPU_INFO.read_text(encoding="ascii", errors="replace").split())
    except OSError:
        return frozenset()


def uses_onednn() -> bool:
    """Whether TensorFlow hands its convolutions to oneDNN; asked as TensorFlow does, which tells nobody."""
    wanted = os.environ.get("TF_ENABLE_ONEDNN_OPTS")
    return wanted == "1" if wanted in ("0", "1") else not processor_flags().isdisjoint(ONEDNN_FLAGS)


def splits_dilated() -> bool:
    """Whether dilated convolutions are quicker as convolutions of every dilation-th value, which is how Keras has them.

    By TensorFlow's own kernels they never are; by oneDNN's they are without AVX-512, and taken to be with AMX, where it
    was not measured (docs/measurements.md).
    """
    flags = processor_flags()
    return uses_onednn() and (AMX_FLAG in flags or AVX512_FLAG not in flags)


def is_bfloat16_quick() -> bool:
    """Whether bfloat16 is worked out quicker than float32 here; asked, not timed: a machine always says the same."""
    return uses_onednn() and not processor_flags().isdisjoint((AMX_FLAG, AVX512_HALF_FLAG))


def quick_dtype() -> str:
    """What networks work in where that loses nothing that is heard: "bfloat16" where it is quicker, else "float32"."""
    return "bfloat16" if is_bfloat16_quick() else "float32"


def has_amx() -> bool:
    """Whether it is several times as quick in bfloat16, by units of its own for that (AMX)."""
    return uses_onednn() and AMX_FLAG in processor_flags()
