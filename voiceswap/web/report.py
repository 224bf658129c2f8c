"""A voice on one page: what it sounds like, how it came to be, its figures, its card."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from voiceswap.arrays import Array
from voiceswap.audio.find import find_recordings
from voiceswap.audio.read import AudioInfo, probe, read_mono
from voiceswap.audio.write import Writer
from voiceswap.config import FeatureConfig
from voiceswap.conversion.voice import Voice, load
from voiceswap.errors import ModelError
from voiceswap.events import OnEvent, ignore_events
from voiceswap.jobs.evaluate import Evaluation, evaluate
from voiceswap.provenance.consent import is_recorded
from voiceswap.signal import features
from voiceswap.signal.f0 import estimate_f0
from voiceswap.storage import atomic, paths
from voiceswap.storage.folder import strict_json
from voiceswap.storage.outputs import OUT, check_targets
from voiceswap.text import ROWS, range_text
from voiceswap.training import loop, timelapse
from voiceswap.training.timelapse import find_sentence, list_frames
from voiceswap.version import __version__
from voiceswap.web import page

SUFFIX = ".report.html"
# What keeps a page to a few megabytes: 22 kHz in FLAC is about 35 kB a second.
MAX_EXAMPLES, MAX_EXAMPLE_S, MAX_SHOWN = 3, 6.0, 12
MAX_CARD_ENTRIES, MAX_METRICS_BYTES = 60, 4 << 20
# Spectrograms side by side are drawn from this far below the loudest.
RANGE_LOG = math.log(10) * 60 / 20
F0_TICKS_HZ = (50, 75, 100, 150, 200, 300, 400, 600, 800, 1100)
REMARKS = {
    "to_target": "recordings of one person have about 0.87",
    "to_source": "recordings of two people have about 0.53",
    "f0_correlation": "1 is the same melody",
    "f0_rmse_cents": "100 are a semitone",
    "voicing_error": "0 is best",
    "loudness_rmse_db": "0 is best",
    "clipped_share": "0 is best",
    "dnsmos_ovrl": "as a network predicts how natural it sounds",
}
OWN_SENTENCE = (
    "Nobody else's recording was at hand when this voice was trained, so below it says its own person's words again: "
    "how it converts others is not shown. Make the page with recordings of others as its source."
)
# What the entries of a card are called; whatever else is on one goes by its own name.
CARD_NAMES = {
    "speech_s": "seconds of speech",
    "n_files": "recordings",
    "f0_range": "range",
    "best_step": "step kept",
    "trained_s": "seconds of training",
    "scores": "held-out error",
    "data_sha256": "sha256 of the recordings",
}


@dataclass(frozen=True)
class Page:
    """A report that was written.

    Attributes:
        path: The page.
        n_bytes: How large it is.
        evaluation: The scores on it; None if there was nothing to convert.
    """

    path: Path
    n_bytes: int
    evaluation: Evaluation | None


def report(
    voice: str | Path,
    *,
    out: str | Path | None = None,
    source: str | Path | None = None,
    target: str | Path | None = None,
    voices: str | Path | None = None,
    force: bool = False,
    on_event: OnEvent = ignore_events,
    stopped: Callable[[], bool] = lambda: False,
) -> Page:
    """Write a page about a voice: one HTML file that needs no network.

    Args:
        voice: Its name, or the path of its folder.
        out: The page; VOICE.report.html in the current folder if not given.
        source: A dry recording of someone else, or a folder of them, to convert; the sentence that the voice's training
            kept if not given.
        target: A folder of real recordings of the voice's person, to compare with; a sentence that the training kept
            and what the card says if not given.
        voices: The voices folder; VOICESWAP_VOICES or the user's data directory if not given.
        force: Replace a page that exists.
        on_event: Told of the progress.
        stopped: Asked after each block; True ends it without a page.

    Returns:
        Where the page is, and its scores.

    Raises:
        UsageError: The page exists or is a recording itself, or a recording is missing.
        AudioError: No recording could be used.
        ModelError: The voice cannot be used.
        WriteError: The page cannot be written.
        StoppedError: `stopped` said so.

    Example:
        >>> import voiceswap
        >>> voiceswap.report("speakerB").path  # doctest: +SKIP
    """
    used = load(voice, voices)
    path = Path(out) if out is not None else Path(f"{used.name}{SUFFIX}")
    read = [(Path(p), f"the {what}") for p, what in ((source, "source"), (target, "target")) if p is not None]
    check_targets([(path, OUT)], read, force=force)
    kept = paths.run_path(used.path.absolute().parent, used.name)
    with tempfile.TemporaryDirectory(prefix="voiceswap-") as temporary:
        made = _Report(used, kept, Path(temporary))
        found = made.evaluated(Path(source) if source is not None else None, target, on_event, stopped)
        written = made.html(found, Path(target) if target is not None else None).encode()
    atomic.write_bytes(path, written)
    return Page(path, len(written), found)


class _Report:
    def __init__(self, voice: Voice, run_folder: Path, scratch: Path) -> None:
        self.voice, self.card, self.scratch = voice, voice.card, scratch
        self.config: FeatureConfig = voice.config.features
        self.run_folder, self.kept = run_folder, run_folder / timelapse.FOLDER
        self.best_step = _number(self.card, "best_step")
        self.sources: list[Path] = []

    def evaluated(
        self, source: Path | None, target: str | Path | None, on_event: OnEvent, stopped: Callable[[], bool]
    ) -> Evaluation | None:
        if source is None and not (self.kept / timelapse.SOURCE).is_file():
            return None
        made = self.scratch / "made"
        self.sources = find_recordings(source or self.kept / timelapse.SOURCE)
        return evaluate(
            self.voice.path,
            source=source or self.kept / timelapse.SOURCE,
            target=target,
            out=made,
            on_event=on_event,
            stopped=stopped,
        )

    def html(self, found: Evaluation | None, target: Path | None) -> str:
        name = self.voice.name
        # How near it is to its source says nothing where the source is the same person.
        left_out = ("to_source",) if found is not None and self._own_sentence() else ()
        figures = _scores(found, left_out)
        sections = [self._examples(found, target), self._timelapse(), self._training(), figures, self._card()]
        footer = (
            f"voiceswap {page.text(__version__)}, {datetime.now(UTC):%d %B %Y}. What is converted on "
            "this page was never said by this person."
        )
        return page.document(f"{name} - voiceswap", self._header(found), filter(None, sections), footer)

    def _header(self, found: Evaluation | None) -> str:
        facts = [("Range", range_text(self.voice.f0_range).partition(",")[0])]
        facts.append(("Notes", range_text(self.voice.f0_range).partition(", ")[2]))
        if (speech_s := _number(self.card, "speech_s")) is not None:
            facts.append(("Learnt from", f"{speech_s / 60:.1f} min of speech"))
        if (trained_s := _number(self.card, "trained_s")) is not None:
            facts.append(("Trained", f"{trained_s / 60:.1f} min"))
        parts = ['<p class="eyebrow">A voice</p>', f"<h1>{page.text(self.voice.name)}</h1>"]
        if found is not None and self._own_sentence():
            parts.append(page.paragraph(OWN_SENTENCE, "lead"))
        elif found is not None:
            parts.append(page.paragraph(f"{found.verdict[0].upper()}{found.verdict[1:]}.", "lead"))
        if is_recorded(self.card):
            parts.append(page.paragraph(self.voice.consent_line, "muted"))
        else:
            parts.append(page.paragraph("No consent is recorded: nothing says that this person agreed.", "warn"))
        return "".join([*parts, page.pairs("facts", facts)])

    def _examples(self, found: Evaluation | None, target: Path | None) -> str:
        heading = "Side by side"
        if found is None:
            none = "Nothing to hear: no sentence was kept in its training. Make the page with recordings as its source."
            return page.section(heading, page.paragraph(none, "muted"))
        own = self._own_sentence()
        # Beside one's own sentence, the real one is the very same.
        real = None if own and target is None else self._real(target)
        parts = []
        for clip in found.clips[:MAX_EXAMPLES]:
            said = self._read(clip.source)
            made = self._read(next((self.scratch / "made").glob(f"{self.sources.index(clip.source):03d}.*")))
            who = self._who(clip.source)
            sounds = [(f"Source: {who}", f"the source, {who}", said)]
            sounds.append((f"Converted to {self.voice.name}", f"{who} converted to {self.voice.name}", made))
            if real is not None:
                told = f"a real recording of {self.voice.name}"
                sounds.append((f"Really {self.voice.name}", f"{told}, another sentence", real))
            parts += [page.row(self._players(sounds)), self._melody(who, said, made)]
        words = "A recording that this voice has never heard, the same converted"
        if own:
            words = f"A sentence of {self.voice.name} that the training kept apart, the same said by the voice"
        return page.section(heading, page.paragraph(words + (", and a real one." if real is not None else ".")), *parts)

    def _own_sentence(self) -> bool:
        """Whether what is converted is the voice's own person: nobody else was at hand when it was trained."""
        kept = self.kept / timelapse.SOURCE
        return self.sources == [kept] and self._who(kept) == self.voice.name

    def _who(self, path: Path) -> str:
        if path == self.kept / timelapse.SOURCE:
            return probe(path).title or "a sentence"
        return path.name

    def _real(self, target: Path | None) -> Array | None:
        if target is not None:
            return find_sentence(find_recordings(target), self.config)
        path = self.kept / timelapse.REAL
        return self._read(path) if path.is_file() else None

    def _read(self, path: Path) -> Array:
        return read_mono(path, self.config.mel_rate_hz, MAX_EXAMPLE_S)

    def _players(self, sounds: list[tuple[str, str, Array]], best: str = "") -> Iterator[str]:
        mels = [features.decoder_mel(samples, self.config) for *_, samples in sounds]
        for (heading, label, samples), mel in zip(sounds, mels, strict=True):
            high = float(mel.max(initial=features.SILENT_MEL))
            yield page.player(heading, label, self._flac(samples), mel, high - RANGE_LOG, high, best=heading == best)

    def _flac(self, samples: Array) -> bytes:
        path = self.scratch / "player.flac"
        kind = AudioInfo(self.config.mel_rate_hz, 1, "FLAC", "PCM_16")
        with Writer(path, kind) as writer:
            writer.write(samples[:, None])
        return path.read_bytes()

    def _melody(self, who: str, said: Array, made: Array) -> str:
        curves = []
        for name, samples in (("the conversion", made), (who, said)):
            f0 = estimate_f0(samples, self.config).astype(float)
            times_s = (np.arange(len(f0)) + 0.5) / self.config.frames_per_s
            curves.append(page.Curve(f"melody of {name}", times_s, f0))
        voiced = np.concatenate([curve.y[curve.y > 0] for curve in curves])
        if not len(voiced):
            return ""
        low, high = float(voiced.min()) / 1.15, float(voiced.max()) * 1.15
        ticks = [tick for tick in F0_TICKS_HZ if low < tick < high]
        curves = [page.Curve(c.name, c.x, np.where(c.y > 0, c.y, np.nan)) for c in curves]
        duration_s = len(said) / self.config.mel_rate_hz
        label = f"Melody of {who} and of the conversion, {low:.0f} to {high:.0f} Hz over {duration_s:.1f} seconds"
        scale = page.Scale(low, high, ticks, " Hz", logarithmic=True)
        return page.plot(label, curves, scale, (0, duration_s), ("0 s", f"{duration_s:.1f} s"))

    def _timelapse(self) -> str:
        last = math.inf if self.best_step is None else self.best_step
        found = [(step, path) for step, path in list_frames(self.kept) if step <= last]
        if not found:
            return ""
        shown = np.unique(np.linspace(0, len(found) - 1, min(MAX_SHOWN, len(found))).round().astype(int))
        who, sounds, best = self._who(self.kept / timelapse.SOURCE), [], ""
        for step, path in (found[i] for i in shown):
            heading = "Before training" if step == 0 else f"Step {step}"
            if step == self.best_step:
                best = heading = f"{heading}, kept"
            sounds.append((heading, f"{who} as {self.voice.name}, {heading.lower()}", self._read(path)))
        words = f"One sentence of {who} as {self.voice.name}, whenever the training had come to better weights."
        return page.section("Timelapse", page.paragraph(words), page.row(self._players(sounds, best), small=True))

    def _training(self) -> str:
        entries = []
        for key, label in (("steps", "Ended at step"), ("best_step", "Kept step")):
            if (value := _number(self.card, key)) is not None:
                entries.append((label, f"{value:.0f}"))
        scores = self.card.get("scores")
        for key, label in (("first", "Held-out error before"), ("best", "Held-out error kept")):
            if isinstance(scores, dict) and (value := _number(scores, key)) is not None:
                entries.append((label, f"{value:.3f}"))
        parts = [page.pairs("facts", entries)] if entries else []
        if plotted := self._losses():
            parts.append(plotted)
        return page.section("Training", *parts) if parts else ""

    def _losses(self) -> str:
        last = _number(self.card, "steps")
        found = [line for line in _metrics(self.run_folder) if last is None or line["step"] <= last]
        if len(found) < 2:
            return ""
        steps = np.array([line["step"] for line in found])
        curves = [
            page.Curve(name, steps, np.array([line[key] for line in found]))
            for key, name in (("held_out", "error on held-out recordings"), ("loss", "error while learning"))
        ]
        values = np.concatenate([curve.y for curve in curves])
        high = 1.08 * float(values.max())
        label = f"Errors from step {steps[0]:.0f} to {steps[-1]:.0f}"
        ends = (float(steps[0]), float(steps[-1]))
        names = (f"step {steps[0]:.0f}", f"step {steps[-1]:.0f}")
        kept = self.best_step
        mark = (kept, "kept") if kept is not None and ends[0] <= kept <= ends[1] else None
        return page.plot(label, curves, page.Scale(0, high, _ticks(high)), ends, names, mark)

    def _card(self) -> str:
        consent = self.card.get("consent")
        agreed = consent if is_recorded(self.card) and isinstance(consent, dict) else {}
        entries: list[tuple[str, object]] = [
            (f"consent: {key}", _plain(value)) for key, value in list(agreed.items())[:10] if key != "recorded"
        ]
        if not entries:
            entries = [("consent", "none is recorded")]
        told = ((key, value) for key, value in self.card.items() if value is not None)
        others = ((key, value) for key, value in told if key not in ("consent", "speaker"))
        for key, value in list(others)[:MAX_CARD_ENTRIES]:
            shown = range_text(self.voice.f0_range) if key == "f0_range" else _plain(value)
            entries.append((CARD_NAMES.get(key, key), shown))
        entries.append(("id", self.voice.id))
        return page.section("Card", page.pairs("card", entries))


def _scores(found: Evaluation | None, left_out: Sequence[str] = ()) -> str:
    if found is None:
        return ""
    rows = []
    for key, label, unit, decimals in ROWS:
        value = found.means[key] * (100 if unit == "%" else 1)
        if not math.isnan(value) and key not in left_out:
            rows.append((label, f"{value:.{decimals}f} {unit}".rstrip(), REMARKS.get(key, "")))
    if not math.isnan(found.target_own):
        rows.append(("real recordings among each other", f"{found.target_own:.2f}", "more cannot be wanted"))
    n = len(found.clips)
    total_s = sum(clip.duration_s for clip in found.clips)
    words = f"Of {n} conversion{'s' if n > 1 else ''}, {total_s:.1f} s in all. Short recordings make uncertain figures."
    notes = [
        page.paragraph(line, "muted") for line in (*found.missing, *(f"{p.name}: {why}" for p, why in found.failed))
    ]
    return page.section("Figures", page.paragraph(words), page.table(rows), *notes)


def _ticks(high: float) -> list[float]:
    """Round numbers from 0 to below `high`: at most five steps."""
    tenth = 10 ** math.floor(math.log10(max(high, 1e-9)) - 1)
    step = next(step for step in (1, 2, 5, 10, 20) if high / (step * tenth) <= 5) * tenth
    return [round(i * step, 10) for i in range(6) if i * step < high]


def _metrics(run_folder: Path) -> list[dict[str, float]]:
    """What a training wrote of itself, a line for each step; of a step that was done twice the later one."""
    found: dict[float, dict[str, float]] = {}
    path = run_folder / loop.METRICS
    with suppress(OSError):
        if path.stat().st_size > MAX_METRICS_BYTES:
            return []
        for line in path.read_bytes().splitlines():
            with suppress(ModelError):
                value = strict_json(line, str(path))
                keys = ("step", "loss", "held_out") if isinstance(value, dict) else ()
                read = {key: number for key in keys if (number := _number(value, key)) is not None}
                if len(read) == 3:
                    found[read["step"]] = read
    return [found[step] for step in sorted(found)]


def _number(values: Mapping[str, Any], key: str) -> float | None:
    """A number on a card, which may come from a stranger; None if it is none that makes sense."""
    value = values.get(key)
    sound = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12
    return float(value) if value is not None and sound else None


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(inner)}" for key, inner in value.items())
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
