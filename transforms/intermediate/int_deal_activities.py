"""Deals that had a call of the funnel."""

from ibis import Table, _

from transforms import text
from transforms.checks import not_null
from transforms.funnel import Funnel
from transforms.graph import model
from transforms.staging.stg_activities import dated_and_done


@model(
    key=["deal_id", "funnel_step"],
    schema={
        "deal_id": "int64",
        "funnel_step": "string",
        "kpi_name": "string",
        "entered_at": "timestamp(6)",
        "done_activities": "int64",
    },
    checks=[not_null("entered_at"), not_null("kpi_name")],
    refresh_by="deal_id",
)
def int_deal_activities(stg_activities: Table, stg_funnel_steps: Table, *, funnel: Funnel) -> Table:
    """One row per deal and activity step: the first done activity of the step's types.

    Activities that are not done, or say no deal or no time, do not count. The deal need not be in
    the change log.

    Columns:
        deal_id: the deal the activities say
        funnel_step: the activity step
        kpi_name: its name
        entered_at: MIN(due_at) of the done activities, UTC
        done_activities: how many there are
    """
    done = dated_and_done(stg_activities).filter(_.deal_id.notnull())
    step = text.looked_up(done.activity_type, funnel.step_by_code("activity"))
    qualifying = done.mutate(funnel_step=step).filter(lambda made: made.funnel_step.notnull())
    first = qualifying.group_by("deal_id", "funnel_step").agg(
        entered_at=qualifying.due_at.min(), done_activities=qualifying.count()
    )
    return first.inner_join(stg_funnel_steps, "funnel_step").select(
        "deal_id", "funnel_step", "kpi_name", "entered_at", "done_activities"
    )
