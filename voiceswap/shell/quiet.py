"""TensorFlow loaded without what it writes about itself."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

# Who sets it wants to see them.
LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
ABOUT_ITSELF = re.compile(
    rb"[IWE]\d{4} \d\d:\d\d:|WARNING: All log messages before absl::|To enable the following instructions:"
    rb"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IWE] "
)


def load_tensorflow() -> None:
    """Import TensorFlow and look for its devices; without its lines on CPU features, missing GPUs, retracing.

    No setting turns the first ones off: they are written before TensorFlow reads any (tensorflow/tensorflow#100442).
    """
    if "tensorflow" in sys.modules or LOG_LEVEL in os.environ:
        return
    os.environ[LOG_LEVEL] = "2"
    with without_lines(ABOUT_ITSELF):
        try:
            import tensorflow as tf
        except ImportError:
            # For who needs it to tell.
            return
        tf.config.list_logical_devices()
    # Recordings have lengths: that a network is built for several of them is no news.
    tf.get_logger().setLevel("ERROR")


@contextmanager
def without_lines(pattern: re.Pattern[bytes]) -> Iterator[None]:
    """Hold back what is written to the file of stderr, by native code too, and let out what does not match."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        former = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(former, 2)
            os.close(former)
            held.seek(0)
            for line in held:
                if not pattern.match(line):
                    os.write(2, line)
