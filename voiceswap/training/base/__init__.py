"""The parts of a base, and how each is made."""
