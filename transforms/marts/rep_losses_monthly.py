"""Where deals are lost, and why."""

from ibis import Table

from transforms.checks import not_null, total_agrees, unique
from transforms.graph import model
from transforms.times import month

NO_STEP = "none"
IDENTITY = ("month", "lost_reason_label", "funnel_step")


def deals_lost_by_month(int_deal_losses: Table, stg_stages: Table, timezone: str) -> Table:
    """One row per deal, month, reason and step in which it was lost."""
    losses = int_deal_losses.left_join(stg_stages, "stage_id")
    return losses.select(
        "deal_id",
        "lost_reason_label",
        month=month(losses.lost_at, timezone),
        funnel_step=losses.funnel_step.fill_null(NO_STEP),
    ).distinct()


@model(
    schema={
        "month": "date",
        "lost_reason_label": "string",
        "funnel_step": "string",
        "deals_count": "int64",
    },
    # Not its key: a label can be longer than an index of PostgreSQL takes.
    checks=[
        unique(*IDENTITY),
        *map(not_null, (*IDENTITY, "deals_count")),
        total_agrees(
            "deals_count",
            lambda losses: losses.deals_count.sum(),
            lambda int_deal_losses, stg_stages, *, timezone: deals_lost_by_month(
                int_deal_losses, stg_stages, timezone
            ).count(),
        ),
    ],
)
def rep_losses_monthly(int_deal_losses: Table, stg_stages: Table, *, timezone: str) -> Table:
    """One row per month, loss reason and step at loss that occurs: distinct deals.

    Columns:
        month: first day of the calendar month of the loss (FUNNEL_TIMEZONE)
        lost_reason_label: the reason, as the field options name it, or "Unknown reason"
        funnel_step: step of the stage the deal was in; "none" if it was in no stage of the funnel
        deals_count: distinct deals
    """
    lost = deals_lost_by_month(int_deal_losses, stg_stages, timezone)
    return lost.group_by(*IDENTITY).agg(deals_count=lost.count())
