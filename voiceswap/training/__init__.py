"""How voices and bases learn."""
