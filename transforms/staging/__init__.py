"""Rename, cast and normalise: one model per table of the export, and the deals."""
