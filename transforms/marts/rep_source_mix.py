"""What the export holds: the first look that one takes at it."""

import ibis
from ibis import Table
from ibis.expr.types import StringValue, TimestampValue

from transforms.checks import not_null, unique
from transforms.graph import model

OUTSIDE, UNKNOWN = "stages outside the funnel", "unknown activity types"
UNKNOWN_STAGE = "Unknown stage #"  # and the id


@model(
    schema={
        "category": "string",
        "value": "string",
        "rows_count": "int64",
        "first_at": "timestamp(6)",
        "last_at": "timestamp(6)",
    },
    checks=[unique("category", "value"), not_null("category")],
)
def rep_source_mix(
    stg_deal_changes: Table,
    stg_activities: Table,
    stg_activity_types: Table,
    int_deal_stage_transitions: Table,
    obt_deals: Table,
) -> Table:
    """One row per category and value of it that occurs: rows by field, type, stage and status.

    Columns:
        category: changes by field, activities by type, completed activities by type, stage entries
            by stage, deals by status, deals by stages entered, deals by completed activities,
            stages outside the funnel, or unknown activity types
        value: the value, as text, or "Unknown stage #" and its id; null where there is none
        rows_count: rows with that value
        first_at: the earliest of their changes, due dates, entries or creations, UTC
        last_at: the latest
    """
    activities, deals = stg_activities, obt_deals
    done = activities.filter(activities.is_done)
    entries = int_deal_stage_transitions
    unknown_stage = ibis.literal(UNKNOWN_STAGE) + entries.stage_id.cast("string")
    entries = entries.mutate(stage=entries.stage_name.fill_null(unknown_stage))
    outside = entries.filter(entries.funnel_step.isnull())
    unknown = activities.anti_join(stg_activity_types, "activity_type")
    return ibis.union(
        _counted(
            stg_deal_changes,
            "changes by field",
            stg_deal_changes.changed_field_key,
            stg_deal_changes.changed_at,
        ),
        _counted(activities, "activities by type", activities.activity_type, activities.due_at),
        _counted(done, "completed activities by type", done.activity_type, done.due_at),
        _counted(entries, "stage entries by stage", entries.stage, entries.entered_at),
        _counted(deals, "deals by status", deals.status, deals.created_at),
        _counted(
            deals,
            "deals by stages entered",
            deals.stages_entered.cast("string"),
            deals.created_at,
        ),
        _counted(
            deals,
            "deals by completed activities",
            deals.activities_completed.cast("string"),
            deals.created_at,
        ),
        _counted(outside, OUTSIDE, outside.stage, outside.entered_at),
        _counted(unknown, UNKNOWN, unknown.activity_type, unknown.due_at),
    )


def _counted(table: Table, category: str, value: StringValue, at: TimestampValue) -> Table:
    rows = table.select(value=value, at=at)
    counted = rows.group_by("value").agg(
        rows_count=rows.count(), first_at=rows["at"].min(), last_at=rows["at"].max()
    )
    return counted.select(ibis.literal(category).name("category"), *counted.columns)
