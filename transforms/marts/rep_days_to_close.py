"""How long deals take."""

from datetime import datetime

import ibis
from ibis import Table
from ibis.expr.types import BooleanValue

from transforms.checks import not_negative, total_agrees
from transforms.graph import model
from transforms.times import days_between


def is_measured(obt_deals: Table, as_of: datetime) -> BooleanValue:
    """Whether it is known how long a deal took, or takes so far."""
    was_there = obt_deals.created_at <= ibis.literal(as_of, "timestamp(6)")
    return ibis.ifelse(obt_deals.status == "open", was_there, obt_deals.days_to_close.notnull())


@model(
    key=["status"],
    schema={
        "status": "string",
        "deals": "int64",
        "median_days": "float64",
        "p75_days": "float64",
        "p90_days": "float64",
    },
    checks=[
        not_negative("deals"),
        total_agrees(
            "deals",
            lambda statuses: statuses.deals.sum(),
            lambda obt_deals, *, as_of: is_measured(obt_deals, as_of).sum(),
        ),
    ],
)
def rep_days_to_close(obt_deals: Table, *, as_of: datetime) -> Table:
    """One row per status that deals have: days from creation to closing, or so far.

    A status of which no deal has known times has no row.

    Columns:
        status: won, lost or open
        deals: deals with that status of which it is known when they were created, and closed; of
            open ones, those created up to as_of
        median_days: median days from creation to closing; of open deals, to as_of
        p75_days: three in four took less (interpolated)
        p90_days: nine in ten took less (interpolated)
    """
    so_far = days_between(obt_deals.created_at, ibis.literal(as_of, "timestamp(6)"))
    days = ibis.ifelse(obt_deals.status == "open", so_far, obt_deals.days_to_close)
    deals = obt_deals.filter(is_measured(obt_deals, as_of)).select("status", days=days)
    return deals.group_by("status").agg(
        deals=deals.count(),
        median_days=deals.days.quantile(0.5),
        p75_days=deals.days.quantile(0.75),
        p90_days=deals.days.quantile(0.9),
    )
