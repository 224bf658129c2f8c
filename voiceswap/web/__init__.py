"""Pages about voices."""
