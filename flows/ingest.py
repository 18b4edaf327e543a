"""A file of the export into its raw table: typed, masked, every row accounted for."""

from collections.abc import Collection

from flows.errors import InputError
from flows.warehouse import Warehouse
from flows.warehouse.folder import ExportFile
from flows.warehouse.landing import Landed

SHOWN = 3


def ingest(
    warehouse: Warehouse,
    file: ExportFile,
    zone: str,
    max_rejected_pct: float,
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
            f" more than {max_rejected_pct:g} % (FUNNEL_MAX_REJECTED_PCT)\n  " + "\n  ".join(shown)
        )
    return landed
