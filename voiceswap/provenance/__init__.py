"""Who made it, may they, and how to tell."""
