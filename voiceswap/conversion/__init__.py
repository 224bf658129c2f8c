"""One voice, one source, samples out."""
