"""Scores of the source tables."""

import ibis
from ibis import Table
from ibis.expr.types import BooleanColumn

from transforms.checks import rule
from transforms.graph import model
from transforms.rates import per

BILLION = 10**9


@model(
    key=["table_name", "measure"],
    schema={
        "table_name": "string",
        "measure": "string",
        "passing_rows": "int64",
        "total_rows": "int64",
        "score": "float64",
    },
    checks=[
        rule("scores_are_shares", lambda scores: scores.score.fill_null(0).between(0, 1)),
    ],
)
def scores(
    stg_activities: Table,
    stg_activity_types: Table,
    stg_deal_changes: Table,
    stg_deals: Table,
    stg_fields: Table,
    stg_users: Table,
) -> Table:
    """One row per table of the export and measure.

    Columns:
        table_name: table of the export
        measure: completeness (activity: a deal is named; deals: an owner is named),
            deal_link_validity (the deal is named and known), consistency (activity: the type is
            known; deal_changes: the field is known; deals: the owner is known), uniqueness (no
            other row has the id), overall (the mean of the others)
        passing_rows: rows that pass; null for overall
        total_rows: all rows; null for overall
        score: passing_rows / total_rows, 0 to 1; null where there are no rows
    """
    activities, changes, deals = stg_activities, stg_deal_changes, stg_deals
    by_id = activities.group_by("activity_id").agg(sharing=activities.count())
    measured = ibis.union(
        _share("activity", "completeness", activities, activities.deal_id.notnull()),
        _share(
            "activity", "deal_link_validity", activities, _known(activities, stg_deals, "deal_id")
        ),
        _share(
            "activity",
            "consistency",
            activities,
            _known(activities, stg_activity_types, "activity_type"),
        ),
        by_id.agg(
            table_name=ibis.literal("activity"),
            measure=ibis.literal("uniqueness"),
            passing_rows=(by_id.sharing == 1).sum().coalesce(0),
            total_rows=by_id.sharing.sum().coalesce(0),
        ),
        _share(
            "deal_changes",
            "consistency",
            changes,
            changes.changed_field_key.isin(stg_fields.field_key),
        ),
        _share("deals", "completeness", deals, deals.user_id.notnull()),
        _share("deals", "consistency", deals, _known(deals, stg_users, "user_id")),
    )
    measured = measured.mutate(score=per(measured.passing_rows, measured.total_rows))
    # Whole numbers add up to the same in any order, fractions to the last digit do not.
    billionths = (measured.score * BILLION).round().cast("int64")
    overall = measured.group_by("table_name").agg(
        measure=ibis.literal("overall"),
        passing_rows=ibis.null("int64"),
        total_rows=ibis.null("int64"),
        score=billionths.sum() / billionths.count().nullif(0) / BILLION,
    )
    return measured.union(overall.select(measured.columns))


def _share(table_name: str, measure: str, table: Table, passing: BooleanColumn) -> Table:
    return table.agg(
        table_name=ibis.literal(table_name),
        measure=ibis.literal(measure),
        passing_rows=passing.sum().coalesce(0),
        total_rows=table.count(),
    )


def _known(table: Table, lookup: Table, column: str) -> BooleanColumn:
    return table[column].isin(lookup[column]).fill_null(False)
