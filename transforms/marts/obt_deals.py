"""The One Big Table."""

import ibis
from ibis import Table, _

from transforms.checks import references, total_agrees
from transforms.funnel import Funnel
from transforms.graph import model
from transforms.intermediate.int_deal_losses import UNKNOWN_REASON, reason_labels
from transforms.times import days_between


def _columns(*, funnel: Funnel) -> dict[str, str]:
    return {
        "deal_id": "int64",
        "created_at": "timestamp(6)",
        "user_id": "int64",
        "sales_rep_name": "string",
        "status": "string",
        "stage_id": "int64",
        "stage_name": "string",
        "funnel_step": "string",
        "furthest_step": "string",
        "furthest_kpi_name": "string",
        "lost_reason_id": "int64",
        "lost_reason_label": "string",
        "closed_at": "timestamp(6)",
        "days_to_close": "float64",
        "value": "float64",
        "currency": "string",
        "stages_entered": "int64",
        "activities_completed": "int64",
        **{step.column: "timestamp(6)" for step in funnel.steps},
    }


@model(
    key=["deal_id"],
    schema=_columns,
    checks=[
        references("deal_id", "stg_deals.deal_id"),
        total_agrees(
            "deals",
            lambda deals: deals.count(),
            lambda stg_deals: stg_deals.count(),
        ),
    ],
    refresh_by="deal_id",
)
def obt_deals(
    stg_deals: Table,
    stg_users: Table,
    stg_stages: Table,
    stg_field_options: Table,
    stg_funnel_steps: Table,
    stg_activities: Table,
    int_deal_stage_transitions: Table,
    int_deal_funnel_entries: Table,
    *,
    funnel: Funnel,
) -> Table:
    """One row per deal of stg_deals: all that is known of it, with its first entry into each step.

    Columns:
        deal_id: id in Pipedrive
        created_at: when it was added, UTC
        user_id: current owner
        sales_rep_name: the owner's pseudonym; null if the owner is unknown
        status: won, lost or open
        stage_id: current stage
        stage_name: its name
        funnel_step: its step of the funnel; null if it maps to none
        furthest_step: the last main step, in funnel order, that it ever entered
        furthest_kpi_name: its name
        lost_reason_id: reason of the last loss, for lost deals
        lost_reason_label: its label, for lost deals
        closed_at: when it was lost or won, UTC; null while open, or where it is not known
        days_to_close: days from created_at to closed_at; null where either is
        value: amount in `currency`; null without a deals table
        currency: ISO code
        stages_entered: entries into stages, repeated ones too
        activities_completed: done activities that name the deal
        step_*_entered_at: first entry into that step of the funnel, UTC; null if it never did
    """
    entries = int_deal_funnel_entries
    first_entries = entries.group_by("deal_id").agg(
        **{
            step.column: entries.entered_at.min(where=entries.funnel_step == step.step)
            for step in funnel.steps
        },
    )
    entered = [
        (_[step.column].notnull(), order)
        for order, step in enumerate(funnel.steps, 1)
        if step.kind == "stage"
    ]
    first_entries = first_entries.mutate(furthest_order=ibis.cases(*reversed(entered)))
    furthest = stg_funnel_steps.select(
        furthest_order="step_order", furthest_step="funnel_step", furthest_kpi_name="kpi_name"
    )
    transitions = int_deal_stage_transitions.group_by("deal_id").agg(
        stages_entered=lambda group: group.count()
    )
    done = stg_activities.filter(stg_activities.is_done, stg_activities.deal_id.notnull())
    activities = done.group_by("deal_id").agg(activities_completed=done.count())
    joined = (
        stg_deals.left_join(first_entries, "deal_id")
        .left_join(furthest, "furthest_order")
        .left_join(transitions, "deal_id")
        .left_join(activities, "deal_id")
        .left_join(stg_users.select("user_id", "sales_rep_name"), "user_id")
        .left_join(stg_stages, "stage_id")
        .left_join(reason_labels(stg_field_options), "lost_reason_id")
    )
    is_lost = joined.status == "lost"
    complete = joined.mutate(
        lost_reason_label=is_lost.ifelse(joined.lost_reason_label.fill_null(UNKNOWN_REASON), None),
        days_to_close=days_between(joined.created_at, joined.closed_at),
        stages_entered=joined.stages_entered.fill_null(0),
        activities_completed=joined.activities_completed.fill_null(0),
    )
    return complete.select(*_columns(funnel=funnel))
