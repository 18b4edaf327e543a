"""Lookup tables: the latest row of a key wins, so that a join never fans out."""

import ibis
from ibis import Table


def latest_row(raw: Table, key: str, changed: str | None = None) -> Table:
    """One row per key: the one changed last (if it says when), of those the last one read."""
    order = [raw.source_row.desc()]
    if changed:
        order = [raw[changed].isnull(), raw[changed].desc(), *order]
    rank = ibis.row_number().over(group_by=key, order_by=order)
    ranked = raw.mutate(rank_of_key=rank)
    return ranked.filter(ranked.rank_of_key == 0).drop("rank_of_key")
