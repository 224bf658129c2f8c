"""Vocoders: mels in, samples out."""
