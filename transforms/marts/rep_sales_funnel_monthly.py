"""The funnel by month."""

from collections.abc import Mapping
from typing import Any

import ibis
from ibis import Table
from ibis.expr.types import DateScalar

from transforms.checks import not_negative, steady_volume, total_agrees
from transforms.graph import model
from transforms.times import every_month, month


def entries_by_month(int_deal_funnel_entries: Table, timezone: str) -> Table:
    """One row per deal, step and month in which the deal entered the step."""
    at = int_deal_funnel_entries.entered_at
    entries = int_deal_funnel_entries.mutate(month=month(at, timezone))
    return entries.select("month", "funnel_step", "deal_id").distinct()


def intake_end(monthly: Table, settings: Mapping[str, Any]) -> DateScalar:
    """The last month with entries into the first step: after it, deals from before still move.

    Where nothing ever entered that step, the last month of all.
    """
    is_intake = (monthly.funnel_step == settings["funnel"].steps[0].step) & (
        monthly.deals_count > 0
    )
    return ibis.coalesce(monthly.month.max(where=is_intake), monthly.month.max())


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
