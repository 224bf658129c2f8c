"""Convert the singing in a song, and keep the parts for a mix of your own.

    python examples/convert_song.py SONG VOICE OUTPUT.wav STEMS_FOLDER

The singing is taken out of its accompaniment, converted in whole octaves so that it stays in key, and put back.
STEMS_FOLDER gets vocals.wav, converted.wav and accompaniment.wav.
"""

import sys
from pathlib import Path

import numpy as np
import soundfile

import voiceswap


def level_db(path: Path) -> float:
    """Root mean square level of a recording in dB below full scale."""
    samples, _ = soundfile.read(path)
    return 10 * np.log10(np.mean(samples**2) + 1e-12)


def main(song: str, voice: str, output: str, stems: str) -> None:
    (made,) = voiceswap.convert(
        song,
        as_=voice,
        out=output,
        stems=stems,
        mode="song",  # "auto" would listen whether there is an accompaniment
        vocal_gain_db=1.0,  # dB: the new voice a little in front
    )
    print(f"melody moved by {made.pitch_semitones / 12:+.0f} octaves")
    if made.source_f0 and made.voice_f0:
        print(f"sung around {made.source_f0.mid_hz:.0f} Hz, {made.voice} speaks around {made.voice_f0.mid_hz:.0f} Hz")
    for part in ("vocals", "converted", "accompaniment"):
        level = level_db(Path(stems) / f"{part}.wav")
        print(f"{part:14} {level:6.1f} dB  {'#' * max(0, round((level + 60) / 1.5))}")
    print(f"{made.output}: {made.duration_s:.1f} s at {made.times_real_time:.1f} times real time")


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except voiceswap.VoiceswapError as error:
        sys.exit(f"error: {error.message}\nhint: {error.hint}")
