"""Exports in batches: what a warehouse is told bit by bit, and the whole of what it was told."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

from transforms.sources import SOURCES

Row = tuple[object, ...]
Batch = Mapping[str, list[Row]]  # rows by table of the export; a table can be missing

FIELDS = '[{"id": 1, "label": "Price"}, {"id": 2, "label": "No answer"}]'
LOOKUPS: Batch = {
    "activity_types": [
        (1, "Sales Call 1", "Yes", "meeting"),
        (2, "Sales Call 2", "Yes", "sc_2"),
    ],
    "fields": [
        (1, "add_time", "Created", ""),
        (2, "user_id", "Owner", ""),
        (3, "stage_id", "Stage", ""),
        (4, "lost_reason", "Lost reason", FIELDS),
    ],
    "stages": [(1, "Lead Generation"), (2, "Qualified Lead"), (7, "Implementation/Onboarding")],
    "users": [
        (1, "Ada Byron", "ada@example.com", "2024-01-01 00:00:00"),
        (2, "Bo Li", "bo@example.com", "2024-01-01 00:00:00"),
    ],
}


def write_batch(folder: Path, batch: Batch) -> Path:
    """The folder of an export with these tables."""
    folder.mkdir(parents=True)
    for name, rows in batch.items():
        with (folder / f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            columns = [c.name for c in SOURCES[name].columns]
            # The last columns of the deals table are optional.
            writer.writerow(columns[: len(rows[0])] if rows else columns)
            writer.writerows(rows)
    return folder


def whole(batches: Iterable[Batch]) -> Batch:
    """One export with all that the batches say: of each subject, what the last one says of it."""
    said: dict[str, dict[Row, list[Row]]] = {}
    for batch in batches:
        for name, rows in batch.items():
            places = [SOURCES[name].column_names.index(column) for column in SOURCES[name].subject]
            new: dict[Row, list[Row]] = {}
            for row in rows:
                new.setdefault(tuple(row[place] for place in places), []).append(row)
            said.setdefault(name, {}).update(new)
    return {name: [row for rows in of.values() for row in rows] for name, of in said.items()}
