"""A table of the export, landed: read once, typed, masked, without exact duplicates, counted."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from ibis import Table
from ibis.backends.duckdb import Backend

from flows.warehouse.cells import fault_names
from flows.warehouse.csv_lines import check_longest_line, may_quote_the_end_of_a_line
from flows.warehouse.export_file import ExportFile
from flows.warehouse.reading import FAULTS, ROW_HASH, SOURCE_ROW, scan, typed
from flows.warehouse.rejected import check_last_quote, misshapen_lines, rejected_rows
from flows.warehouse.rows import read, read_one
from transforms.masking.pseudonyms import Pseudonym
from transforms.sources import Source

COUNTS = ("rows_read", "rows_loaded", "rows_rejected", "duplicates_collapsed")


@dataclass(frozen=True)
class Landed:
    """What became of the rows of a file; rows_read is the sum of the three COUNTS after it.

    `file`: as it was read. `raw`: the raw table. `rejected()`: one row per fault of a rejected row,
    in the order of the file: line, column_name, reason. `rows_outdone`: those of a lookup, among
    the loaded ones, that share their key with another row, which wins. `rows_forgotten`: those,
    among the loaded ones, that were about a user of whom nothing is kept.
    """

    file: ExportFile
    raw: Table
    rejected: Callable[[], list[dict[str, Any]]]
    rows_loaded: int
    rows_rejected: int
    duplicates_collapsed: int
    rows_outdone: int
    rows_forgotten: int

    @property
    def rows_read(self) -> int:
        """Rows of the file, its header and blank lines aside."""
        return self.rows_loaded + self.rows_rejected + self.duplicates_collapsed

    @property
    def in_words(self) -> str:
        """What is worth saying: "ok", or the rows that did not get in as they are."""
        said = []
        if self.duplicates_collapsed:
            said.append(f"{self.duplicates_collapsed:,} duplicates collapsed")
        if self.rows_rejected:
            said.append(f"{self.rows_rejected:,} rejected")
        if self.rows_forgotten:
            said.append(f"{self.rows_forgotten:,} of forgotten users")
        return ", ".join(said) or "ok"


def table_names(source: Source) -> tuple[str, ...]:
    """The tables that a raw table is made of: what was read, repeated rows' hashes, these rows."""
    return tuple(f"_{part}_{source.name}" for part in ("landed", "hashes", "repeated"))


def land_file(
    reader: Backend,
    file: ExportFile,
    zone: str,
    pseudonym: Pseudonym,
    forgotten: Collection[int],
) -> Landed:
    """Read a file into a table, and find the rows in it that are faulty or there before.

    Args:
        reader: reads files.
        file: the file.
        zone: of timestamps without an offset.
        pseudonym: on the reader.
        forgotten: ids of users of whom nothing is kept; the rows about them are, without them.

    Raises:
        InputError: a quote is opened and not closed, so that the rows behind it cannot be told; or
            a line is too long to be told.
    """
    source = file.source
    landed_name, hashes_name, repeated_name = table_names(source)
    if not file.is_parquet:
        check_longest_line(file)
    by_one = not file.is_parquet and may_quote_the_end_of_a_line(file)
    rows = typed(scan(reader, file, by_one=by_one), file, zone, pseudonym, forgotten)
    landed = _keep(reader, landed_name, rows)
    landed = landed.mutate((landed.rowid() + 1).name(SOURCE_ROW))
    misshapen = misshapen_lines(reader, file)
    if by_one and not file.is_masked:
        check_last_quote(file)

    good = landed.filter(landed[FAULTS] == 0)
    # By hash first: rows that are equal are few.
    by_hash = good.group_by(ROW_HASH).agg(copies=good.count())
    repeated = _keep(reader, hashes_name, by_hash.filter(by_hash.copies > 1).select(ROW_HASH))
    asked = {
        "read": landed.count(),
        "faulty": landed.count(where=landed[FAULTS] != 0),
        "repeated": repeated.count().as_scalar(),
    }
    count = read_one(landed.agg(**asked))
    raw, duplicates = good.select(*source.raw_schema), 0
    if count["repeated"]:
        more = _keep(reader, repeated_name, good.semi_join(repeated, ROW_HASH))
        once = good.anti_join(repeated, ROW_HASH).select(*source.raw_schema)
        collapsed = _collapsed(more, source)
        raw = once.union(collapsed.select(*source.raw_schema))
        of_these = read_one(more.agg(all=more.count(), left=collapsed.count().as_scalar()))
        duplicates = of_these["all"] - of_these["left"]
    faulty = _faults_of(landed, source) if count["faulty"] else []
    rows_read = count["read"] + len(misshapen)
    rows_loaded = count["read"] - count["faulty"] - duplicates
    outdone, about_somebody = _outdone(raw, source) if source.lookup else (0, rows_loaded)
    return Landed(
        file=file,
        raw=raw,
        rejected=lambda: rejected_rows(file, faulty, misshapen, rows_read),
        rows_loaded=rows_loaded,
        rows_rejected=count["faulty"] + len(misshapen),
        duplicates_collapsed=duplicates,
        rows_outdone=outdone,
        rows_forgotten=rows_loaded - about_somebody,
    )


def _collapsed(repeated: Table, source: Source) -> Table:
    """Of rows that are equal in every column, the last one."""
    same = [name for name in source.raw_schema if name != SOURCE_ROW]
    return repeated.group_by(*same, ROW_HASH).agg(repeated[SOURCE_ROW].max().name(SOURCE_ROW))


def _outdone(raw: Table, source: Source) -> tuple[int, int]:
    """How many rows of a lookup share their key with one that wins, and how many have one."""
    key = raw[source.key]  # null in the row about a forgotten user
    found = read_one(raw.agg(rows=key.count(), keys=key.nunique()))
    return int(found["rows"] - found["keys"]), int(found["rows"])


def _faults_of(landed: Table, source: Source) -> list[dict[str, Any]]:
    """What is wrong with the rows of which something is, in the order of the file."""
    rows = landed.filter(landed[FAULTS] != 0).order_by(SOURCE_ROW).select(SOURCE_ROW, FAULTS)
    return [
        {"source_row": row[SOURCE_ROW], "column_name": column, "reason": reason}
        for row in read(rows).to_pylist()
        for column, reason in fault_names(source, row[FAULTS])
    ]


def _keep(reader: Backend, name: str, rows: Table) -> Table:
    return reader.create_table(name, rows, temp=True)
