"""What runs, in which order, against what."""
