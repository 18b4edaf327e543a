"""Small results out of a warehouse.

Ibis's `to_pyarrow` imports pandas, half a second of every run; its batches do not.
"""

from typing import Any

import pyarrow as pa
from ibis import Table
from ibis.expr.types import Scalar


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
