"""Train a voice from a folder of recordings, then convert samples into it.

    python examples/train_and_convert.py FOLDER RECORDING OUTPUT.wav

FOLDER holds 5 to 20 minutes of one person's clear speech, in any usual format, and names the voice. RECORDING is wav,
flac, ogg, mp3 or aiff (not m4a). Training takes some minutes; a second run finds the voice ready and only converts.
"""

import sys
import time
from pathlib import Path

import soundfile

import voiceswap
from voiceswap.events import Event, Found, Plan, Progress


def show(event: Event) -> None:
    """What a job tells while it works; the scores come every fifty steps."""
    if isinstance(event, Found):
        print(f"{event.voice}: {event.speech_s:.0f} s of speech in {event.n_files} files")
    elif isinstance(event, Plan):
        print(f"{event.voice}: {event.n_steps} steps, about {event.duration_s / 60:.0f} minutes")
    elif isinstance(event, Progress) and event.stage == "training" and event.step % 50 == 0:
        print(f"step {event.step}: held-out error {event.held_out:.3f}")


def main(folder: str, recording: str, output: str) -> None:
    if Path(output).exists():
        sys.exit(f"{output} exists")
    if not Path(recording).is_file():
        sys.exit(f"no such file: {recording}")
    try:  # before minutes go into the training
        samples, rate_hz = soundfile.read(recording, dtype="float32")
    except soundfile.LibsndfileError as error:
        sys.exit(str(error))
    (trained,) = voiceswap.train(folder, on_event=show)
    first, best = trained.scores["first"], trained.scores["best"]
    print(
        f"{trained.name} is {trained.status}: held-out error {first:.3f} before, {best:.3f} at step {trained.best_step}"
    )

    voice = voiceswap.load(trained.name)
    began = time.monotonic()
    made = voice.convert(samples, rate_hz)  # (n,) or (n, channels); the same shape comes back
    seconds = time.monotonic() - began
    soundfile.write(output, made, rate_hz)

    print(f"{voice.name} speaks from {voice.f0_range.low_hz:.0f} to {voice.f0_range.high_hz:.0f} Hz")
    print(f"{output}: {len(made) / rate_hz:.1f} s, converted in {seconds:.1f} s")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except voiceswap.VoiceswapError as error:
        sys.exit(f"error: {error.message}\nhint: {error.hint}")
