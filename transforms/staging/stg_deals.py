"""Deals: from the change log, and from the deals table where the export has one."""

import ibis
from ibis import Table

from transforms import text
from transforms.checks import accepted_values, not_null, references, rule
from transforms.graph import model
from transforms.lookups import latest_row

STATUSES = ("won", "lost", "open")


@model(
    key=["deal_id"],
    schema={
        "deal_id": "int64",
        "created_at": "timestamp(6)",
        "user_id": "int64",
        "stage_id": "int64",
        "status": "string",
        "closed_at": "timestamp(6)",
        "lost_reason_id": "int64",
        "value": "float64",
        "currency": "string",
    },
    checks=[
        not_null("status"),
        accepted_values("status", STATUSES),
        not_null("created_at", severity="warn"),
        not_null("user_id", severity="warn"),
        references("user_id", "stg_users.user_id", severity="warn"),
        references("stage_id", "stg_stages.stage_id", severity="warn"),
        rule(
            "closed_after_creation",
            lambda deals: (
                (deals.closed_at >= deals.created_at)
                | deals.closed_at.isnull()
                | deals.created_at.isnull()
            ),
            severity="warn",
        ),
    ],
)
def stg_deals(
    raw_deals: Table, stg_deal_changes: Table, stg_stages: Table, stg_funnel_steps: Table
) -> Table:
    """One row per deal of the change log or of the deals table.

    Columns:
        deal_id: id in Pipedrive; a reused id is one deal here
        created_at: first add_time change, UTC
        user_id: current owner: the latest user_id change
        stage_id: current stage: the latest stage_id change
        status: won, lost or open; the deals table's own, else derived (README, definitions)
        closed_at: when it was last lost, or first won; null while open
        lost_reason_id: reason of the last loss, for lost deals
        value: amount in `currency`, from the deals table; null without one
        currency: ISO code, from the deals table
    """
    logged = _from_log(stg_deal_changes, stg_stages, stg_funnel_steps)
    given = latest_row(raw_deals, "deal_id")
    own_status = text.code(given.status)
    given = given.mutate(own_status=ibis.ifelse(own_status.isin(STATUSES), own_status, None))
    both = given.outer_join(logged, "deal_id").mutate(
        status=ibis.coalesce(given.own_status, logged.derived_status, "open")
    )
    is_lost = both.status == "lost"
    return both.select(
        deal_id=ibis.coalesce(both.deal_id, both.deal_id_right),
        created_at=ibis.coalesce(both.add_time, both.added_at),
        user_id=ibis.coalesce(both.user_id, both.last_user_id),
        stage_id=ibis.coalesce(both.stage_id, both.last_stage_id),
        status=both.status,
        closed_at=ibis.cases(
            (is_lost, ibis.coalesce(both.lost_time, both.last_lost_at)),
            (both.status == "won", ibis.coalesce(both.won_time, both.first_won_at)),
        ),
        lost_reason_id=ibis.ifelse(is_lost, both.last_lost_reason_id, None),
        value=both.value,
        currency=both.currency.strip().upper(),
    )


def _from_log(changes: Table, stages: Table, steps: Table) -> Table:
    """One row per deal of the change log, with what the log says of it."""
    key, at = changes.changed_field_key, changes.changed_at
    number = text.integer(changes.new_value)
    won_stages = stages.semi_join(steps.filter(steps.is_won), "funnel_step")
    # A stage or owner that is not a number is no change; an emptied reason is no loss.
    counts = ibis.ifelse(key == "lost_reason", changes.new_value, number.cast("string")).notnull()
    marked = changes.mutate(
        number=number,
        is_added=key == "add_time",
        is_loss=(key == "lost_reason") & counts,
        is_stage=(key == "stage_id") & counts,
        is_owner=(key == "user_id") & counts,
        # Of two changes at the same time, the one with the greater value counts as the later.
        rank_from_last=ibis.row_number().over(
            group_by=[changes.deal_id, key], order_by=[counts.desc(), at.desc(), number.desc()]
        ),
    )
    marked = marked.mutate(
        is_last=marked.rank_from_last == 0,
        is_won=marked.is_stage & marked.number.isin(won_stages.stage_id),
    )
    logged = marked.group_by("deal_id").agg(
        added_at=marked.changed_at.min(where=marked.is_added),
        last_user_id=marked.number.max(where=marked.is_owner & marked.is_last),
        last_stage_id=marked.number.max(where=marked.is_stage & marked.is_last),
        last_staged_at=marked.changed_at.max(where=marked.is_stage),
        last_lost_reason_id=marked.number.max(where=marked.is_loss & marked.is_last),
        last_lost_at=marked.changed_at.max(where=marked.is_loss),
        first_won_at=marked.changed_at.min(where=marked.is_won),
    )
    is_lost = logged.last_lost_at.notnull() & (
        (logged.last_lost_at > logged.last_staged_at) | logged.last_staged_at.isnull()
    )
    return logged.mutate(
        derived_status=ibis.cases(
            (is_lost, "lost"), (logged.first_won_at.notnull(), "won"), else_="open"
        )
    )
