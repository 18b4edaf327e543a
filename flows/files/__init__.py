"""Files that a run writes, and what is looked at before it does."""
