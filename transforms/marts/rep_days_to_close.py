"""How long deals take."""

from datetime import datetime

import ibis
from ibis import Table

from transforms.checks import not_negative, total_agrees
from transforms.graph import model
from transforms.times import days_between


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
            lambda tables, _: tables["obt_deals"].created_at.count(),
            needs=["obt_deals"],
        ),
    ],
)
def rep_days_to_close(obt_deals: Table, *, as_of: datetime) -> Table:
    """One row per status that deals have: days from creation to closing, or so far.

    Columns:
        status: won, lost or open
        deals: deals with that status of which it is known when they were created
        median_days: median days from creation to closing; of open deals, to as_of
        p75_days: three in four took less (interpolated)
        p90_days: nine in ten took less (interpolated)
    """
    deals = obt_deals.filter(obt_deals.created_at.notnull())
    so_far = days_between(deals.created_at, ibis.literal(as_of, "timestamp(6)"))
    deals = deals.select("status", days=deals.days_to_close.fill_null(so_far))
    return deals.group_by("status").agg(
        deals=deals.count(),
        median_days=deals.days.quantile(0.5),
        p75_days=deals.days.quantile(0.75),
        p90_days=deals.days.quantile(0.9),
    )
