"""The timelapse's share of a training's time: python -m benchmarks.speed.timelapse VOICES MINUTES FOLDER..."""

import sys
import time

import voiceswap
from voiceswap.training import timelapse


def main() -> None:
    voices, minutes, *sources = sys.argv[1:]
    rendering = timelapse.Timelapse._kept
    took = []

    def timed(self, step, weights):
        began = time.monotonic()
        try:
            return rendering(self, step, weights)
        finally:
            took.append(time.monotonic() - began)

    timelapse.Timelapse._kept = timed
    for source in sources:
        took.clear()
        (result,) = voiceswap.train(
            source, voices=voices, minutes=float(minutes) or None, on_event=lambda event: print(event, file=sys.stderr)
        )
        each = ", ".join(f"{seconds:.2f}" for seconds in took)
        print(f"{result.name}: {result.steps} steps in {result.trained_s:.0f} s; frames took {each} s: ", end="")
        print(f"{sum(took) / result.trained_s:.1%} of the training", flush=True)


main()
