"""A training for TensorBoard: curves, the timelapse's sound, and its spectrogram."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from voiceswap.errors import UsageError
from voiceswap.storage import png
from voiceswap.training.loop import Check
from voiceswap.training.timelapse import Frame

FOLDER = "tensorboard"


def check_installed() -> None:
    """Raise UsageError if TensorBoard, which does not come with TensorFlow, is not installed."""
    if find_spec("tensorboard") is None:
        raise UsageError("TensorBoard is not installed", 'pip install "voiceswap[tensorboard]"')


class TensorBoard:
    """Writes event files beside a run's checkpoints.

    Args:
        run_folder: Where the training keeps its files.
        sample_rate_hz: Of the frames.
    """

    def __init__(self, run_folder: Path, sample_rate_hz: int) -> None:
        import tensorflow as tf

        self.folder = run_folder / FOLDER
        self._summary = tf.summary
        self._sample_rate_hz = sample_rate_hz
        self._writer = tf.summary.create_file_writer(str(self.folder))

    def add_check(self, check: Check, frame: Frame | None) -> None:
        """Add what a check found, and what the voice sounds like if that was rendered."""
        state = check.state
        summary = self._summary
        values = {
            "loss": check.loss,
            "held-out error": state.last_score,
            "best held-out error": state.best_score,
            "times real time": check.times_real_time,
        }
        with self._writer.as_default(step=state.step):
            for name, value in values.items():
                if np.isfinite(value):
                    summary.scalar(name, value)
            if frame is not None:
                summary.audio("timelapse/sound", frame.samples[None, :, None], self._sample_rate_hz)
                summary.image("timelapse/spectrogram", png.heat(frame.mel)[None, :, :, None])
        self._writer.flush()

    def close(self) -> None:
        """End the file."""
        self._writer.close()
