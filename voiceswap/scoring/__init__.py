"""What a conversion is worth."""
