"""All checks, one after the other: style, types, import layers, docstrings, tests.

python -m tests.check            everything but what is marked slow
python -m tests.check --quick    the same, but only the tests that neither train, convert nor start commands
python -m tests.check --slow     the slow tests, too; further arguments go to pytest as well
"""

import subprocess
import sys

CHECKS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
    ("lint-imports",),
    ("pydoclint", "voiceswap"),
)
# Two at a time, shared out by tests/conftest.py.
TESTS = (sys.executable, "-m", "pytest", "-n", "2")


def main(arguments: list[str]) -> int:
    for check in (*CHECKS, (*TESTS, *arguments)):
        print("$", " ".join(check), flush=True)
        code = subprocess.call(check)
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
