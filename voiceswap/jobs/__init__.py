"""What a user asks for, as functions."""
