"""What a manager asks for every month."""

import ibis
from ibis import Table

from transforms.checks import not_negative, total_agrees
from transforms.graph import model
from transforms.marts.rep_sales_rep_performance_monthly import dated_and_done
from transforms.times import every_month, month


@model(
    key=["month"],
    schema={
        "month": "date",
        "deals_created": "int64",
        "deals_won": "int64",
        "deals_lost": "int64",
        "win_rate_pct": "float64",
        "median_days_to_close": "float64",
        "open_deals": "int64",
        "activities_completed": "int64",
    },
    checks=[
        not_negative("open_deals"),
        total_agrees(
            "deals_created",
            lambda months: months.deals_created.sum(),
            lambda tables, _: tables["obt_deals"].created_at.count(),
            needs=["obt_deals"],
        ),
        total_agrees(
            "activities_completed",
            lambda months: months.activities_completed.sum(),
            lambda tables, _: dated_and_done(tables["stg_activities"]).count(),
            needs=["stg_activities"],
        ),
    ],
)
def rep_monthly_figures(obt_deals: Table, stg_activities: Table, *, timezone: str) -> Table:
    """One row per month: deals created, won, lost and open, win rate, days to close, activities.

    From the first to the last month in which anything of this happened.

    Columns:
        month: first day of the calendar month (FUNNEL_TIMEZONE)
        deals_created: deals created in it
        deals_won: deals that are won, and were closed in it
        deals_lost: deals that are lost, and were closed in it
        win_rate_pct: won deals in percent of those closed in it; null without any
        median_days_to_close: median days from creation to closing, of the deals closed in it
        open_deals: deals created by its end, and not closed by then
        activities_completed: done activities that were due in it
    """
    created = obt_deals.filter(obt_deals.created_at.notnull())
    created = created.group_by(month=month(created.created_at, timezone)).agg(
        deals_created=lambda deals: deals.count()
    )
    # A deal that is closed before it is created is in no month open.
    ended = ibis.greatest(obt_deals.closed_at, obt_deals.created_at)
    ended = obt_deals.filter(obt_deals.closed_at.notnull(), obt_deals.created_at.notnull()).select(
        month=month(ended, timezone)
    )
    ended = ended.group_by("month").agg(deals_ended=ended.count())
    closed = obt_deals.filter(obt_deals.closed_at.notnull(), obt_deals.status != "open")
    closed = closed.mutate(month=month(closed.closed_at, timezone))
    closed = closed.group_by("month").agg(
        deals_won=(closed.status == "won").sum(),
        deals_lost=(closed.status == "lost").sum(),
        median_days_to_close=closed.days_to_close.quantile(0.5),
    )
    done = dated_and_done(stg_activities)
    done = done.group_by(month=month(done.due_at, timezone)).agg(
        activities_completed=lambda activities: activities.count()
    )
    parts = (created, ended, closed, done)
    figures = every_month(ibis.union(*(part.select("month") for part in parts)))
    for part in parts:
        figures = figures.left_join(part, "month").drop("month_right")
    counts = [name for name, dtype in figures.schema().items() if dtype.is_integer()]
    figures = figures.mutate(**{name: figures[name].fill_null(0) for name in counts})
    so_far = ibis.window(order_by=figures.month, preceding=None, following=0)
    open_deals = (figures.deals_created - figures.deals_ended).sum().over(so_far)
    rate = figures.deals_won * 100.0 / (figures.deals_won + figures.deals_lost).nullif(0)
    return figures.mutate(open_deals=open_deals, win_rate_pct=rate).drop("deals_ended")
