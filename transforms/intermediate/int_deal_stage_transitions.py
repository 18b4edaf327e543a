"""Stage transitions."""

from datetime import datetime

import ibis
from ibis import Table

from transforms import text
from transforms.checks import not_negative, not_null, references
from transforms.graph import model
from transforms.timeline import with_latest
from transforms.times import days_between


@model(
    key=["deal_id", "transition_number"],
    schema={
        "deal_id": "int64",
        "stage_id": "int64",
        "stage_name": "string",
        "funnel_step": "string",
        "transition_number": "int64",
        "previous_stage_id": "int64",
        "entered_at": "timestamp(6)",
        "left_at": "timestamp(6)",
        "days_in_stage": "float64",
        "user_id": "int64",
    },
    checks=[
        not_null("stage_id"),
        not_null("entered_at"),
        not_null("days_in_stage"),
        not_negative("days_in_stage"),
        references("deal_id", "stg_deals.deal_id"),
        references("stage_id", "stg_stages.stage_id", severity="warn"),
        not_null("funnel_step", severity="warn"),
        not_null("user_id", severity="warn"),
    ],
)
def int_deal_stage_transitions(
    stg_deal_changes: Table, stg_stages: Table, int_deal_losses: Table, *, as_of: datetime
) -> Table:
    """One row per entry of a deal into a stage.

    Columns:
        deal_id: the deal
        stage_id: the stage it entered
        stage_name: its name; null if the stage is unknown
        funnel_step: its step of the funnel; null if it maps to none
        transition_number: 1 for the deal's first entry, in order of time, then of stage_id
        previous_stage_id: stage of the entry before
        entered_at: when, UTC
        left_at: when it left: its next entry, or a loss before that; null while it stays
        days_in_stage: days from entered_at to left_at, or to `as_of` while it stays
        user_id: the owner at that time: the latest user_id change at or before entered_at
    """
    changes = stg_deal_changes.mutate(number=text.integer(stg_deal_changes.new_value))
    changes = changes.filter(changes.number.notnull())
    owners = changes.filter(changes.changed_field_key == "user_id").select(
        "deal_id", at="changed_at", user_id="number"
    )
    entries = changes.filter(changes.changed_field_key == "stage_id").select(
        "deal_id", at="changed_at", stage_id="number"
    )
    entries = with_latest(entries, owners, "user_id").mutate(is_entry=1)
    # A loss at the very time of an entry comes before it: a stay ends with a later event.
    losses = int_deal_losses.select(
        "deal_id",
        at="lost_at",
        stage_id=ibis.null("int64"),
        user_id=ibis.null("int64"),
        is_entry=0,
    )
    events = entries.union(losses.select(entries.columns))
    events = events.mutate(
        left_at=events["at"]
        .lead()
        .over(group_by="deal_id", order_by=[events["at"], events.is_entry, events.stage_id])
    )
    stays = events.filter(events.is_entry == 1)
    in_order = ibis.window(group_by="deal_id", order_by=["at", "stage_id"])
    stays = stays.mutate(
        transition_number=ibis.row_number().over(in_order) + 1,
        previous_stage_id=stays.stage_id.lag().over(in_order),
    )
    days = days_between(stays["at"], ibis.coalesce(stays.left_at, ibis.literal(as_of, "timestamp")))
    return (
        stays.mutate(days_in_stage=ibis.greatest(days, 0.0))
        .left_join(stg_stages, "stage_id")
        .select(
            "deal_id",
            "stage_id",
            "stage_name",
            "funnel_step",
            "transition_number",
            "previous_stage_id",
            "left_at",
            "days_in_stage",
            "user_id",
            entered_at="at",
        )
    )
