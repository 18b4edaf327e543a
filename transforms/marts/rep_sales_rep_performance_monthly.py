"""Who does the work."""

from ibis import Table

from transforms.checks import not_null, rule, total_agrees, unique
from transforms.funnel import Funnel
from transforms.graph import model
from transforms.reps import named, with_call_number, work
from transforms.staging.stg_activities import dated_and_done
from transforms.times import month


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
