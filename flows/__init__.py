"""What runs, in which order, against what."""

from pathlib import Path

ROOT = Path(__file__).parent.parent  # of the project
