"""What a user sees: the command line, its output, the demo and its synthetic voices."""
