"""Convert every recording in a folder, and leave alone what an earlier run has done.

    python examples/convert_folder.py FOLDER VOICE OUTPUT_FOLDER

One recording that cannot be read does not hold up the others: the table says what became of each.
"""

import sys
from pathlib import Path

import voiceswap


def main(folder: str, voice: str, output_folder: str) -> None:
    results = voiceswap.convert(
        folder,
        as_=voice,
        out=output_folder,
        skip_existing=True,
        jobs=1,  # more at once: a process each, with about a gigabyte
    )
    print(f"{'recording':28} {'length':>8} {'melody moved':>14} {'speed':>7}")
    for result in results:
        name = str(result.source.relative_to(folder))
        if result.status == "converted":
            moved, speed = f"{result.pitch_semitones:+.1f} st", f"{result.times_real_time:.1f}x"
            print(f"{name:28} {result.duration_s:6.1f} s {moved:>14} {speed:>7}")
        else:
            print(f"{name:28} {result.status} {result.error}".rstrip())

    done = [result for result in results if result.status == "converted"]
    print(f"{len(done)} of {len(results)} converted into {Path(output_folder)}", end="")
    print(f", {sum(r.duration_s for r in done):.0f} s of sound in {sum(r.seconds for r in done):.0f} s")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except voiceswap.VoiceswapError as error:
        sys.exit(f"error: {error.message}\nhint: {error.hint}")
