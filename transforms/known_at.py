"""The funnel as it was known at an earlier time, and why other deals count now."""

from datetime import datetime

import ibis
from ibis import Table, _

from transforms.lookups import joined_by
from transforms.marts.rep_sales_funnel_monthly import entries_by_month
from transforms.times import every_month

COUNTED = ("month", "funnel_step", "deal_id")
# Why a deal counts in a month and step now and did not then, or the other way round.
REASONS = {
    "happened_since": "entered the step after the data of then ended",
    "other_funnel": "the step matches stages or activity types at one time that it does not match"
    " at the other, which can be why",
    "other_month": "entered the step in another month, by what is known at the other time",
    "other_step": "entered another step in that month, by what is known at the other time",
    "deal_was_unknown": "no step that the deal entered was known then",
    "told_later": "others that it entered were known then, but not this one",
    "deal_is_gone": "no step that the deal entered is known now",
    "taken_back": "others that it entered are known now, but not this one",
}


def known_at(deal_funnel_entries: Table, moment: datetime | None = None) -> Table:
    """The entries into the steps of the funnel that were known at a moment, or are now.

    Args:
        deal_funnel_entries: `snapshots.deal_funnel_entries`.
        moment: start of a run, UTC: what that was told is known from then on.
    """
    spans = deal_funnel_entries
    if moment is None:
        return spans.filter(spans.known_to.isnull())
    at = ibis.literal(moment, "timestamp(6)")
    return spans.filter(spans.known_from <= at, spans.known_to.isnull() | (spans.known_to > at))


def monthly_then_and_now(then: Table, now: Table, steps: Table, timezone: str) -> Table:
    """One row per month and step: the deals that entered it, as was known then and is known now.

    Args:
        then: the entries that were known then, see `known_at`.
        now: those that are known now.
        steps: `stg_funnel_steps`. A step that it does not have any more has a row in months in
            which deals entered it, without a name.
        timezone: in which months are cut.

    Columns:
        month: first day of the month
        step_order: place in the funnel; null for a step that it does not have any more
        funnel_step: number of the step, as text
        kpi_name: its name
        deals_then: distinct deals that entered the step in that month, as was known then
        deals_now: the same, as is known now
    """
    counted = ibis.union(
        entries_by_month(then, timezone).mutate(is_then=True),
        entries_by_month(now, timezone).mutate(is_then=False),
    )
    deals = counted.group_by("month", "funnel_step").agg(
        deals_then=counted.count(where=counted.is_then),
        deals_now=counted.count(where=~counted.is_then),
    )
    of_the_funnel = every_month(deals).cross_join(steps.select("funnel_step"))
    counted_in = deals.select("month", "funnel_step")
    places = of_the_funnel.cast(counted_in.schema()).union(counted_in, distinct=True)
    return (
        places.left_join(steps, "funnel_step")
        .left_join(deals, ["month", "funnel_step"])
        .select(
            "month",
            "step_order",
            "funnel_step",
            "kpi_name",
            deals_then=_.deals_then.fill_null(0),
            deals_now=_.deals_now.fill_null(0),
        )
    )


def matching_more(one: Table, other: Table) -> Table:
    """One row per step that matches something in one run that it does not match in the other.

    Args:
        one: `quality.funnel_matches` as a run made it.
        other: the same of another run.

    Columns:
        funnel_step: number of the step, as text
    """
    return one.difference(other).select("funnel_step").distinct()


def restatements(
    then: Table, now: Table, as_of: datetime, timezone: str, *, wider: Table, narrower: Table
) -> Table:
    """One row per month, step, reason and direction: deals that count now but not then, or reverse.

    Args:
        then: the entries that were known then, see `known_at`.
        now: those that are known now.
        as_of: where the data of then ended, UTC.
        timezone: in which months are cut.
        wider: the steps that match more now, see `matching_more`; only there deals can count more
            because of the funnel.
        narrower: those that matched more then; only there deals can count no more because of it.

    Columns:
        month: first day of the month
        funnel_step: number of the step, as text
        reason: one of REASONS
        deals_change: deals that count now and did not then; negative: that do not any more; not 0
    """
    until_then = now.filter(now.entered_at <= ibis.literal(as_of, "timestamp(6)"))
    counted_then, counted_now, counted_until_then = (
        entries_by_month(entries, timezone) for entries in (then, now, until_then)
    )
    more = counted_now.anti_join(counted_then, COUNTED)
    told = more.semi_join(counted_until_then, COUNTED)
    fewer = counted_then.anti_join(counted_now, COUNTED)
    changes = ibis.union(
        more.anti_join(told, COUNTED).mutate(reason=ibis.literal("happened_since"), is_more=True),
        _with_reason(told, fewer, then, wider, "deal_was_unknown", "told_later").mutate(
            is_more=True
        ),
        _with_reason(fewer, told, now, narrower, "deal_is_gone", "taken_back").mutate(
            is_more=False
        ),
    )
    # One way and the other apart: what cancels out has changed, too.
    counted = changes.group_by("month", "funnel_step", "reason", "is_more").agg(deals=_.count())
    change = ibis.ifelse(counted.is_more, counted.deals, -counted.deals)
    return counted.mutate(deals_change=change).drop("is_more", "deals")


def _with_reason(
    counted: Table, others: Table, entries: Table, of_funnel: Table, unknown: str, other: str
) -> Table:
    """Why rows count at one time only.

    Args:
        counted: the rows.
        others: those that count at the other time only.
        entries: all entries of the other time.
        of_funnel: the steps of which the funnel can be the reason.
        unknown: the reason where these have nothing of the deal.
        other: the reason where nothing else is it.
    """
    places = {"other_month": ("funnel_step", "deal_id"), "other_step": ("month", "deal_id")}
    known = entries.select("deal_id", is_known=True).distinct()
    found = joined_by("deal_id", counted, known)
    found = joined_by("funnel_step", found, of_funnel.mutate(is_another=True))
    for reason, same in places.items():
        there = others.select(*same, **{reason: True}).distinct()
        found = found.left_join(there, same).drop(*(f"{name}_right" for name in same))
    return found.select(
        *COUNTED,
        reason=ibis.cases(
            (_.is_another.notnull(), "other_funnel"),
            *((_[reason].notnull(), reason) for reason in places),
            (_.is_known.isnull(), unknown),
            else_=other,
        ),
    )
