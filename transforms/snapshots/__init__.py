"""What was true when, as far as any run has seen; each run adds to what the one before left."""
