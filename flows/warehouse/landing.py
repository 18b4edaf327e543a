"""A table of the export, landed: read once, typed, masked, without exact duplicates, counted."""

from dataclasses import dataclass

import ibis
from ibis import Table
from ibis.backends.duckdb import Backend
from transforms.masking.pseudonyms import Pseudonym
from transforms.sources import Source

from flows.errors import InputError
from flows.warehouse.folder import ExportFile
from flows.warehouse.lines import with_lines
from flows.warehouse.reading import FAULTS, REJECTS, faults, scan, typed
from flows.warehouse.rows import read_one, read_scalar

MISSHAPEN = {
    "MISSING COLUMNS": "too few columns",
    "TOO MANY COLUMNS": "too many columns",
    "INVALID ENCODING": "not UTF-8",
    "LINE SIZE OVER MAXIMUM": "line too long",
}
OPEN_QUOTE = "UNQUOTED VALUE"
REJECTED = {"line": "int64", "column_name": "string", "reason": "string"}


@dataclass(frozen=True)
class Landed:
    """What became of the rows of a file; rows_read is the sum of the other counts.

    `raw`: the raw table. `rejected`: one row per fault of a rejected row: line, column_name,
    reason.
    """

    raw: Table
    rejected: Table
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


def land(connection: Backend, file: ExportFile, zone: str, pseudonym: Pseudonym) -> Landed:
    """Read a file into a temporary table.

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
    landed = _store(connection, landed_name(source), distinct)

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
    misshapen = _misshapen(connection, file)
    rejected = count["bad"] + read_scalar(misshapen.count())
    return Landed(
        raw=landed.filter(good).select(*source.raw_schema),
        rejected=_rejected(connection, file, zone, misshapen, count["bits"])
        if rejected
        else connection.create_table(f"_rejected_{source.name}", schema=REJECTED, temp=True),
        rows_loaded=count["loaded"],
        rows_rejected=rejected,
        duplicates_collapsed=count["good"] - count["loaded"],
    )


def _misshapen(connection: Backend, file: ExportFile) -> Table:
    """One row per line without the shape of the file: record_number, reason."""
    name = f"_misshapen_{file.source.name}"
    if file.is_parquet:
        return connection.create_table(
            name, schema={"record_number": "int64", "reason": "string"}, temp=True
        )
    found = connection.table(REJECTS)
    reason = found.error_type.cast("string").cases(*MISSHAPEN.items(), else_="not readable")
    by_line = found.group_by(record_number=found.line.cast("int64")).agg(
        reason=reason.min(), open_quote=(found.error_type.cast("string") == OPEN_QUOTE).any()
    )
    stored = _store(connection, name, by_line)
    _forget_rejects(connection)
    open_quotes = stored.filter(stored.open_quote)
    number = read_scalar(open_quotes.record_number.min())
    if number is not None:
        raise InputError(
            f"{file.path}: record {number}: a quote is opened and not closed; close or double it"
        )
    return stored.drop("open_quote")


def _rejected(
    connection: Backend, file: ExportFile, zone: str, misshapen: Table, bits: int
) -> Table:
    """One row per fault of a rejected row, with the line where the row begins."""
    name = file.source.name
    if bits:
        scanned = scan(connection, file).mutate(source_row=ibis.row_number() + 1)
        flags = _store(connection, f"_flags_{name}", faults(scanned, file, zone, bits))
        bad = _one_row_per_fault(flags)
        if not file.is_parquet:
            _forget_rejects(connection)
    else:
        schema = {"source_row": "int64", "column_name": "string", "reason": "string"}
        bad = connection.create_table(f"_flags_{name}", schema=schema, temp=True)
    if file.is_parquet:
        return bad.rename(line="source_row")
    return _store(connection, f"_rejected_{name}", with_lines(connection, file, bad, misshapen))


def _one_row_per_fault(flags: Table) -> Table:
    """source_row, column_name, reason; never the value."""
    return ibis.union(
        *(
            flags.filter(flags[fault]).select(
                "source_row",
                column_name=ibis.literal(fault.partition(": ")[0]),
                reason=ibis.literal(fault.partition(": ")[2]),
            )
            for fault in flags.columns
            if fault != "source_row"
        )
    )


def _store(connection: Backend, name: str, rows: Table) -> Table:
    return connection.create_table(name, rows, temp=True)


def _forget_rejects(connection: Backend) -> None:
    """DuckDB keeps the lines it rejected as they are: drop them at once."""
    connection.drop_table(REJECTS)
    connection.drop_table(f"{REJECTS}_scans")
