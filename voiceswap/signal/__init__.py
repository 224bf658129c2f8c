"""Arrays in, arrays out: decoding, melody, mels, loudness. Knows nothing of models."""
