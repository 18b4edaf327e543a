"""Notebooks on the results of runs, and what they share."""
