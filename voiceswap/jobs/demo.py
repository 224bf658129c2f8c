"""`voiceswap demo`: two synthesised speakers and a song, through the same `train` and `convert` that users call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from voiceswap.audio.read import AudioInfo, read_mono
from voiceswap.audio.write import Writer
from voiceswap.config import FeatureConfig
from voiceswap.events import OnEvent, Progress, ignore_events
from voiceswap.jobs.convert import convert
from voiceswap.jobs.train import train
from voiceswap.scoring.scores import melody_correlation, timbre, timbre_distance_db
from voiceswap.signal import synthetic
from voiceswap.storage import atomic

SPEECH_S, TAKES = 12.0, 5
RATE_HZ = 22050


def run(folder: Path, *, minutes: float, on_event: OnEvent, stopped: Callable[[], bool]) -> dict[str, Any]:
    """Make recordings, train two voices, convert a song into each.

    Args:
        folder: Where everything goes; a second run continues.
        minutes: Training time of each voice.
        on_event: Called with each event, from the first recording on.
        stopped: Called after each step.

    Returns:
        "lines" for a person, and the same as values.
    """
    speakers = {"speakerA": synthetic.ANNA, "speakerB": synthetic.BORIS}
    sources = [_make_recordings(folder / name, speaker, on_event) for name, speaker in speakers.items()]
    song = folder / "song.wav"
    _write(song, synthetic.song(synthetic.CLARA, sample_rate_hz=RATE_HZ).samples)
    voices = folder / "voices"
    consent = dict.fromkeys(speakers, "nobody was recorded: this speaker is synthesised")
    trained = train(*sources, voices=voices, minutes=minutes, consent=consent, on_event=on_event, stopped=stopped)
    lines, scores = [], {}
    for result in trained:
        if result.status == "stopped":
            return {"lines": ["stopped; the same command goes on"], "scores": {}}
        made = convert(
            song, as_=result.name, mode="dry", voices=voices, force=True, on_event=on_event, stopped=stopped
        )[0]
        on_event(Progress(result.name, "scoring", 0, 1))
        scores[result.name] = _scores(song, made.output, folder / result.name)
        s = scores[result.name]
        lines.append(
            f"{made.output}: melody kept {s['melody_correlation']:.2f} of 1, timbre {s['to_target_db']:.1f} dB "
            f"from {result.name}'s own recordings and {s['to_source_db']:.1f} dB from the singer's"
        )
    lines += [
        f"recordings, voices and results are in {folder}: listen to song.wav, song.speakerA.wav, song.speakerB.wav",
        "with your own recordings (5 minutes of speech in a folder are a good start):",
        "    voiceswap train FOLDER",
        "    voiceswap convert SONG.wav `as_` FOLDER",
    ]
    return {"lines": lines, "folder": folder, "scores": scores}


def _make_recordings(folder: Path, speaker: synthetic.Speaker, on_event: OnEvent = ignore_events) -> Path:
    atomic.make_folder(folder)
    for take in range(TAKES):
        on_event(Progress(folder.name, "synthesising", take, TAKES))
        path = folder / f"take{take + 1}.wav"
        if not path.exists():
            _write(path, synthetic.speech(speaker, SPEECH_S, sample_rate_hz=RATE_HZ, seed=take).samples)
    return folder


def _write(path: Path, samples: np.ndarray) -> None:
    with Writer(path, AudioInfo(RATE_HZ, 1, "WAV", "PCM_16")) as writer:
        writer.write(samples[:, None])


def _scores(song: Path, made: Path, target: Path) -> dict[str, float]:
    config = FeatureConfig()
    rate = config.mel_rate_hz
    source, result = read_mono(song, rate), read_mono(made, rate)
    own = np.concatenate([read_mono(path, rate) for path in sorted(target.glob("*.wav"))])
    timbre_made = timbre(result, config)
    return {
        "melody_correlation": round(melody_correlation(source, result, config), 3),
        "to_target_db": round(timbre_distance_db(timbre_made, timbre(own, config)), 2),
        "to_source_db": round(timbre_distance_db(timbre_made, timbre(source, config)), 2),
    }
