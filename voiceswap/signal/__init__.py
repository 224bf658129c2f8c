"""Arrays in, arrays out: F0, mels, loudness, synthesis. Opens no file, starts no thread, knows nothing of models."""
