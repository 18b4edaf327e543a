"""Losses."""

import ibis
from ibis import Table
from ibis.expr.types import TimestampColumn

from transforms.checks import not_null, references, rule, unique
from transforms.graph import model
from transforms.lookups import joined_by
from transforms.timeline import at_the_time, logged_losses, reopenings

UNKNOWN_REASON = "Unknown reason"


@model(
    schema={
        "deal_id": "int64",
        "lost_at": "timestamp(6)",
        "lost_reason_id": "int64",
        "lost_reason_label": "string",
        "stage_id": "int64",
    },
    checks=[
        not_null("deal_id"),
        not_null("lost_at"),
        not_null("lost_reason_label"),
        references("deal_id", "stg_deals.deal_id"),
        unique("deal_id", "lost_at", severity="warn"),
        not_null("lost_reason_id", severity="warn"),
        rule(
            "reason_is_an_option",
            lambda losses: (
                losses.lost_reason_id.isnull() | (losses.lost_reason_label != UNKNOWN_REASON)
            ),
            severity="warn",
        ),
        not_null("stage_id", severity="warn"),
    ],
    refresh_by="deal_id",
    by_month="lost_at",
)
def int_deal_losses(
    stg_deal_changes: Table,
    stg_deals: Table,
    stg_deal_stage_changes: Table,
    stg_field_options: Table,
) -> Table:
    """One row per loss of a deal; a deal that was reopened can be lost again.

    A loss is a change that sets lost_reason. Where the log has none, or the deal entered a stage
    after its last one, and before the deals table says that it was lost, that counts, too.

    Columns:
        deal_id: the deal
        lost_at: when, UTC
        lost_reason_id: option of the field lost_reason; null if the log holds no number
        lost_reason_label: label of that option, or "Unknown reason"
        stage_id: the stage it was in: the latest one entered before the loss; at the very time of
            it, if that was the first
    """
    from_log = logged_losses(stg_deal_changes)
    last = from_log.group_by("deal_id").agg(last_lost_at=from_log["at"].max())
    lost = stg_deals.filter(stg_deals.status == "lost", stg_deals.closed_at.notnull())
    lost = joined_by("deal_id", lost, last)
    later = lost.filter(lost.closed_at > lost.last_lost_at)  # hardly any
    lost = joined_by("deal_id", lost, reopenings(later, stg_deal_stage_changes))
    is_another = lost.last_lost_at.isnull() | (lost.reopened_at <= lost.closed_at)
    from_deals = lost.filter(is_another).select(
        "deal_id", at="closed_at", lost_reason_id=ibis.null("int64")
    )
    losses = at_the_time(from_log.union(from_deals), _spans_of_stages(stg_deal_stage_changes))
    return losses.left_join(reason_labels(stg_field_options), "lost_reason_id").select(
        "deal_id",
        "lost_reason_id",
        "stage_id",
        lost_at="at",
        lost_reason_label=lambda joined: joined.lost_reason_label.fill_null(UNKNOWN_REASON),
    )


def _spans_of_stages(stages: Table) -> Table:
    """From when until when a loss is one in the stage: an entry at its very time comes after it.

    But for the first, they so begin and end a microsecond later; times are known no finer.
    """
    return stages.select(
        "deal_id",
        "stage_id",
        since=(stages.transition_number == 1).ifelse(
            stages.entered_at, _right_after(stages.entered_at)
        ),
        until=_right_after(stages.next_entered_at),
    )


def _right_after(at: TimestampColumn) -> TimestampColumn:
    return at + ibis.interval(microseconds=1)


def reason_labels(options: Table) -> Table:
    """One row per loss reason: lost_reason_id, lost_reason_label."""
    return options.filter(options.field_key == "lost_reason").select(
        lost_reason_id="option_id", lost_reason_label="option_label"
    )
