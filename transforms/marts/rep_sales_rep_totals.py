"""Who does the work, over all months."""

from ibis import Table

from transforms.checks import not_null, rule, total_agrees, unique
from transforms.funnel import Funnel
from transforms.graph import model
from transforms.rates import per
from transforms.reps import named, with_call_number, work
from transforms.staging.stg_activities import dated_and_done


@model(
    schema={
        "user_id": "int64",
        "sales_rep_name": "string",
        "deals_worked": "int64",
        "activities_completed": "int64",
        "sales_call_1_completed": "int64",
        "sales_call_2_completed": "int64",
        "other_activities": "int64",
        "activities_per_deal": "float64",
    },
    checks=[
        unique("user_id"),
        not_null("sales_rep_name"),
        rule("some_work", lambda reps: reps.activities_completed > 0),
        total_agrees(
            "activities_completed",
            lambda reps: reps.activities_completed.sum(),
            lambda stg_activities: dated_and_done(stg_activities).count(),
        ),
    ],
)
def rep_sales_rep_totals(stg_activities: Table, stg_users: Table, *, funnel: Funnel) -> Table:
    """One row per user with a done activity: deals worked, activities by kind and per deal.

    Columns:
        user_id: the user the activities are assigned to; null for those of nobody
        sales_rep_name: the user's pseudonym; two users never share one
        deals_worked: distinct deals with such an activity of the user, in whatever month
        activities_completed: done activities with a due date
        sales_call_1_completed: those of the types of the funnel's first activity step
        sales_call_2_completed: those of the types of its second activity step
        other_activities: all others
        activities_per_deal: activities_completed over deals_worked; null without a deal
    """
    done = with_call_number(dated_and_done(stg_activities), funnel)
    reps = named(done.group_by("user_id").agg(**work(done)), stg_users)
    per_deal = per(reps.activities_completed, reps.deals_worked)
    return reps.mutate(activities_per_deal=per_deal)
