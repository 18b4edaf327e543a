"""A table of the export into its raw table: typed, masked, every row accounted for."""

import math
from collections.abc import Collection
from pathlib import Path

from flows.errors import InputError
from flows.making import take_in
from flows.run import Run
from flows.warehouse import Warehouse
from flows.warehouse.export_file import ExportFile
from flows.warehouse.landing import Landed
from transforms.sources import Source

SHOWN = 3


def ingest(run: Run, source: Source, folder: Path) -> Landed | None:
    """Land a table of the export, and make its raw table; None if the export does not have it.

    Args:
        run: whose table it is.
        source: the table.
        folder: for what has to be put on disk to be read.

    Raises:
        InputError: it is missing, or too many of its rows had to be rejected.
    """
    landed = None
    if source.name in run.export:
        settings = run.settings
        file = run.export[source.name].on_disk(folder)
        zone, limit = settings.source_timezone, settings.max_rejected_pct
        landed = land_within(limit, run.warehouse, file, zone, run.given["forgotten"])
        run.landed[source.name] = landed
    elif not (source.optional or run.refresh.adds):
        raise InputError(f"{source.name}: is missing; the first run needs a whole export")
    run.tables[source.raw_name] = take_in(run, source, landed)
    return landed


def land_within(
    max_rejected_pct: float,
    warehouse: Warehouse,
    file: ExportFile,
    zone: str,
    forgotten: Collection[int] = (),
) -> Landed:
    """Land the file; of the users whose ids are `forgotten`, nothing gets in.

    Raises:
        InputError: more than `max_rejected_pct` percent of its rows had to be rejected.
    """
    landed = warehouse.land(file, zone, forgotten)
    if landed.rows_rejected * 100 > landed.rows_read * max_rejected_pct:
        shown = [
            (f"line {row['line']}: " if row["line"] else "")
            + f"{row['column_name'] or 'row'} {row['reason']}"
            for row in landed.rejected()[:SHOWN]
        ]
        raise InputError(
            f"{file.name}: {landed.rows_rejected:,} of {landed.rows_read:,} rows cannot be read,"
            f" more than {max_rejected_pct:g} %; correct them, or read the others with"
            f" FUNNEL_MAX_REJECTED_PCT={_enough_for(landed)}\n  " + "\n  ".join(shown)
        )
    return landed


def _enough_for(landed: Landed) -> str:
    """The least percentage, with one digit, that these rejected rows are within."""
    return f"{math.ceil(1000 * landed.rows_rejected / landed.rows_read) / 10:g}"
