"""What is seen of a run while it works: lines, progress, and what Prefect shows."""
