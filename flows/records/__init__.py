"""What runs leave in `quality` about themselves and their tables."""
