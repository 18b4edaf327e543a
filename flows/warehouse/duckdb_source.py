"""A DuckDB file as the source of an export."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import ibis
import sqlglot.expressions as sge
from ibis import Table

from flows.errors import InputError
from flows.warehouse.faults import told_in_short
from flows.warehouse.file import check_content
from flows.warehouse.limits import Limits, keep_within
from flows.warehouse.masking import masking_with, pseudonym
from flows.warehouse.tables import Database


@contextmanager
def opened(url: str, key: bytes, forgotten: Collection[int], limits: Limits) -> Iterator[Database]:
    """The file, to be read.

    Raises:
        InputError: it is not there, or no DuckDB file.
    """
    path = Path(url.removeprefix("duckdb://"))
    with told_in_short(path):
        if not path.is_file():
            hint = "; of options, ?schema=NAME is the only one" if "?" in url else ""
            raise InputError(f"{path}: there is no such DuckDB file{hint}")
        check_content(path)
        # What it would spill is not masked yet.
        backend = ibis.duckdb.connect(str(path), read_only=True, temp_directory="")
        if backend.current_catalog in backend.list_databases():
            # It is called as the file is, and so is a schema in it: a name of ours, then.
            backend.disconnect()
            backend = ibis.duckdb.connect(temp_directory="")
            file = sge.convert(str(path)).sql("duckdb")
            backend.raw_sql(f"ATTACH {file} AS _funnel_source (READ_ONLY); USE _funnel_source")

    def tables(schema: str) -> dict[str, bool]:
        return dict.fromkeys(backend.list_tables(database=schema), True)

    def write(rows: Table, file: Path) -> None:
        with told_in_short(path):
            backend.to_csv(rows, file, header=True)

    try:
        keep_within(backend, limits)
        backend.raw_sql("SET TimeZone = 'UTC'")
        with masking_with(key, backend):
            yield Database(str(path), backend, tables, pseudonym, write, forgotten)
    finally:
        backend.disconnect()
