"""A warehouse for those who only look at the results of runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ibis
from ibis.backends.sql import SQLBackend

from flows.errors import InputError
from flows.warehouse import versions
from flows.warehouse.address import WAREHOUSES, is_postgres, shown, spark_places
from flows.warehouse.faults import told_in_short
from flows.warehouse.file import check_content
from flows.warehouse.limits import USUAL, Limits, keep_within


def open_to_look(url: str, limits: Limits = USUAL) -> SQLBackend:
    """A connection that can change nothing and keeps no run waiting.

    Args:
        url: of the warehouse.
        limits: of what DuckDB may take here, if it reads files.

    Raises:
        SalesFunnelError: there is nothing to look at, or it cannot be opened; says what to do.
    """
    if is_postgres(url):
        from flows.warehouse.postgres.server import connect_to_read

        backend: SQLBackend = connect_to_read(url)
    elif places := spark_places(url):
        files = versions.open_to_look(places[1])
        keep_within(files, limits)
        backend = files
    else:
        backend = _file(url, limits)
    if not {"marts", "quality"} <= {*backend.list_databases()} or not backend.list_tables(
        database="marts"
    ):
        backend.disconnect()
        raise InputError(f"{shown(url)}: no results are there that you may read; {WHAT_TO_DO}")
    return backend


@contextmanager
def looking_at_one_run(url: str, limits: Limits) -> Iterator[SQLBackend]:
    """The same for a while, in which everything is read as one run left it.

    Raises:
        SalesFunnelError: as `open_to_look`.
    """
    backend = open_to_look(url, limits)
    try:
        backend.raw_sql("BEGIN TRANSACTION")
        yield backend
    finally:
        backend.disconnect()


WHAT_TO_DO = "run `python -m flows.main` into it first, or name another warehouse"


def _file(url: str, limits: Limits) -> SQLBackend:
    scheme, _, path = url.partition("://")
    if scheme != "duckdb" or not path:
        raise InputError(f"the warehouse must be written as {WAREHOUSES}")
    if not Path(path).is_file():
        raise InputError(f"{url}: there is no such file; {WHAT_TO_DO}")
    with told_in_short(path):
        check_content(Path(path))
        backend = ibis.duckdb.connect(path, read_only=True)
        keep_within(backend, limits)
        return backend
