"""Change a melody by hand: blend what was sung with the nearest notes, and convert along the new curve.

    python examples/blend_melody.py RECORDING VOICE SHARE OUTPUT_FOLDER

SHARE is 0 for the melody as it was sung and 1 for exact notes. OUTPUT_FOLDER gets both conversions and both curves;
a curve is a text file of time_s,f0_hz that any editor or spreadsheet opens.
"""

import sys
from pathlib import Path

import numpy as np

import voiceswap


def cents_off(f0_hz: np.ndarray) -> np.ndarray:
    """How far each F0 lies from the nearest note of the piano, in hundredths of a semitone."""
    semitones = 12 * np.log2(f0_hz / 440)
    return 100 * (semitones - np.round(semitones))


def main(recording: str, voice: str, share: float, output_folder: str) -> None:
    folder = Path(output_folder)
    folder.mkdir(exist_ok=True)
    sung, blended = folder / "as_sung.csv", folder / "blended.csv"
    (plain,) = voiceswap.convert(recording, as_=voice, out=folder / "as_sung.wav", f0_out=sung, mode="dry")

    time_s, before_hz = np.loadtxt(sung, delimiter=",", skiprows=1, unpack=True)
    voiced = before_hz > 0  # 0 Hz: no melody here, a consonant or a pause
    after_hz = before_hz.copy()
    after_hz[voiced] *= 2 ** (-share * cents_off(before_hz[voiced]) / 1200)
    rows = np.column_stack([time_s, after_hz])
    np.savetxt(blended, rows, fmt=("%.4f", "%.2f"), delimiter=",", header="time_s,f0_hz", comments="")
    # Moved by whole semitones, notes stay notes.
    pitch = round(plain.pitch_semitones)
    voiceswap.convert(recording, as_=voice, out=folder / "blended.wav", f0=blended, pitch_semitones=pitch, mode="dry")

    for i in np.flatnonzero(voiced)[::20]:
        was, now = cents_off(np.array([before_hz[i], after_hz[i]]))
        print(f"{time_s[i]:6.2f} s  {before_hz[i]:6.1f} Hz ({was:+3.0f} cents) -> {after_hz[i]:6.1f} ({now:+3.0f})")
    before, after = (np.abs(cents_off(f0[voiced])).mean() for f0 in (before_hz, after_hz))
    print(f"off the notes by {before:.0f} cents as sung, {after:.0f} blended; both moved into {voice}'s range")


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    try:
        main(sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4])
    except voiceswap.VoiceswapError as error:
        sys.exit(f"error: {error.message}\nhint: {error.hint}")
