"""Deals and time: what was true of a deal at a moment, and how far the data goes."""

import ibis
from ibis import Table
from ibis.expr.types import TimestampScalar


def with_latest(events: Table, changes: Table, value: str) -> Table:
    """The events, with what the latest change at or before each of them set; null if there is none.

    Args:
        events: columns `deal_id`, `at` and any others.
        changes: columns `deal_id`, `at` and `value`. Of two at the same time, the greater value is
            the later one.
        value: the name of the column of changes that is carried to the events.
    """
    others = {
        name: ibis.null(dtype)
        for name, dtype in events.schema().items()
        if name not in changes.columns
    }
    columns = [*events.columns, value, "is_event"]
    line = events.mutate(**{value: ibis.null(changes[value].type()), "is_event": 1}).select(columns)
    line = line.union(changes.mutate(**others, is_event=0).select(columns))
    # Each change starts a group that runs up to the next one: its only value is that of the group.
    line = line.mutate(
        changes_so_far=line[value]
        .count()
        .over(
            group_by="deal_id",
            order_by=[line["at"], line.is_event, line[value]],
            rows=(None, 0),
        )
    )
    line = line.mutate(**{value: line[value].max().over(group_by=["deal_id", "changes_so_far"])})
    return line.filter(line.is_event == 1).drop("is_event", "changes_so_far")


def newest_event(stg_deal_changes: Table, stg_activities: Table) -> TimestampScalar:
    """When the data ends: the latest change of a deal or done activity; null without any."""
    done = stg_activities.filter(stg_activities.is_done)
    return ibis.greatest(
        stg_deal_changes.changed_at.max().as_scalar(), done.due_at.max().as_scalar()
    )
