"""One page about a voice: how it sounds, how it was trained, its scores, its card."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from voiceswap.arrays import Array
from voiceswap.audio.find import find_recordings
from voiceswap.audio.read import AudioInfo, probe, read_mono
from voiceswap.audio.write import Writer
from voiceswap.config import FeatureConfig
from voiceswap.conversion.voice import Voice, load
from voiceswap.events import Note, OnEvent, ignore_events
from voiceswap.jobs.evaluate import Evaluation, evaluate
from voiceswap.provenance.consent import is_recorded
from voiceswap.signal import features
from voiceswap.signal.f0 import estimate_f0
from voiceswap.storage import atomic, paths
from voiceswap.storage.outputs import OUT, check_targets, names_folder
from voiceswap.text import ROWS, range_text
from voiceswap.training import timelapse
from voiceswap.training.timelapse import find_sentence, list_frames
from voiceswap.version import __version__
from voiceswap.web import page
from voiceswap.web.training import format_training, read_number

SUFFIX = ".report.html"
# What keeps a page to a few megabytes: 22 kHz in FLAC is about 35 kB a second.
MAX_EXAMPLES = 3
MAX_EXAMPLE_S = 6.0
MAX_TIMELAPSE_FRAMES = 12
MAX_CARD_ENTRIES = 60
MAX_CONSENT_ENTRIES = 10
# Each spectrogram is drawn down to 60 dB below its loudest value; in the mel's natural log.
SPECTROGRAM_RANGE_LOG = math.log(10) * 60 / 20
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
NO_SOUND = (
    "{path} has no sounds to listen to: nothing of the training of {voice} is beside it; "
    "give recordings of others with `source`"
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
        on_event: Called with each event.
        stopped: Called after each block; True ends it without a page.

    Returns:
        Where the page is, and its scores.

    Raises:
        UsageError: The page exists or is a recording itself, or a recording is missing.
        AudioError: No recording could be used.
        ModelError: The voice cannot be used.
        WriteError: The page cannot be written.
        StoppedError: `stopped` returned True.

    Example:
        >>> import voiceswap
        >>> voiceswap.report("speakerB").path  # doctest: +SKIP
    """
    opened = load(voice, voices)
    path = Path(out) if out is not None else Path(f"{opened.name}{SUFFIX}")
    if names_folder(out):
        atomic.make_folder(path)
        path /= f"{opened.name}{SUFFIX}"
    inputs = [(Path(p), f"the {role}") for p, role in ((source, "source"), (target, "target")) if p is not None]
    check_targets([(path, OUT)], inputs, force=force)
    run_folder = paths.run_path(opened.path.absolute().parent, opened.name)
    with tempfile.TemporaryDirectory(prefix="voiceswap-") as temporary:
        builder = _Report(opened, run_folder, Path(temporary))
        evaluation = builder.evaluate(Path(source) if source is not None else None, target, on_event, stopped)
        if evaluation is None:
            on_event(Note(NO_SOUND.format(path=path, voice=opened.name), warning=True))
        html = builder.to_html(evaluation, Path(target) if target is not None else None).encode()
    atomic.write_bytes(path, html)
    return Page(path, len(html), evaluation)


class _Report:
    def __init__(self, voice: Voice, run_folder: Path, scratch: Path) -> None:
        self.voice = voice
        self.card = voice.card
        self.config: FeatureConfig = voice.config.features
        self.run_folder = run_folder
        self.timelapse_folder = run_folder / timelapse.FOLDER
        self.training_sentence = self.timelapse_folder / timelapse.SOURCE
        self.scratch = scratch
        self.conversions = scratch / "conversions"
        self.best_step = read_number(self.card, "best_step")
        self.sources: list[Path] = []

    def evaluate(
        self, source: Path | None, target: str | Path | None, on_event: OnEvent, stopped: Callable[[], bool]
    ) -> Evaluation | None:
        if source is None and not self.training_sentence.is_file():
            return None
        source = source or self.training_sentence
        self.sources = find_recordings(source)
        return evaluate(
            self.voice.path,
            source=source,
            target=target,
            out=self.conversions,
            on_event=on_event,
            stopped=stopped,
        )

    def to_html(self, evaluation: Evaluation | None, target: Path | None) -> str:
        # How near a conversion is to its source says nothing where the source is the same person.
        left_out = ("to_source",) if evaluation is not None and self._is_own_sentence() else ()
        sections = [
            self._format_examples(evaluation, target),
            self._format_timelapse(),
            format_training(self.card, self.run_folder),
            _format_scores(evaluation, left_out),
            self._format_card(),
        ]
        footer = (
            f"voiceswap {page.text(__version__)}, {datetime.now(UTC):%d %B %Y}. What is converted on "
            "this page was never said by this person."
        )
        header = self._format_header(evaluation)
        return page.document(f"{self.voice.name} - voiceswap", header, filter(None, sections), footer)

    def _format_header(self, evaluation: Evaluation | None) -> str:
        range_hz, _, range_notes = range_text(self.voice.f0_range).partition(", ")
        facts = [("Range", range_hz), ("Notes", range_notes)]
        if (speech_s := read_number(self.card, "speech_s")) is not None:
            facts.append(("Learnt from", f"{speech_s / 60:.1f} min of speech"))
        if (trained_s := read_number(self.card, "trained_s")) is not None:
            facts.append(("Trained", f"{trained_s / 60:.1f} min"))
        parts = ['<p class="eyebrow">A voice</p>', f"<h1>{page.text(self.voice.name)}</h1>"]
        if evaluation is not None and self._is_own_sentence():
            parts.append(page.paragraph(OWN_SENTENCE, "lead"))
        elif evaluation is not None:
            parts.append(page.paragraph(f"{evaluation.verdict[0].upper()}{evaluation.verdict[1:]}.", "lead"))
        if is_recorded(self.card):
            parts.append(page.paragraph(self.voice.consent_line, "muted"))
        else:
            parts.append(page.paragraph("No consent is recorded: nothing says that this person agreed.", "warn"))
        return "".join([*parts, page.pairs("facts", facts)])

    def _format_examples(self, evaluation: Evaluation | None, target: Path | None) -> str:
        heading = "Side by side"
        if evaluation is None:
            none = "Nothing to hear: no sentence was kept in its training. Make the page with recordings as its source."
            return page.section(heading, page.paragraph(none, "muted"))
        own = self._is_own_sentence()
        # Beside the person's own sentence, the real recording would be the same one again.
        real = None if own and target is None else self._read_real(target)
        parts = []
        for clip in evaluation.clips[:MAX_EXAMPLES]:
            source = self._read(clip.source)
            converted = self._read(next(self.conversions.glob(f"{self.sources.index(clip.source):03d}.*")))
            source_name = self._name_source(clip.source)
            voice_name = self.voice.name
            sounds = [
                (f"Source: {source_name}", f"the source, {source_name}", source),
                (f"Converted to {voice_name}", f"{source_name} converted to {voice_name}", converted),
            ]
            if real is not None:
                label = f"a real recording of {voice_name}, another sentence"
                sounds.append((f"Really {voice_name}", label, real))
            parts += [page.row(self._format_players(sounds)), self._plot_f0(source_name, source, converted)]
        words = "A recording that this voice has never heard, the same converted"
        if own:
            words = f"A sentence of {self.voice.name} that the training kept apart, the same said by the voice"
        return page.section(heading, page.paragraph(words + (", and a real one." if real is not None else ".")), *parts)

    def _is_own_sentence(self) -> bool:
        """Whether what is converted is the voice's own person: nobody else was at hand when it was trained."""
        sentence = self.training_sentence
        return self.sources == [sentence] and self._name_source(sentence) == self.voice.name

    def _name_source(self, path: Path) -> str:
        if path == self.training_sentence:
            return probe(path).title or "a sentence"
        return path.name

    def _read_real(self, target: Path | None) -> Array | None:
        if target is not None:
            return find_sentence(find_recordings(target), self.config)
        path = self.timelapse_folder / timelapse.REAL
        return self._read(path) if path.is_file() else None

    def _read(self, path: Path) -> Array:
        return read_mono(path, self.config.mel_rate_hz, MAX_EXAMPLE_S)

    def _format_players(self, sounds: list[tuple[str, str, Array]], best: str = "") -> Iterator[str]:
        mels = [features.decoder_mel(samples, self.config) for *_, samples in sounds]
        for (heading, label, samples), mel in zip(sounds, mels, strict=True):
            high = float(mel.max(initial=features.SILENT_MEL))
            yield page.player(
                heading,
                label,
                self._encode_flac(samples),
                mel,
                high - SPECTROGRAM_RANGE_LOG,
                high,
                best=heading == best,
            )

    def _encode_flac(self, samples: Array) -> bytes:
        path = self.scratch / "player.flac"
        info = AudioInfo(self.config.mel_rate_hz, 1, "FLAC", "PCM_16")
        with Writer(path, info) as writer:
            writer.write(samples[:, None])
        return path.read_bytes()

    def _plot_f0(self, source_name: str, source: Array, converted: Array) -> str:
        curves = []
        for name, samples in (("the conversion", converted), (source_name, source)):
            f0_hz = estimate_f0(samples, self.config).astype(float)
            times_s = (np.arange(len(f0_hz)) + 0.5) / self.config.frames_per_s
            curves.append(page.Curve(f"melody of {name}", times_s, f0_hz))
        voiced_hz = np.concatenate([curve.y[curve.y > 0] for curve in curves])
        if not len(voiced_hz):
            return ""
        low_hz = float(voiced_hz.min()) / 1.15
        high_hz = float(voiced_hz.max()) * 1.15
        ticks_hz = [tick_hz for tick_hz in F0_TICKS_HZ if low_hz < tick_hz < high_hz]
        curves = [page.Curve(curve.name, curve.x, np.where(curve.y > 0, curve.y, np.nan)) for curve in curves]
        duration_s = len(source) / self.config.mel_rate_hz
        label = (
            f"Melody of {source_name} and of the conversion, {low_hz:.0f} to {high_hz:.0f} Hz "
            f"over {duration_s:.1f} seconds"
        )
        scale = page.Scale(low_hz, high_hz, ticks_hz, " Hz", logarithmic=True)
        return page.plot(label, curves, scale, (0, duration_s), ("0 s", f"{duration_s:.1f} s"))

    def _format_timelapse(self) -> str:
        last_step = math.inf if self.best_step is None else self.best_step
        frames = [(step, path) for step, path in list_frames(self.timelapse_folder) if step <= last_step]
        if not frames:
            return ""
        n_shown = min(MAX_TIMELAPSE_FRAMES, len(frames))
        indices = np.unique(np.linspace(0, len(frames) - 1, n_shown).round().astype(int))
        source_name = self._name_source(self.training_sentence)
        sounds = []
        best = ""
        for step, path in (frames[i] for i in indices):
            heading = "Before training" if step == 0 else f"Step {step}"
            if step == self.best_step:
                best = heading = f"{heading}, kept"
            sounds.append((heading, f"{source_name} as {self.voice.name}, {heading.lower()}", self._read(path)))
        words = f"One sentence of {source_name} as {self.voice.name}, whenever the training had come to better weights."
        players = self._format_players(sounds, best)
        return page.section("Timelapse", page.paragraph(words), page.row(players, small=True))

    def _format_card(self) -> str:
        consent = self.card.get("consent")
        recorded = consent if is_recorded(self.card) and isinstance(consent, dict) else {}
        consent_items = list(recorded.items())[:MAX_CONSENT_ENTRIES]
        entries: list[tuple[str, object]] = [
            (f"consent: {key}", _to_text(value)) for key, value in consent_items if key != "recorded"
        ]
        if not entries:
            entries = [("consent", "none is recorded")]
        known = ((key, value) for key, value in self.card.items() if value is not None)
        others = ((key, value) for key, value in known if key not in ("consent", "speaker"))
        for key, value in list(others)[:MAX_CARD_ENTRIES]:
            text = range_text(self.voice.f0_range) if key == "f0_range" else _to_text(value)
            entries.append((CARD_NAMES.get(key, key), text))
        entries.append(("id", self.voice.id))
        return page.section("Card", page.pairs("card", entries))


def _format_scores(evaluation: Evaluation | None, left_out: Sequence[str] = ()) -> str:
    if evaluation is None:
        return ""
    rows = []
    for key, label, unit, decimals in ROWS:
        value = evaluation.means[key] * (100 if unit == "%" else 1)
        if not math.isnan(value) and key not in left_out:
            rows.append((label, f"{value:.{decimals}f} {unit}".rstrip(), REMARKS.get(key, "")))
    if not math.isnan(evaluation.target_own):
        rows.append(("real recordings among each other", f"{evaluation.target_own:.2f}", "more cannot be wanted"))
    n_clips = len(evaluation.clips)
    total_s = sum(clip.duration_s for clip in evaluation.clips)
    plural = "s" if n_clips > 1 else ""
    words = f"Of {n_clips} conversion{plural}, {total_s:.1f} s in all. Short recordings make uncertain figures."
    failures = (f"{path.name}: {reason}" for path, reason in evaluation.failed)
    notes = [page.paragraph(line, "muted") for line in (*evaluation.missing, *failures)]
    return page.section("Figures", page.paragraph(words), page.table(rows), *notes)


def _to_text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_to_text(inner)}" for key, inner in value.items())
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
