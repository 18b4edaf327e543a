"""Where deals are lost, and why."""

from ibis import Table

from transforms.checks import not_null, unique
from transforms.graph import model
from transforms.times import month

NO_STEP = "none"
IDENTITY = ("month", "lost_reason_label", "funnel_step")


@model(
    schema={
        "month": "date",
        "lost_reason_label": "string",
        "funnel_step": "string",
        "deals_count": "int64",
    },
    # Not its key: a label can be longer than an index of PostgreSQL takes.
    checks=[unique(*IDENTITY), *map(not_null, (*IDENTITY, "deals_count"))],
)
def rep_losses_monthly(int_deal_losses: Table, stg_stages: Table, *, timezone: str) -> Table:
    """One row per month, loss reason and step at loss that occurs.

    Columns:
        month: first day of the calendar month of the loss (FUNNEL_TIMEZONE)
        lost_reason_label: the reason, as the field options name it, or "Unknown reason"
        funnel_step: step of the stage the deal was in; "none" if it was in no stage of the funnel
        deals_count: distinct deals
    """
    losses = int_deal_losses.left_join(stg_stages, "stage_id")
    losses = losses.select(
        "deal_id",
        "lost_reason_label",
        month=month(losses.lost_at, timezone),
        funnel_step=losses.funnel_step.fill_null(NO_STEP),
    )
    return losses.group_by(*IDENTITY).agg(deals_count=losses.deal_id.nunique())
