"""Where many recordings are worked on."""
