"""Tables into files, by DuckDB: CSV for spreadsheets, Parquet for programs."""

from collections.abc import Sequence
from pathlib import Path

import ibis
import sqlglot.expressions as sge
from ibis import Table
from ibis.backends.duckdb import Backend
from ibis.expr.types import Column

from flows.files.export_folder import ROWS
from flows.warehouse.faults import told_in_short
from flows.warehouse.rows import read

# A spreadsheet would run a text that begins so as a formula (as in reports/tables.js).
FORMULA = r"^[=+\-@\t\r]"
# Engines, and runs of one engine, differ in the last digits of a mean. Whatever is as large as this
# was not computed, and has digits to lose.
DIGITS, LARGE = 9, 1e6
NO_MONTH = "__HIVE_DEFAULT_PARTITION__"


def write_files(
    backend: Backend, rows: Table, columns: Sequence[str], order: Sequence[str], file: Path
) -> None:
    """Write columns of a table to FILE.csv and FILE.parquet.

    `order`: what they are sorted by, and after that by the columns: so the same rows give the same
    CSV.
    """
    ordered = rows.order_by([*dict.fromkeys([*order, *columns])])
    for_spreadsheets = {name: _for_spreadsheets(ordered[name]) for name in columns}
    copy_to(backend, ordered.select(**for_spreadsheets), file.with_suffix(".csv"), HEADER="true")
    copy_to(backend, ordered.select(columns), file.with_suffix(".parquet"))


def write_months(backend: Backend, rows: Table, order: Sequence[str], folder: Path) -> None:
    """Write a table to FOLDER/month=YYYY-MM-01/rows.parquet, by its column `month`.

    `order`: what they are sorted by, and after that by the other columns: so the same rows give the
    same files. The layout is that of Hive, which is also where the name for no month is from.
    """
    with told_in_short(folder, backend):
        kept = backend.create_table("_by_month", rows, temp=True, overwrite=True)
    folder.mkdir()  # also without rows, so that it is known that there are none
    for month in read(kept.select("month").distinct().order_by("month"))["month"].to_pylist():
        is_of_month = kept.month.isnull() if month is None else kept.month == month
        of_month = folder / f"month={month or NO_MONTH}"
        of_month.mkdir()
        found = kept.filter(is_of_month).drop("month")
        copy_to(
            backend, found.order_by([*dict.fromkeys([*order, *found.columns])]), of_month / ROWS
        )
    backend.drop_table("_by_month")


def _for_spreadsheets(column: Column) -> Column:
    if column.type().is_string():
        return ibis.ifelse(column.re_search(FORMULA), "'" + column, column)
    if column.type().is_floating():
        return ibis.ifelse(column.abs() < LARGE, column.round(DIGITS), column)
    return column


def copy_to(backend: Backend, rows: Table, file: Path, **options: str) -> None:
    """Write a table to a file.

    Ibis would write the name of the file as Python does, not as DuckDB reads it.
    """
    params = {"FORMAT": file.suffix.removeprefix("."), **options}
    statement = sge.Copy(
        this=backend.compiler.to_sqlglot(rows).subquery(),
        kind=False,
        files=[sge.convert(str(file))],
        params=[
            sge.CopyParameter(this=sge.var(name), expression=sge.var(value))
            for name, value in params.items()
        ],
    )
    with told_in_short(file, backend):
        backend.raw_sql(statement.sql("duckdb"))
