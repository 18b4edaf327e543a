"""The work of reps: which calls they did, how it is counted, and what they are called."""

import ibis
from ibis import Table
from ibis.expr.types import IntegerScalar

from transforms.funnel import Funnel

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
