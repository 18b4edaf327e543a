"""What a manager asks for every month."""

import ibis
from ibis import Table

from transforms.checks import not_negative, total_agrees
from transforms.funnel import Funnel
from transforms.graph import model
from transforms.lookups import joined_by
from transforms.rates import percent
from transforms.reps import with_call_number
from transforms.staging.stg_activities import dated_and_done
from transforms.timeline import stalls
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
        "stalled_deals": "int64",
        "activities_completed": "int64",
        "calls_completed": "int64",
    },
    checks=[
        not_negative("open_deals"),
        not_negative("stalled_deals"),
        total_agrees(
            "deals_created",
            lambda months: months.deals_created.sum(),
            lambda obt_deals: obt_deals.created_at.count(),
        ),
        total_agrees(
            "activities_completed",
            lambda months: months.activities_completed.sum(),
            lambda stg_activities: dated_and_done(stg_activities).count(),
        ),
    ],
)
def rep_monthly_figures(
    obt_deals: Table,
    stg_activities: Table,
    int_deal_stage_transitions: Table,
    rep_stage_dwell: Table,
    *,
    funnel: Funnel,
    timezone: str,
) -> Table:
    """One row per month: deals created, won, lost, open and stalled, days to close, activities.

    From the first to the last month in which anything of this happened, a deal became stalled, or
    was so no more.

    Columns:
        month: first day of the calendar month (FUNNEL_TIMEZONE)
        deals_created: deals created in it
        deals_won: deals that are won, and were closed in it
        deals_lost: deals that are lost, and were closed in it
        win_rate_pct: won deals in percent of those closed in it; null without any
        median_days_to_close: median days from creation to closing, of the deals closed in it
        open_deals: deals created by its end, and not closed by then for all that is known now (one
            that was lost then, and came back, counts); those closed at an unknown time are not
            among them
        stalled_deals: deals that at its end (at as_of, if that is earlier) were not closed, and had
            been in their step for longer than its p90_days (rep_stage_dwell)
        activities_completed: done activities that were due in it
        calls_completed: those of the types of the funnel's activity steps
    """
    created = obt_deals.filter(obt_deals.created_at.notnull())
    created = created.group_by(month=month(created.created_at, timezone)).agg(
        deals_created=lambda deals: deals.count()
    )
    # A deal that is closed before it is created, or at an unknown time, is in no month open.
    ended = ibis.greatest(obt_deals.closed_at, obt_deals.created_at)
    ended = obt_deals.filter(obt_deals.status != "open", obt_deals.created_at.notnull()).select(
        month=month(ended, timezone)
    )
    ended = ended.group_by("month").agg(deals_ended=ended.count())
    closed = obt_deals.filter(obt_deals.closed_at.notnull())
    closed = closed.mutate(month=month(closed.closed_at, timezone))
    closed = closed.group_by("month").agg(
        deals_won=(closed.status == "won").sum(),
        deals_lost=(closed.status == "lost").sum(),
        median_days_to_close=closed.days_to_close.quantile(0.5),
    )
    stalled = stalls(obt_deals, int_deal_stage_transitions, rep_stage_dwell)
    began = stalled.group_by(month=month(stalled.since, timezone)).agg(
        stalls_began=lambda stays: stays.count()
    )
    over = stalled.filter(stalled.until.notnull())
    over = over.group_by(month=month(over.until, timezone)).agg(
        stalls_ended=lambda stays: stays.count()
    )
    done = dated_and_done(stg_activities)
    done = with_call_number(done, funnel).mutate(month=month(done.due_at, timezone))
    done = done.group_by("month").agg(
        activities_completed=done.count(), calls_completed=(done.call_number > 0).sum()
    )
    parts = (created, ended, closed, began, over, done)
    figures = every_month(ibis.union(*(part.select("month") for part in parts)))
    figures = joined_by("month", figures, *parts)
    counts = [name for name, dtype in figures.schema().items() if dtype.is_integer()]
    figures = figures.mutate(**{name: figures[name].fill_null(0) for name in counts})
    so_far = ibis.window(order_by=figures.month, preceding=None, following=0)
    rate = percent(figures.deals_won, figures.deals_won + figures.deals_lost)
    return figures.mutate(
        win_rate_pct=rate,
        open_deals=(figures.deals_created - figures.deals_ended).sum().over(so_far),
        stalled_deals=(figures.stalls_began - figures.stalls_ended).sum().over(so_far),
    ).drop("deals_ended", "stalls_began", "stalls_ended")
