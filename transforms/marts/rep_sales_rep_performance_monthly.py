"""Who does the work."""

import ibis
from ibis import Table
from ibis.expr.types import IntegerScalar

from transforms.checks import not_null, rule, total_agrees, unique
from transforms.funnel import Funnel
from transforms.graph import model
from transforms.staging.stg_activities import dated_and_done
from transforms.times import month

UNASSIGNED = "Unassigned"
UNKNOWN_USER = "Unknown user #"  # and the id


def with_call_number(activities: Table, funnel: Funnel) -> Table:
    """The activities, each with the number of its call in the funnel: 1, 2, …; 0 if it is none."""
    numbers = {
        code: number
        for number, step in enumerate(funnel.of_kind("activity"), 1)
        for code in step.codes
    }
    number = (
        activities.activity_type.cases(*numbers.items(), else_=0) if numbers else ibis.literal(0)
    )
    return activities.mutate(call_number=number)


def work(done: Table) -> dict[str, IntegerScalar]:
    """What was done: counts of activities with their `call_number`, by kind, and of their deals."""
    return {
        "deals_worked": done.deal_id.nunique(),
        "activities_completed": done.count(),
        "sales_call_1_completed": (done.call_number == 1).sum(),
        "sales_call_2_completed": (done.call_number == 2).sum(),
        "other_activities": done.call_number.notin((1, 2)).sum(),
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
            lambda stg_activities: dated_and_done(stg_activities).count(),
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
        deals_worked: distinct deals with such an activity of the user
        activities_completed: done activities with a due date in the month
        sales_call_1_completed: those of the types of the funnel's first activity step
        sales_call_2_completed: those of the types of its second activity step
        other_activities: all others
    """
    done = with_call_number(dated_and_done(stg_activities), funnel)
    done = done.mutate(month=month(done.due_at, timezone))
    return named(done.group_by("month", "user_id").agg(**work(done)), stg_users)
