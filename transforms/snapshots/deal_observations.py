"""What the deals table said, when it was something new."""

from collections.abc import Collection
from datetime import datetime

import ibis
from ibis import Table

from transforms.checks import Check, Settings, Tables, accepted_values
from transforms.graph import model
from transforms.lookups import first_row, joined_by
from transforms.masking.pseudonyms import is_currency, without
from transforms.sources import STATUSES
from transforms.staging.stg_deals import deals_table

SAID = ("status", "user_id", "owner_is_forgotten", "stage_id", "value", "currency")


def _last_without_a_status(observations: Table, tables: Tables, _: Settings) -> Table:
    """The deals that are still there, and of which the table said something else last."""
    seen = observations.semi_join(tables["stg_deals"], "deal_id")
    last = seen.group_by("deal_id").agg(
        seen_at=seen.observed_at.max(),
        status_seen_at=seen.observed_at.max(where=seen.status.notnull()),
    )
    return last.filter(last.status_seen_at.isnull() | (last.status_seen_at < last.seen_at))


@model(
    key=["deal_id", "observed_at"],
    schema={
        "deal_id": "int64",
        "observed_at": "timestamp(6)",
        "status": "string",
        "user_id": "int64",
        "owner_is_forgotten": "boolean",
        "stage_id": "int64",
        "value": "float64",
        "currency": "string",
    },
    checks=[
        accepted_values("status", STATUSES),
        Check("last_status_is_known", "warn", _last_without_a_status, needs=("stg_deals",)),
    ],
    refresh_by="deal_id",
)
def deal_observations(
    before: Table,
    raw_deals: Table,
    stg_deal_changes: Table,
    *,
    as_of: datetime,
    now: datetime,
    forgotten: Collection[int],
) -> Table:
    """One row per deal and time at which the deals table of an export said something new of it.

    It is new if the table says something else than before, or says it after the log changed.

    Columns:
        deal_id: the deal
        observed_at: `as_of` of the run that read it, or its start if that was earlier, UTC; not
            before what the log, or an earlier run, knows of the deal
        status: won, lost or open; null where the table said none of these
        user_id: owner; null where the table said none, or one who is forgotten
        owner_is_forgotten: the owner is somebody of whom nothing is kept
        stage_id: stage; null where the table said none
        value: amount in `currency`
        currency: ISO code; null where the table said something else
    """
    # A single date in the future must not outdate what is observed until then.
    at, start = (ibis.literal(time, "timestamp(6)") for time in (min(as_of, now), now))
    seen = without(forgotten, before)
    seen = seen.filter(seen.observed_at <= start)
    last = first_row(seen, ["deal_id"], [seen.observed_at.desc()])
    changes = stg_deal_changes
    logged = changes.group_by("deal_id").agg(
        last_logged_at=changes.changed_at.max(where=changes.changed_at <= start)
    )
    given = deals_table(raw_deals)
    said = given.mutate(
        observed_at=at,
        owner_is_forgotten=given.user_id_is_forgotten.fill_null(False),
        currency=ibis.ifelse(is_currency(given.currency), given.currency, None),
    ).select(before.columns)
    both = joined_by("deal_id", said.left_join(last, "deal_id", rname="last_{name}"), logged)
    is_new = both.last_observed_at.isnull() | (both.last_logged_at > both.last_observed_at)
    for column in SAID:
        is_new |= ~both[column].identical_to(both[f"last_{column}"])
    known = (both[name].coalesce(at) for name in ("last_logged_at", "last_observed_at"))
    new = both.filter(is_new.fill_null(False)).mutate(observed_at=ibis.greatest(at, *known))
    new = new.select(before.columns)
    return seen.anti_join(new, ["deal_id", "observed_at"]).union(new)
