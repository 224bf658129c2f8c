"""What a conversion computes on its way, as files: F0, content, mel, and the converted voice alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from voiceswap.arrays import Array
from voiceswap.audio.read import AudioInfo
from voiceswap.audio.write import Writer
from voiceswap.config import Config
from voiceswap.conversion.analysis import Analysis
from voiceswap.conversion.f0_curve import write_curve
from voiceswap.storage import atomic, png

FILES = ("f0.csv", "content.npy", "mel.npy", "vocal.wav", "f0.png", "content.png", "mel.png")


class Intermediates:
    """Files of one conversion's stages, which grow as it goes on.

    Args:
        paths: Where each of `FILES` is to be written.
        config: Framing and sizes.
        kind: The recording's rate and channels.
        n_samples: How many samples a channel it has.
        stack: Closes what is opened.
    """

    def __init__(
        self, paths: dict[str, Path], config: Config, kind: AudioInfo, n_samples: int, stack: ExitStack
    ) -> None:
        self._paths = paths
        self._config = config
        self._content = stack.enter_context(open_growing_npy(paths["content.npy"], config.encoder.content_dim))
        self._mel = stack.enter_context(open_growing_npy(paths["mel.npy"], config.features.n_mels))
        info = AudioInfo(kind.sample_rate_hz, kind.n_channels, "WAV", "FLOAT")
        self._vocal = stack.enter_context(Writer(paths["vocal.wav"], info, n_samples=n_samples))

    def keep_analysis(self, analysis: Analysis) -> None:
        """Keep the source's F0."""
        framing = self._config.features
        write_curve(self._paths["f0.csv"], analysis.f0_hz, framing)
        png.write_curve(self._paths["f0.png"], analysis.f0_hz, framing.f0_min_hz, framing.f0_max_hz)

    def keep_window(self, content: Array, mel: Array) -> None:
        """Keep a window's own content (n_vectors, content_dim) and mel (n_frames, n_mels)."""
        self._content.add(content)
        self._mel.add(mel)

    def keep_voice(self, blocks: Iterator[Array]) -> Iterator[Array]:
        """The converted voice, kept while it passes by."""
        for block in blocks:
            self._vocal.write(block)
            yield block

    def draw(self) -> None:
        """Draw what was kept."""
        self._content.draw(self._paths["content.png"])
        self._mel.draw(self._paths["mel.png"])


@contextmanager
def keep_intermediates(folder: Path, config: Config, kind: AudioInfo, n_samples: int) -> Iterator[Intermediates]:
    """Keep stages in a folder; the files appear when the block ends well, in place of former ones.

    Args:
        folder: Made if it is missing.
        config: Framing and sizes.
        kind: The recording's rate and channels.
        n_samples: How many samples a channel it has.

    Yields:
        What takes the stages.

    Raises:
        WriteError: They cannot be written.
    """
    atomic.make_folder(folder)
    with ExitStack() as replacements:
        paths = {name: replacements.enter_context(atomic.replacing(folder / name)) for name in FILES}
        with ExitStack() as stack:
            stages = Intermediates(paths, config, kind, n_samples, stack)
            yield stages
            stages.draw()


class _GrowingNpy:
    def __init__(self, path: Path, n_columns: int) -> None:
        self._n_rows = 0
        self._n_columns = n_columns
        self._path = path
        self._file = path.open("w+b")
        self._write_header()

    def _write_header(self) -> None:
        # numpy leaves room in the header for the first dimension to grow, so it can be overwritten in place.
        shape = (self._n_rows, self._n_columns)
        npy.write_array_header_1_0(self._file, {"descr": "<f4", "fortran_order": False, "shape": shape})

    def add(self, rows: Array) -> None:
        self._file.write(np.ascontiguousarray(rows, dtype="<f4").tobytes())
        self._n_rows += len(rows)

    def finish(self) -> None:
        self._file.seek(0)
        self._write_header()
        self._file.seek(0, 2)
        self._file.flush()

    def draw(self, path: Path) -> None:
        self.finish()
        rows = np.load(self._path, mmap_mode="r") if self._n_rows else np.zeros((0, self._n_columns))
        png.write_heat(path, rows)

    def close(self) -> None:
        self._file.close()


@contextmanager
def open_growing_npy(path: Path, n_columns: int) -> Iterator[_GrowingNpy]:
    """Open a .npy file of float32 rows, written as they come: how many is not known yet."""
    growing = _GrowingNpy(path, n_columns)
    try:
        yield growing
        growing.finish()
    finally:
        growing.close()
