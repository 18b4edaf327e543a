"""Who does the work."""

import ibis
from ibis import Table
from ibis.expr.types import BooleanValue, IntegerScalar

from transforms.checks import not_null, rule, total_agrees, unique
from transforms.funnel import Funnel
from transforms.graph import model
from transforms.times import month

UNASSIGNED = "Unassigned"
UNKNOWN_USER = "Unknown user #"  # and the id


def dated_and_done(stg_activities: Table) -> Table:
    """The activities that are done, and say when."""
    return stg_activities.filter(stg_activities.is_done, stg_activities.due_at.notnull())


def is_call(done: Table, funnel: Funnel) -> list[BooleanValue]:
    """For each activity step of the funnel whether an activity is of its types; two or more."""
    # A funnel can have fewer steps of activities than two; no activity has an empty type.
    calls = [step.codes for step in funnel.of_kind("activity")] + [("",), ("",)]
    return [done.activity_type.isin(codes).fill_null(False) for codes in calls]


def work(done: Table, funnel: Funnel) -> dict[str, IntegerScalar]:
    """What was done: counts of the activities, by kind, and of their deals."""
    is_call_1, is_call_2, *_ = is_call(done, funnel)
    return {
        "deals_worked": done.deal_id.nunique(),
        "activities_completed": done.count(),
        "sales_call_1_completed": is_call_1.sum(),
        "sales_call_2_completed": is_call_2.sum(),
        "other_activities": (~(is_call_1 | is_call_2)).sum(),
    }


def named(counted: Table, stg_users: Table) -> Table:
    """The rows, each with the name of its user."""
    users = stg_users.select("sales_rep_name", known_id="user_id")
    joined = counted.left_join(users, counted.user_id == users.known_id)
    unnamed = ibis.ifelse(
        joined.user_id.isnull(), UNASSIGNED, UNKNOWN_USER + joined.user_id.cast("string")
    )
    return joined.mutate(sales_rep_name=joined.sales_rep_name.coalesce(unnamed)).drop("known_id")


@model(
    schema={
        "month": "date",
        "user_id": "int64",
        "sales_rep_name": "string",
        "deals_worked": "int64",
        "activities_completed": "int64",
        "sales_call_1_completed": "int64",
        "sales_call_2_completed": "int64",
        "other_activities": "int64",
    },
    checks=[
        unique("month", "user_id"),
        not_null("month"),
        not_null("user_id", severity="warn"),
        not_null("sales_rep_name"),
        rule(
            "activities_add_up",
            lambda reps: (
                reps.activities_completed
                == reps.sales_call_1_completed + reps.sales_call_2_completed + reps.other_activities
            ),
        ),
        total_agrees(
            "activities_completed",
            lambda reps: reps.activities_completed.sum(),
            lambda tables, _: dated_and_done(tables["stg_activities"]).count(),
            needs=["stg_activities"],
        ),
    ],
)
def rep_sales_rep_performance_monthly(
    stg_activities: Table, stg_users: Table, *, funnel: Funnel, timezone: str
) -> Table:
    """One row per month and user with a done activity in it: deals worked, activities, by kind.

    Columns:
        month: first day of the calendar month of due_at (FUNNEL_TIMEZONE)
        user_id: the user the activities are assigned to; null for those of nobody
        sales_rep_name: the user's pseudonym; two users never share one
        deals_worked: distinct deals with a done activity of the user
        activities_completed: done activities
        sales_call_1_completed: those of the types of the funnel's first activity step
        sales_call_2_completed: those of the types of its second activity step
        other_activities: all others
    """
    done = dated_and_done(stg_activities)
    done = done.mutate(month=month(done.due_at, timezone))
    return named(done.group_by("month", "user_id").agg(**work(done, funnel)), stg_users)
