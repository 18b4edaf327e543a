"""Which stages a deal was in, and when, by the change log alone."""

import ibis
from ibis import Table

from transforms.checks import not_null, rule
from transforms.graph import model
from transforms.timeline import changes_to_ids


@model(
    schema={
        "deal_id": "int64",
        "stage_id": "int64",
        "transition_number": "int64",
        "previous_stage_id": "int64",
        "entered_at": "timestamp(6)",
        "next_stage_id": "int64",
        "next_entered_at": "timestamp(6)",
    },
    checks=[
        not_null("stage_id"),
        not_null("entered_at"),
        rule(
            "one_change_at_a_time",
            lambda changes: (
                changes.next_entered_at.isnull() | (changes.entered_at < changes.next_entered_at)
            ),
            severity="warn",
        ),
    ],
    refresh_by="deal_id",
)
def stg_deal_stage_changes(stg_deal_changes: Table) -> Table:
    """One row per change of the stage of a deal.

    Of two changes at the same time, the one to the greater stage_id counts as the later.

    Columns:
        deal_id: the deal
        stage_id: the new stage
        transition_number: 1 for the deal's first change, in order of time
        previous_stage_id: stage of the change before; null for the first
        entered_at: when, UTC
        next_stage_id: stage of the change after; null for the last
        next_entered_at: when the next change came, UTC; null for the last
    """
    changes = changes_to_ids(stg_deal_changes, "stage_id")
    in_order = ibis.window(group_by=changes.deal_id, order_by=[changes["at"], changes.stage_id])
    return changes.select(
        "deal_id",
        "stage_id",
        transition_number=ibis.row_number().over(in_order) + 1,
        previous_stage_id=changes.stage_id.lag().over(in_order),
        entered_at="at",
        next_stage_id=changes.stage_id.lead().over(in_order),
        next_entered_at=changes["at"].lead().over(in_order),
    )
