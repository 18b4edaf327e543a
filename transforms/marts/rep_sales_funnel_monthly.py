"""The funnel by month."""

import ibis
from ibis import Table
from ibis.expr.types import DateScalar

from transforms.checks import not_negative, steady_volume, total_agrees
from transforms.funnel import Funnel
from transforms.graph import model
from transforms.times import every_month, month


def entries_by_month(int_deal_funnel_entries: Table, timezone: str) -> Table:
    """One row per deal, step and month in which the deal entered the step."""
    at = int_deal_funnel_entries.entered_at
    entries = int_deal_funnel_entries.mutate(month=month(at, timezone))
    return entries.select("month", "funnel_step", "deal_id").distinct()


def intake_end(
    rep_sales_funnel_monthly: Table, rep_monthly_figures: Table, *, funnel: Funnel
) -> DateScalar:
    """The last month in which deals were created: after it, deals from before still move.

    Where it is not known when, the last one with entries into the first step, or else of all.
    """
    monthly, figures = rep_sales_funnel_monthly, rep_monthly_figures
    into_first = (monthly.funnel_step == funnel.steps[0].step) & (monthly.deals_count > 0)
    created = figures.agg(created=figures.month.max(where=figures.deals_created > 0))
    months = monthly.agg(into_first=monthly.month.max(where=into_first), any=monthly.month.max())
    known = months.cross_join(created)
    return ibis.coalesce(known.created, known.into_first, known.any).as_scalar()


@model(
    key=["month", "funnel_step"],
    schema={
        "month": "date",
        "kpi_name": "string",
        "funnel_step": "string",
        "deals_count": "int64",
    },
    checks=[
        not_negative("deals_count"),
        total_agrees(
            "deals_count",
            lambda monthly: monthly.deals_count.sum(),
            lambda int_deal_funnel_entries, *, timezone: entries_by_month(
                int_deal_funnel_entries, timezone
            ).count(),
        ),
        steady_volume("deals_count", by="funnel_step", over="month", until=intake_end),
    ],
)
def rep_sales_funnel_monthly(
    int_deal_funnel_entries: Table, stg_funnel_steps: Table, *, timezone: str
) -> Table:
    """One row per month and step of the funnel: distinct deals that entered it, 0 where none did.

    From the first to the last month with an entry.

    Columns:
        month: first day of the calendar month (FUNNEL_TIMEZONE)
        kpi_name: name of the step
        funnel_step: number of the step, as text
        deals_count: distinct deals that entered the step in that month; 0 where none did
    """
    entered = entries_by_month(int_deal_funnel_entries, timezone)
    counted = entered.group_by("month", "funnel_step").agg(deals_count=entered.count())
    grid = every_month(counted).cross_join(stg_funnel_steps)
    return grid.left_join(counted, ["month", "funnel_step"]).select(
        "month",
        "kpi_name",
        "funnel_step",
        deals_count=lambda joined: joined.deals_count.fill_null(0),
    )
