"""The version, in the one place where a build and the code read it."""

__version__ = "0.1.0"
