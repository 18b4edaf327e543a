"""A table of the export, landed: read once, typed, masked, without exact duplicates, counted."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import ibis
from ibis import Table
from ibis.backends.duckdb import Backend
from transforms.masking.pseudonyms import Pseudonym
from transforms.sources import Source

from flows.warehouse.folder import ExportFile
from flows.warehouse.reading import FAULTS, scan, typed
from flows.warehouse.rejected import misshapen_lines, rejected_rows
from flows.warehouse.rows import read_one, read_scalar


@dataclass(frozen=True)
class Landed:
    """What became of the rows of a file; rows_read is the sum of the other counts.

    `raw`: the raw table. `rejected()`: one row per fault of a rejected row, in the order of the
    file: line, column_name, reason.
    """

    raw: Table
    rejected: Callable[[], list[dict[str, Any]]]
    rows_loaded: int
    rows_rejected: int
    duplicates_collapsed: int

    @property
    def rows_read(self) -> int:
        """Rows of the file, its header and blank lines aside."""
        return self.rows_loaded + self.rows_rejected + self.duplicates_collapsed

    @property
    def in_words(self) -> str:
        """What is worth saying: "ok", or the rows that did not get in."""
        said = []
        if self.duplicates_collapsed:
            said.append(f"{self.duplicates_collapsed:,} duplicates collapsed")
        if self.rows_rejected:
            said.append(f"{self.rows_rejected:,} rejected")
        return ", ".join(said) or "ok"


def landed_name(source: Source) -> str:
    """The temporary table that a raw table is made from."""
    return f"_landed_{source.name}"


def land_file(
    connection: Backend, file: ExportFile, zone: str, pseudonym: Pseudonym, background: Executor
) -> Landed:
    """Read a file into a temporary table; rejected rows are then looked for in the background.

    Raises:
        InputError: a quote is opened and not closed, so that the rows behind it cannot be told.
    """
    source = file.source
    scanned = scan(connection, file)
    if source.lookup:
        scanned = scanned.mutate(source_row=ibis.row_number() + 1)
    rows = typed(scanned, file, zone, pseudonym)
    same = [name for name in rows.columns if name != "source_row"]
    last = {"source_row": rows.source_row.max()} if source.lookup else {}
    distinct = rows.group_by(same).agg(copies=rows.count(), **last)
    landed = connection.create_table(landed_name(source), distinct, temp=True)

    good = landed[FAULTS] == 0
    copies = landed.copies.cast("float64")  # DuckDB sums integers in a type of its own
    count = read_one(
        landed.agg(
            loaded=landed.count(where=good),
            good=copies.sum(where=good).coalesce(0).cast("int64"),
            bad=copies.sum(where=~good).coalesce(0).cast("int64"),
            bits=landed[FAULTS].bit_or().coalesce(0),
        )
    )
    rejected = count["bad"] + read_scalar(misshapen_lines(connection, file).count())
    return Landed(
        raw=landed.filter(good).select(*source.raw_schema),
        rejected=background.submit(
            rejected_rows, file, zone, count["bits"], count["good"] + rejected
        ).result
        if rejected
        else list,
        rows_loaded=count["loaded"],
        rows_rejected=rejected,
        duplicates_collapsed=count["good"] - count["loaded"],
    )
