"""Who owned a deal, and when."""

from ibis import Table

from transforms.checks import not_null, rule
from transforms.graph import model
from transforms.timeline import changes_to_ids


@model(
    schema={
        "deal_id": "int64",
        "user_id": "int64",
        "owned_from": "timestamp(6)",
        "owned_until": "timestamp(6)",
    },
    checks=[
        not_null("deal_id"),
        not_null("user_id"),
        not_null("owned_from"),
        rule(
            "one_change_at_a_time",
            lambda changes: (
                changes.owned_until.isnull() | (changes.owned_from < changes.owned_until)
            ),
            severity="warn",
        ),
    ],
    refresh_by="deal_id",
)
def stg_deal_owner_changes(stg_deal_changes: Table) -> Table:
    """One row per change of the owner of a deal.

    Of two changes at the same time, the one to the greater user_id counts as the later; the other
    lasts no time. A change to nobody ends the time of the owner, and is not here itself; of several
    at the same time it is the last.

    Columns:
        deal_id: the deal
        user_id: the new owner
        owned_from: when the deal came to them, UTC
        owned_until: when it went to the next owner or to nobody, UTC; null for the current one
    """
    changes = changes_to_ids(stg_deal_changes, "user_id", or_none=True)
    spans = changes.select(
        "deal_id",
        "user_id",
        owned_from="at",
        owned_until=changes["at"]
        .lead()
        .over(group_by=changes.deal_id, order_by=[changes["at"], changes.user_id]),
    )
    return spans.filter(spans.user_id.notnull())
