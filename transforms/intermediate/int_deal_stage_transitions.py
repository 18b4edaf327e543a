"""Stage transitions."""

from datetime import datetime

import ibis
from ibis import Table

from transforms.checks import not_negative, not_null, references
from transforms.graph import model
from transforms.timeline import EVER, at_the_time
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
        "next_stage_id": "int64",
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
    refresh_by="deal_id",
    moves=lambda stays: stays.left_at.isnull(),
    by_month="entered_at",
)
def int_deal_stage_transitions(
    stg_deal_stage_changes: Table,
    stg_deal_owner_changes: Table,
    stg_stages: Table,
    int_deal_losses: Table,
    *,
    as_of: datetime,
) -> Table:
    """One row per entry of a deal into a stage.

    Columns:
        deal_id: the deal
        stage_id: the stage it entered
        stage_name: its name; null if the stage is unknown
        funnel_step: its step of the funnel; null if it maps to none
        transition_number: 1 for the deal's first entry, in order of time, then of stage_id
        previous_stage_id: stage of the entry before
        next_stage_id: stage that it left for; null if it was lost, or stays
        entered_at: when, UTC
        left_at: when it left: its next entry, or a loss not after that; null while it stays
        days_in_stage: days from entered_at to left_at, or to `as_of` while it stays
        user_id: the owner at that time: the latest user_id change at or before entered_at
    """
    entries = stg_deal_stage_changes.rename({"at": "entered_at"})
    owners = stg_deal_owner_changes.rename(since="owned_from", until="owned_until")
    stays = at_the_time(at_the_time(entries, owners), _until_losses(int_deal_losses))
    left_at = ibis.least(stays.next_entered_at, stays.lost_at)  # of those that there are
    days = days_between(stays["at"], left_at.fill_null(ibis.literal(as_of, "timestamp(6)")))
    is_lost = (stays.lost_at <= stays.next_entered_at).fill_null(False)
    return (
        stays.mutate(
            left_at=left_at,
            days_in_stage=ibis.greatest(days, 0.0),
            next_stage_id=ibis.cases((~is_lost, stays.next_stage_id)),
        )
        .left_join(stg_stages, "stage_id")
        .select(
            "deal_id",
            "stage_id",
            "stage_name",
            "funnel_step",
            "transition_number",
            "previous_stage_id",
            "next_stage_id",
            "left_at",
            "days_in_stage",
            "user_id",
            entered_at="at",
        )
    )


def _until_losses(losses: Table) -> Table:
    """One row per loss of a deal: deal_id, since, until, lost_at: the time before which it ends.

    An entry at the very time of a loss comes after it: a stay ends with a later event.
    """
    before = losses.lost_at.lag().over(group_by=losses.deal_id, order_by=losses.lost_at)
    return losses.select(
        "deal_id",
        "lost_at",
        since=before.fill_null(ibis.literal(EVER, "timestamp(6)")),
        until="lost_at",
    )
