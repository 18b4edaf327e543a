"""The rows of a file that could not be read: how many lines have no shape, and where each is."""

from typing import Any

import ibis
from ibis import Table
from ibis.backends.duckdb import Backend

from flows.errors import InputError
from flows.warehouse.folder import ExportFile
from flows.warehouse.lines import with_lines
from flows.warehouse.reading import REJECTS, faults, is_read, scan
from flows.warehouse.rows import read, read_scalar

MISSHAPEN = {
    "MISSING COLUMNS": "too few columns",
    "TOO MANY COLUMNS": "too many columns",
    "INVALID ENCODING": "not UTF-8",
    "LINE SIZE OVER MAXIMUM": "line too long",
}
OPEN_QUOTE = "UNQUOTED VALUE"


def misshapen_lines(connection: Backend, file: ExportFile) -> Table:
    """One row per line without the shape of the file, once it was scanned: record_number, reason.

    Raises:
        InputError: a quote is opened and not closed, so that the rows behind it cannot be told.
    """
    name = f"_misshapen_{file.source.name}"
    if file.is_parquet:
        schema = {"record_number": "int64", "reason": "string"}
        return connection.create_table(name, schema=schema, temp=True)
    found = connection.table(REJECTS)
    reason = found.error_type.cast("string").cases(*MISSHAPEN.items(), else_="not readable")
    by_line = found.group_by(record_number=found.line.cast("int64")).agg(
        reason=reason.min(), open_quote=(found.error_type.cast("string") == OPEN_QUOTE).any()
    )
    stored = connection.create_table(name, by_line, temp=True)
    # DuckDB keeps the lines it rejected as they are: drop them at once.
    connection.drop_table(REJECTS)
    connection.drop_table(f"{REJECTS}_scans")
    number = read_scalar(stored.filter(stored.open_quote).record_number.min())
    if number is not None:
        raise InputError(
            f"{file.name}: record {number}: a quote is opened and not closed; close or double it"
        )
    return stored.drop("open_quote")


def rejected_rows(file: ExportFile, zone: str, bits: int, rows_read: int) -> list[dict[str, Any]]:
    """One row per fault of a rejected row, in the order of the file: line, column_name, reason.

    The file is read once more, on a connection of its own, so that a thread can do it beside the
    run: numbering rows takes one core.

    Args:
        file: the file.
        zone: of timestamps without an offset.
        bits: the FAULTS that there are in the file.
        rows_read: rows of the file, rejected ones too.
    """
    connection = ibis.duckdb.connect(threads=1, temp_directory="")  # what it holds stays in memory
    try:
        connection.raw_sql("SET TimeZone = 'UTC'")
        # Joined, the filters would take the careful look at every row.
        connection.raw_sql("SET disabled_optimizers = 'filter_pushdown'")
        scanned = scan(connection, file).mutate(source_row=ibis.row_number() + 1)
        if bits:
            flags = faults(scanned, file, zone, bits)
            bad = _one_row_per_fault(connection.create_table("_flags", flags, temp=True))
        else:
            read_scalar(scanned.filter(~is_read(scanned, file)).count())
            schema = {"source_row": "int64", "column_name": "string", "reason": "string"}
            bad = connection.create_table("_flags", schema=schema, temp=True)
        if file.is_parquet:
            rows = bad.rename(line="source_row")
        else:
            rows = with_lines(connection, file, bad, misshapen_lines(connection, file), rows_read)
        if file.is_masked:
            rows = rows.mutate(line=ibis.null("int64"))  # a row of a database is at no line
        return read(rows.order_by("line", "column_name")).to_pylist()
    finally:
        connection.disconnect()


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
