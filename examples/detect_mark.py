"""Say which recordings were made with voiceswap, where in them, and with which of your voices.

    python examples/detect_mark.py FILE...

The mark is inaudible and survives the usual codecs; docs/provenance.md says what it can prove and what not.
"""

import sys

import voiceswap
from voiceswap.storage import paths


def main(*files: str) -> None:
    folder = paths.voices_folder(None)
    names = {voiceswap.load(name, folder).tag: name for name in paths.list_voices(folder)}
    for finding in voiceswap.detect(*files):
        found = finding.detection
        # p: how often sound that bears no mark would look at least as marked as this.
        print(f"{finding.path}: {found.decision} (p = {found.p_value:.1g})")
        if found.tag is not None:
            print(f"  voice tag {found.tag}: {names.get(found.tag, 'no voice on this computer')}")
        if found.spans_s:
            # One sign for every second: where the mark is, and where something else was put in.
            seconds = range(round(found.duration_s))
            marked = "".join("#" if any(a <= s + 0.5 < b for a, b in found.spans_s) else "." for s in seconds)
            print(f"  marked  {marked}")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except voiceswap.VoiceswapError as error:
        sys.exit(f"error: {error.message}\nhint: {error.hint}")
