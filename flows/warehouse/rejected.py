"""The rows of a file that could not be read, and the line of each."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ibis
from ibis.backends.duckdb import Backend

from flows.errors import InputError
from flows.warehouse.csv_lines import BUFFER, line_of_open_quote
from flows.warehouse.export_file import ExportFile
from flows.warehouse.lines import with_lines
from flows.warehouse.reading import REJECTS
from flows.warehouse.rows import read, table_of

MISSHAPEN = {
    "MISSING COLUMNS": "too few columns",
    "TOO MANY COLUMNS": "too many columns",
    "INVALID ENCODING": "not UTF-8",
    "LINE SIZE OVER MAXIMUM": "line too long",
}
OPEN_QUOTE = "UNQUOTED VALUE"

Rows = list[dict[str, Any]]


def misshapen_lines(connection: Backend, file: ExportFile) -> Rows:
    """One row per line without the shape of the file, once it was scanned: record_number, reason.

    Raises:
        InputError: a quote is opened and not closed, so that the rows behind it cannot be told.
    """
    if file.is_parquet:
        return []
    found = connection.table(REJECTS)
    kind = found.error_type.cast("string")
    by_line = found.group_by(record_number=found.line.cast("int64")).agg(
        reason=kind.cases(*MISSHAPEN.items(), else_="not readable").min(),
        open_quote=(kind == OPEN_QUOTE).any(),
    )
    rows = read(by_line.order_by("record_number")).to_pylist()
    # DuckDB keeps the lines it rejected as they are: drop them at once.
    connection.drop_table(REJECTS)
    connection.drop_table(f"{REJECTS}_scans")
    for row in rows:
        if row.pop("open_quote"):
            raise InputError(
                f"{file.name}: record {row['record_number']}: a quote is opened and not closed, or"
                f" not within {BUFFER >> 20} MiB; close or double it"
            )
    return rows


def check_last_quote(file: ExportFile) -> None:
    """See whether the last quote that is opened is closed, where one reader does not tell.

    Raises:
        InputError: it is not, so that the rows behind it cannot be told.
    """
    if line := line_of_open_quote(file):
        raise InputError(
            f"{file.name}: line {line}: a quote is opened and not closed, or not within"
            f" {BUFFER >> 20} MiB; close or double it"
        )


def rejected_rows(file: ExportFile, faulty: Rows, misshapen: Rows, rows_read: int) -> Rows:
    """One row per fault of a rejected row, in the order of the file: line, column_name, reason.

    Args:
        file: the file.
        faulty: faults of rows: source_row (1 is the first), column_name, reason.
        misshapen: what `misshapen_lines` gave.
        rows_read: rows of the file, rejected ones too.
    """
    if file.is_masked:  # a row of a database is at no line
        return [fault | {"line": None} for fault in [*faulty, *misshapen]]
    if file.is_parquet:
        return [fault | {"line": fault["source_row"]} for fault in faulty]
    if not faulty and not misshapen:
        return []
    # What it would spill is not masked.
    connection = ibis.duckdb.connect(temp_directory="")
    # Of a JSON file it does not know the number of rows: it would look at all lines for each.
    connection.raw_sql("SET asof_loop_join_threshold = 0")
    try:
        with TemporaryDirectory() as folder:
            of_fault = {"source_row": "int64", "column_name": "string", "reason": "string"}
            of_line = {"record_number": "int64", "reason": "string"}
            bad = table_of(connection, faulty, of_fault, Path(folder) / "faulty")
            lines = table_of(connection, misshapen, of_line, Path(folder) / "misshapen")
            rows = with_lines(connection, file, bad, lines, rows_read)
            return read(rows.order_by("line", "column_name")).to_pylist()
    finally:
        connection.disconnect()
