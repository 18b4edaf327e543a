"""Activities."""

from ibis import Table

from transforms import text
from transforms.checks import has_happened, not_null, references, unique
from transforms.graph import model


@model(
    schema={
        "activity_id": "int64",
        "activity_type": "string",
        "user_id": "int64",
        "deal_id": "int64",
        "is_done": "boolean",
        "due_at": "timestamp(6)",
    },
    checks=[
        not_null("activity_id"),
        unique("activity_id", severity="warn"),
        not_null("activity_type", severity="warn"),
        references("activity_type", "stg_activity_types.activity_type", severity="warn"),
        not_null("user_id", severity="warn"),
        references("user_id", "stg_users.user_id", severity="warn"),
        not_null("deal_id", severity="warn"),
        references("deal_id", "stg_deals.deal_id", severity="warn"),
        not_null("due_at", severity="warn"),
        has_happened("due_at", of=lambda activities: activities.is_done),
    ],
    refresh_by="activity_id",
)
def stg_activities(raw_activity: Table) -> Table:
    """One row per activity row of the export; different activities can share an id, and all stay.

    Columns:
        activity_id: id in Pipedrive; not always unique (a check counts the shared ones)
        activity_type: normalised code ("SC-2" = "sc_2")
        user_id: the user it is assigned to
        deal_id: the deal it belongs to, if it says so; the deal need not be known
        is_done: whether it was done; not said counts as not done
        due_at: when it was due, UTC; for done ones the best known time of doing
    """
    return raw_activity.select(
        activity_id=raw_activity.activity_id,
        activity_type=text.code(raw_activity.type),
        user_id=raw_activity.assigned_to_user,
        deal_id=raw_activity.deal_id,
        is_done=raw_activity.done.fill_null(False),
        due_at=raw_activity.due_to,
    )


def dated_and_done(stg_activities: Table) -> Table:
    """The activities that are done, and say when."""
    return stg_activities.filter(stg_activities.is_done, stg_activities.due_at.notnull())
