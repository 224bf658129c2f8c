"""All checks, one after the other: style, types, import layers, docstrings, tests. `python -m tests.check`."""

import subprocess
import sys

CHECKS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
    ("lint-imports",),
    ("pydoclint", "voiceswap"),
    # Two at a time, shared out by tests/conftest.py.
    (sys.executable, "-m", "pytest", "-n", "2"),
)


def main() -> int:
    for check in CHECKS:
        print("$", " ".join(check), flush=True)
        code = subprocess.call(check)
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
