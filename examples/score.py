"""Score a voice: do conversions into it sound like the person, and keep the melody?

    python examples/score.py VOICE SOURCE_FOLDER TARGET_FOLDER

SOURCE_FOLDER holds dry recordings of other people. TARGET_FOLDER holds recordings of the person whose voice it is, best
of all some that it was not trained on.
"""

import sys

import voiceswap


def main(voice: str, source_folder: str, target_folder: str) -> None:
    found = voiceswap.evaluate(voice, source=source_folder, target=target_folder)
    print(f"{'recording':28} {'target':>7} {'source':>7} {'melody':>7} {'off by':>12} {'louder by':>10}")
    for clip in found.clips:
        # Similarities from -1 to 1; real recordings of one person are as similar to each other as is said below.
        print(
            f"{clip.source.name:28} {clip.to_target:7.2f} {clip.to_source:7.2f} {clip.f0_correlation:7.3f} "
            f"{clip.f0_rmse_cents:6.0f} cents {clip.level_change_db:+7.1f} dB"
        )
    for path, reason in found.failed:
        print(f"{path.name:28} left out: {reason}")

    print(f"real recordings of {found.voice} among each other: {found.target_own:.2f}")
    print(found.verdict)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except voiceswap.VoiceswapError as error:
        sys.exit(f"error: {error.message}\nhint: {error.hint}")
