"""Everything that differs between engines. Nothing outside this package names one."""

from pathlib import Path

from flows.errors import InputError
from flows.warehouse.duckdb import DuckDBWarehouse

Warehouse = DuckDBWarehouse


def open_warehouse(url: str) -> Warehouse:
    """The warehouse a URL names; it is not touched yet.

    Raises:
        InputError: no engine has such URLs.
    """
    scheme, found, rest = url.partition("://")
    if scheme == "duckdb" and found and rest:
        return DuckDBWarehouse(Path(rest))
    raise InputError("the warehouse must be written as duckdb://PATH, as in duckdb://sales.duckdb")
