"""One row of several: the latest row of a key wins, so that a join never fans out."""

from collections.abc import Sequence

import ibis
from ibis import Table
from ibis.expr.types import Value


def latest_row(raw: Table, key: str, changed: str | None = None) -> Table:
    """One row per key: the one changed last (if it says when), of those the last one read."""
    order = [raw.source_row.desc()]
    if changed:
        order = [raw[changed].desc(), *order]  # nulls come last
    return first_row(raw, [key], order)


def first_row(rows: Table, by: Sequence[str], order: Sequence[Value]) -> Table:
    """One row per value of the columns `by`: the first in an order."""
    ranked = rows.mutate(rank_of_key=ibis.row_number().over(group_by=by, order_by=order))
    return ranked.filter(ranked.rank_of_key == 0).drop("rank_of_key")


def joined_by(column: str, rows: Table, *others: Table) -> Table:
    """The rows with the columns of other tables, each of at most one row per value of `column`."""
    for other in others:
        rows = rows.left_join(other, column).drop(f"{column}_right")
    return rows
