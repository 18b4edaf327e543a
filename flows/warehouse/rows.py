"""A few rows out of a warehouse, and into DuckDB.

Ibis's `to_pyarrow` imports pandas, half a second of every run; its batches do not. For rows in
memory DuckDB imports it too; for those of a file it does not.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
from ibis import Table
from ibis.backends.duckdb import Backend
from ibis.backends.sql.datatypes import DuckDBType
from ibis.expr.types import Scalar

from flows.warehouse.faults import told_in_short


def read(table: Table) -> pa.Table:
    """The rows of a table; store sums first, which DuckDB widens to a type of its own."""
    return table.to_pyarrow_batches().read_all()


def read_one(table: Table) -> dict[str, Any]:
    """The only row of a table."""
    [row] = read(table).to_pylist()
    return row


def read_scalar(scalar: Scalar) -> Any:
    """A single value."""
    [value] = read_one(scalar.name("value").as_table()).values()
    return value


def recorded_run_ids(runs: Table | None) -> list[str]:
    """The ids of the runs in the table of runs, if there is one."""
    return [] if runs is None else read(runs.select("run_id"))["run_id"].to_pylist()


def with_columns(table: Table, schema: ibis.Schema) -> Table:
    """The table with these columns; those that it does not have are null."""
    return table.select(
        **{
            name: table[name].cast(dtype) if name in table.columns else ibis.null(dtype)
            for name, dtype in schema.items()
        }
    )


def table_of(
    connection: Backend,
    rows: Iterable[Mapping[str, object]],
    columns: Mapping[str, str],
    file: Path,
) -> Table:
    """Rows of Python as a table, for as long as the file is there that it puts them into."""
    with told_in_short(file):
        file.write_text("".join(f"{json.dumps(row, default=str)}\n" for row in rows))
    name = f"_{file.name.lstrip('.')}"
    types = {column: DuckDBType.to_string(ibis.dtype(dtype)) for column, dtype in columns.items()}
    return connection.read_json(file, table_name=name, columns=types, format="newline_delimited")
