"""Deals and time: what was true of a deal at a moment, and how far the data goes."""

from datetime import datetime

import ibis
from ibis import Table
from ibis.expr.types import TimestampScalar

from transforms import text
from transforms.times import days_after

# Before and after every event: ingestion takes none before 1970, or from 2200 on.
EVER, FOREVER = datetime(1, 1, 1), datetime(9999, 12, 31)


def changes_to_ids(stg_deal_changes: Table, field_key: str, *, or_none: bool = False) -> Table:
    """The changes of a field that holds ids: deal_id, at, and the id under the name of the field.

    A change to something that is no id is left out; a check of stg_deal_changes counts those.
    `or_none`: a change to nothing stays, with a null.
    """
    changes = stg_deal_changes.filter(stg_deal_changes.changed_field_key == field_key)
    typed = changes.select(
        "deal_id", "new_value", text.integer(changes.new_value).name(field_key), at="changed_at"
    )
    is_kept = typed[field_key].notnull()
    if or_none:
        is_kept |= typed.new_value.isnull()
    return typed.filter(is_kept).drop("new_value")


def logged_losses(stg_deal_changes: Table) -> Table:
    """The changes that set a reason for a loss: deal_id, at, lost_reason_id (null if no number)."""
    changes = stg_deal_changes.filter(
        stg_deal_changes.changed_field_key == "lost_reason", stg_deal_changes.new_value.notnull()
    )
    return changes.select(
        "deal_id", at="changed_at", lost_reason_id=text.integer(changes.new_value)
    )


def reopenings(last_losses: Table, stg_deal_stage_changes: Table) -> Table:
    """One row per deal that entered a stage after its last loss: deal_id, reopened_at (the first).

    As everywhere, an entry at the very time of a loss comes after it.

    Args:
        last_losses: at most one row per deal: deal_id, last_lost_at, and others.
        stg_deal_stage_changes: the stages.
    """
    entries = stg_deal_stage_changes.select("deal_id", "entered_at")
    after = entries.inner_join(
        last_losses,
        [
            entries.deal_id == last_losses.deal_id,
            entries.entered_at >= last_losses.last_lost_at,
        ],
    )
    return after.group_by("deal_id").agg(reopened_at=after.entered_at.min())


def at_the_time(events: Table, spans: Table) -> Table:
    """The events, each with the span of its deal in which it happens; nulls if it is in none.

    Args:
        events: columns `deal_id`, `at` and others.
        spans: columns `deal_id`, `since`, `until` (null: for ever) and others. Spans of a deal do
            not overlap: one ends where the next begins, and that moment belongs to the next.
    """
    until = spans.until.fill_null(ibis.literal(FOREVER, "timestamp(6)"))
    spans = spans.mutate(until=until)
    return events.left_join(
        spans,
        [
            events.deal_id == spans.deal_id,
            events["at"] >= spans.since,
            events["at"] < spans.until,
        ],
    ).drop("deal_id_right", "since", "until")


def newest_event(
    stg_deal_changes: Table,
    stg_activities: Table,
    stg_deals: Table,
    *,
    until: datetime = FOREVER,
) -> TimestampScalar:
    """When the data ends: the latest change, done activity, creation or closing; null without.

    Of those that are not later than `until`.
    """
    done = stg_activities.filter(stg_activities.is_done)
    moments = (stg_deal_changes.changed_at, done.due_at, stg_deals.created_at, stg_deals.closed_at)
    last = ibis.literal(until, "timestamp(6)")
    newest = (moment.max(where=moment <= last) for moment in moments)
    return ibis.greatest(*(moment.as_scalar() for moment in newest))


def stalls(obt_deals: Table, int_deal_stage_transitions: Table, rep_stage_dwell: Table) -> Table:
    """One row per stay that lasts longer than nine in ten in its step: from when, and until when.

    Columns:
        since: when it became longer than that
        until: when the deal moved on, or was closed; null if it still stays
    """
    usual = rep_stage_dwell.select("funnel_step", "p90_days")
    stays = int_deal_stage_transitions.inner_join(usual, "funnel_step")
    stays = stays.filter(stays.days_in_stage > stays.p90_days)
    # When a deal was closed can be unknown: then it is not known how long it was stalled.
    deals = obt_deals.filter((obt_deals.status == "open") | obt_deals.closed_at.notnull())
    stays = stays.inner_join(deals.select("deal_id", "closed_at"), "deal_id")
    found = stays.select(
        since=days_after(stays.entered_at, stays.p90_days),
        until=ibis.least(stays.left_at, stays.closed_at),
    )
    return found.filter(found.until.isnull() | (found.until > found.since))
