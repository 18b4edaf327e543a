"""How far the deals of a month came."""

from datetime import datetime

import ibis
from ibis import Table

from transforms.checks import rule, total_agrees
from transforms.funnel import Funnel
from transforms.graph import model
from transforms.rates import percent
from transforms.times import clock_time, every_month, month

WITHIN_DAYS = 90


@model(
    key=["month", "funnel_step"],
    schema={
        "month": "date",
        "funnel_step": "string",
        "kpi_name": "string",
        "deals_created": "int64",
        "deals_reached": "int64",
        "reached_pct": "float64",
        "is_mature": "boolean",
    },
    checks=[
        rule("reached_of_created", lambda cohorts: cohorts.deals_reached <= cohorts.deals_created),
        total_agrees(
            "deals_created",
            lambda cohorts: cohorts.deals_created.sum(),
            lambda obt_deals, *, funnel: (
                obt_deals.created_at.count() * len(funnel.of_kind("stage"))
            ),
        ),
    ],
)
def rep_cohorts(
    obt_deals: Table,
    stg_funnel_steps: Table,
    *,
    funnel: Funnel,
    timezone: str,
    as_of: datetime,
) -> Table:
    """One row per month of creation and main step: deals created, and those there within 90 days.

    From the first to the last month in which a deal was created.

    Columns:
        month: first day of the calendar month in which the deals were created (FUNNEL_TIMEZONE)
        funnel_step: number of a main step (stage), as text
        kpi_name: its name
        deals_created: deals created in the month, whatever became of them
        deals_reached: those that entered this main step or a later one within 90 days
        reached_pct: these in percent of those created; null if there are none
        is_mature: whether 90 days of all deals of the month are over at as_of
    """
    deals = obt_deals.filter(obt_deals.created_at.notnull())
    until = deals.created_at + ibis.interval(days=WITHIN_DAYS)
    furthest_first = [
        (deals[step.column] <= until, order)
        for order, step in reversed(list(enumerate(funnel.steps, 1)))
        if step.kind == "stage"
    ]
    deals = deals.select(
        month=month(deals.created_at, timezone), furthest=ibis.cases(*furthest_first, else_=0)
    )
    # Deals that came equally far count alike: a few rows are left.
    alike = deals.group_by("month", "furthest").agg(deals=deals.count())
    stages = stg_funnel_steps.filter(stg_funnel_steps.kind == "stage")
    each = every_month(alike).cross_join(stages).left_join(alike, "month")
    has_reached = each.furthest >= each.step_order
    cohorts = each.group_by("month", "funnel_step", "kpi_name").agg(
        deals_created=each.deals.fill_null(0).sum(),
        deals_reached=has_reached.ifelse(each.deals, 0).sum().fill_null(0),
    )
    now = clock_time(ibis.literal(as_of, "timestamp(6)"), timezone)
    over = cohorts.month.cast("timestamp") + ibis.interval(months=1)
    return cohorts.mutate(
        reached_pct=percent(cohorts.deals_reached, cohorts.deals_created),
        is_mature=over + ibis.interval(days=WITHIN_DAYS) <= now,
    )
