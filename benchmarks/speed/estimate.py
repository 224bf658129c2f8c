"""How near the time that `train` tells comes to the truth: python -m benchmarks.speed.estimate WORK MINUTES FOLDER...

Reads the recordings of each folder first, so that features come from the cache and the clock runs over what is told of:
from the estimate to the voice. MINUTES 0 is none.
"""

import contextlib
import sys
import time
from pathlib import Path

import voiceswap
from voiceswap.events import Found, Plan
from voiceswap.training import loop, timelapse, voice_training
from voiceswap.training.learner import DecoderLearner


def main(work, minutes, *folders):
    spent = {}

    def timed(owner, name):
        function = getattr(owner, name)

        def wrapped(*arguments, **options):
            began = time.monotonic()
            try:
                return function(*arguments, **options)
            finally:
                spent.setdefault(name, []).append(time.monotonic() - began)

        setattr(owner, name, wrapped)

    timed(DecoderLearner, "step")
    timed(DecoderLearner, "score")
    timed(timelapse.Timelapse, "_kept")
    timed(loop, "_save")
    timed(voice_training, "write_voice")
    for folder in map(Path, folders):
        spent.clear()
        told, found = [], []

        def report(event, told=told, found=found):
            if isinstance(event, Plan):
                told.append((time.monotonic(), event))
            elif isinstance(event, Found):
                found.append(event.speech_s)

        (made,) = voiceswap.train(
            folder, voices=Path(work) / "voices", fresh=True, minutes=float(minutes) or None, on_event=report
        )
        truth_s = time.monotonic() - told[0][0]
        plan = told[0][1]
        print(
            f"{made.name}: {found[0]:.0f} s of speech, {made.steps} of {plan.n_steps} steps; "
            f"told {plan.duration_s:.0f} s, was {truth_s:.0f} s: {plan.duration_s / truth_s - 1:+.1%}",
        )
        for name, seconds in spent.items():
            first = " ".join(f"{s:.2f}" for s in seconds[:12])
            print(f"    {name}: {len(seconds)} times, {sum(seconds):.1f} s: {first} ...", flush=True)


with contextlib.suppress(KeyboardInterrupt):
    main(*sys.argv[1:])
