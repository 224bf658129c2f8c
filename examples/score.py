"""Score a conversion: is the melody the source's, and the sound the target's?

    python examples/score.py SOURCE CONVERTED TARGET_FOLDER

TARGET_FOLDER holds recordings of the person whose voice was meant, best of all some that it was not trained on.
"""

import sys
from pathlib import Path

import numpy as np

import voiceswap
from voiceswap.jobs import metrics
from voiceswap.signal import audio


def main(source_path: str, made_path: str, target_folder: str) -> None:
    features = voiceswap.Config().features
    rate_hz = features.mel_rate_hz
    source, made = audio.read(Path(source_path), rate_hz), audio.read(Path(made_path), rate_hz)
    recordings = [path for path in sorted(Path(target_folder).iterdir()) if path.suffix in (".wav", ".flac", ".mp3")]
    if not recordings:
        sys.exit(f"{target_folder} holds no wav, flac or mp3")
    target = np.concatenate([audio.read(path, rate_hz) for path in recordings])

    timbre = metrics.timbre(made, features)
    to_target = metrics.timbre_distance_db(timbre, metrics.timbre(target, features))
    to_source = metrics.timbre_distance_db(timbre, metrics.timbre(source, features))
    melody = metrics.melody_correlation(source, made, features)
    level_db = metrics.level_db(made, rate_hz) - metrics.level_db(source, rate_hz)

    print(f"melody, correlation of log F0   {melody:6.3f}     1 is the source's own")
    print(f"timbre, distance to the target  {to_target:6.1f} dB  0 is the same voice")
    print(f"timbre, distance to the source  {to_source:6.1f} dB")
    print(f"level against the source        {level_db:+6.1f} dB")
    nearer = "target" if to_target < to_source else "source"
    print(f"the sound is nearer to the {nearer} than to the {'source' if nearer == 'target' else 'target'}")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except voiceswap.VoiceswapError as error:
        sys.exit(f"error: {error.message}\nhint: {error.hint}")
