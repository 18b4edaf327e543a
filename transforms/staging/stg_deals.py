"""Deals: from the change log, and from the deals table where the export has one."""

import ibis
from ibis import Table

from transforms import text
from transforms.checks import accepted_values, has_happened, not_null, references, rule
from transforms.graph import model
from transforms.lookups import first_row, joined_by, latest_row
from transforms.sources import STATUSES
from transforms.timeline import logged_losses, reopenings


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
        has_happened("created_at"),
        has_happened("closed_at"),
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
        rule(
            "closing_time_is_known",
            lambda deals: (deals.status == "open") | deals.closed_at.notnull(),
            severity="warn",
        ),
        rule(
            "currency_has_three_letters",
            lambda deals: deals.currency.re_search("^[A-Z]{3}$") | deals.currency.isnull(),
            severity="warn",
        ),
    ],
    refresh_by="deal_id",
)
def stg_deals(
    raw_deals: Table,
    stg_deal_changes: Table,
    stg_deal_owner_changes: Table,
    stg_deal_stage_changes: Table,
    stg_stages: Table,
    stg_funnel_steps: Table,
) -> Table:
    """One row per deal of the change log or of the deals table.

    Columns:
        deal_id: id in Pipedrive; a reused id is one deal here
        created_at: `add_time` of the deals table, else the first such change, UTC
        user_id: current owner: that of the deals table, else of the latest user_id change; null for
            nobody, or one who is forgotten
        stage_id: current stage: that of the deals table, else of the latest stage_id change
        status: won, lost or open; the deals table's own, else lost if the last loss is later than
            the last stage entry, else won if it ever entered a step marked `won` in funnel.toml,
            else open
        closed_at: if lost, `lost_time` of the deals table, else the last loss; if won, `won_time`,
            else the first entry into a won step, UTC; null while open, or where it is not known
        lost_reason_id: reason of the last loss, for lost deals; null if the log does not have it
        value: amount in `currency`, from the deals table; null without one
        currency: ISO code, from the deals table; what has not three letters is masked ("~…")
    """
    added = stg_deal_changes.group_by("deal_id").agg(
        added_at=stg_deal_changes.changed_at.min(
            where=stg_deal_changes.changed_field_key == "add_time"
        )
    )
    owners, stages = stg_deal_owner_changes, stg_deal_stage_changes
    entered_won = stages.semi_join(won_stages(stg_stages, stg_funnel_steps), "stage_id")
    given, last_losses = deals_table(raw_deals), _last_losses(stg_deal_changes)
    both = given.inner_join(last_losses, "deal_id")
    later = both.filter(both.lost_time > both.last_lost_at)  # hardly any
    logged = joined_by(
        "deal_id",
        added,
        last_losses,
        reopenings(later, stages),
        entered_won.group_by("deal_id").agg(first_won_at=entered_won.entered_at.min()),
        owners.filter(owners.owned_until.isnull()).select("deal_id", last_user_id="user_id"),
        stages.filter(stages.next_entered_at.isnull()).select(
            "deal_id", last_stage_id="stage_id", last_staged_at="entered_at"
        ),
    )
    is_lost = logged.last_lost_at.notnull() & (
        (logged.last_lost_at > logged.last_staged_at) | logged.last_staged_at.isnull()
    )
    logged = logged.mutate(
        derived_status=ibis.cases(
            (is_lost, "lost"), (logged.first_won_at.notnull(), "won"), else_="open"
        )
    )
    both = given.outer_join(logged, "deal_id").mutate(
        status=ibis.coalesce(given.status, logged.derived_status, "open")
    )
    is_lost = both.status == "lost"
    closed_at = ibis.cases(
        (is_lost, ibis.coalesce(both.lost_time, both.last_lost_at)),
        (both.status == "won", ibis.coalesce(both.won_time, both.first_won_at)),
    )
    was_lost_again = (both.reopened_at <= closed_at).fill_null(False)
    return both.select(
        deal_id=ibis.coalesce(both.deal_id, both.deal_id_right),
        created_at=ibis.coalesce(both.add_time, both.added_at),
        # In place of an owner who is forgotten there is not the one before.
        user_id=ibis.ifelse(
            both.user_id_is_forgotten.fill_null(False),
            None,
            ibis.coalesce(both.user_id, both.last_user_id),
        ),
        stage_id=ibis.coalesce(both.stage_id, both.last_stage_id),
        status=both.status,
        closed_at=closed_at,
        lost_reason_id=ibis.ifelse(is_lost & ~was_lost_again, both.last_lost_reason_id, None),
        value=both.value,
        currency=both.currency,
    )


def won_stages(stg_stages: Table, stg_funnel_steps: Table) -> Table:
    """The stages in which a deal is won."""
    return stg_stages.semi_join(stg_funnel_steps.filter("is_won"), "funnel_step")


def deals_table(raw_deals: Table) -> Table:
    """One row per deal of the deals table, the last one read, with its codes normalised."""
    given = latest_row(raw_deals, "deal_id")
    status = text.code(given.status)
    return given.mutate(
        status=ibis.ifelse(status.isin(STATUSES), status, None),
        currency=given.currency.upper(),
    )


def _last_losses(changes: Table) -> Table:
    """One row per deal that was lost: deal_id, last_lost_at, last_lost_reason_id."""
    losses = logged_losses(changes)
    order = [losses["at"].desc(), losses.lost_reason_id.desc()]
    return first_row(losses, ["deal_id"], order).select(
        "deal_id", last_lost_at="at", last_lost_reason_id="lost_reason_id"
    )
