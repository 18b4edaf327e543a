"""What was known of the funnel when."""

from datetime import datetime

import ibis
from ibis import Table, _

from transforms.checks import rule
from transforms.graph import model

ENTRY = ("deal_id", "funnel_step", "entered_at")


@model(
    key=[*ENTRY, "known_from"],
    schema={
        "deal_id": "int64",
        "funnel_step": "string",
        "entered_at": "timestamp(6)",
        "known_from": "timestamp(6)",
        "known_to": "timestamp(6)",
    },
    checks=[
        rule(
            "is_known_before_it_is_not",
            lambda e: e.known_to.isnull() | (e.known_from <= e.known_to),
        ),
    ],
    refresh_by="deal_id",
)
def deal_funnel_entries(before: Table, int_deal_funnel_entries: Table, *, now: datetime) -> Table:
    """One row per entry of a deal into a step of the funnel and span of time in which it was known.

    What the funnel of an earlier run counted is here, whatever was corrected since.

    Columns:
        deal_id: the deal
        funnel_step: the step it entered
        entered_at: when, UTC
        known_from: start of the run that was first told of it, UTC
        known_to: start of the run that was told otherwise, UTC; null while it is known
    """
    now_known = int_deal_funnel_entries.select(*ENTRY, known_from=ibis.null("timestamp(6)"))
    open_spans = before.filter(before.known_to.isnull())
    both = now_known.mutate(is_told=True).union(
        open_spans.select(*ENTRY, "known_from").mutate(is_told=False)
    )
    this_run = ibis.literal(now, "timestamp(6)")
    spans = (
        both.group_by(*ENTRY)
        .agg(known_before=_.known_from.max(), is_told=_.is_told.any())
        .mutate(known_from=_.known_before.fill_null(this_run))
        .mutate(
            known_to=ibis.ifelse(
                _.is_told, ibis.null("timestamp(6)"), ibis.greatest(this_run, _.known_from)
            )
        )
        .select(before.columns)
    )
    return before.filter(before.known_to.notnull()).union(spans)
