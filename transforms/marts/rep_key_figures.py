"""The figures at the head of the report."""

import ibis
from ibis import Table

from transforms.checks import rule
from transforms.funnel import Funnel
from transforms.graph import model
from transforms.rates import percent
from transforms.timeline import stalls


@model(
    schema={
        "deals": "int64",
        "deals_won": "int64",
        "deals_lost": "int64",
        "deals_lost_once_won": "int64",
        "deals_open": "int64",
        "deals_stalled": "int64",
        "win_rate_pct": "float64",
        "median_days_to_close": "float64",
        "activities_completed": "int64",
        "active_reps": "int64",
        "active_unknown_reps": "int64",
        "first_month": "date",
        "last_month": "date",
    },
    checks=[
        rule(
            "statuses_add_up",
            lambda figures: (
                figures.deals == figures.deals_won + figures.deals_lost + figures.deals_open
            ),
        ),
    ],
)
def rep_key_figures(
    obt_deals: Table,
    stg_activities: Table,
    stg_users: Table,
    int_deal_stage_transitions: Table,
    rep_stage_dwell: Table,
    rep_sales_funnel_monthly: Table,
    *,
    funnel: Funnel,
) -> Table:
    """One row in all: deals, stalled deals, win rate, days to close, activities.

    Columns:
        deals: deals known to the change log or the deals table
        deals_won: those with status won
        deals_lost: those with status lost
        deals_lost_once_won: those of the lost ones that ever entered a step that counts as won
        deals_open: those with status open
        deals_stalled: open deals whose present stay in a step is longer than its p90_days
        win_rate_pct: won deals in percent of the won and lost ones; null without any
        median_days_to_close: median days from creation to closing, of won and lost deals
        activities_completed: done activities, with a due date or without
        active_reps: users with such an activity
        active_unknown_reps: those of them of whom the users table knows nothing
        first_month: first month with an entry into the funnel
        last_month: last one
    """
    won, lost = (obt_deals.status == status for status in ("won", "lost"))
    entered_won = [obt_deals[step.column].notnull() for step in funnel.steps if step.won]
    deals = obt_deals.agg(
        deals=obt_deals.count(),
        deals_won=won.sum().coalesce(0),
        deals_lost=lost.sum().coalesce(0),
        deals_lost_once_won=(lost & ibis.or_(*entered_won)).sum().coalesce(0),
        deals_open=(obt_deals.status == "open").sum().coalesce(0),
        median_days_to_close=obt_deals.days_to_close.quantile(0.5),
    )
    done = stg_activities.filter(stg_activities.is_done)
    work = done.agg(activities_completed=done.count(), active_reps=done.user_id.nunique())
    unknown = done.anti_join(stg_users, "user_id")
    unknown = unknown.agg(active_unknown_reps=unknown.user_id.nunique())
    months = rep_sales_funnel_monthly.agg(
        first_month=rep_sales_funnel_monthly.month.min(),
        last_month=rep_sales_funnel_monthly.month.max(),
    )
    present = int_deal_stage_transitions.filter(int_deal_stage_transitions.left_at.isnull())
    found = stalls(obt_deals.filter(obt_deals.status == "open"), present, rep_stage_dwell)
    stalled = found.agg(deals_stalled=found.count())
    return (
        deals.mutate(win_rate_pct=percent(deals.deals_won, deals.deals_won + deals.deals_lost))
        .cross_join(stalled)
        .cross_join(work)
        .cross_join(unknown)
        .cross_join(months)
    )
