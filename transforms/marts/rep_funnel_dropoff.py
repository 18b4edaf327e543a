"""Where the funnel leaks."""

import ibis
from ibis import Table

from transforms.checks import rule, total_agrees
from transforms.graph import model
from transforms.lookups import joined_by
from transforms.rates import percent


@model(
    key=["funnel_step"],
    schema={
        "funnel_step": "string",
        "kpi_name": "string",
        "kind": "string",
        "total_volume": "int64",
        "retention_rate_pct": "float64",
        "deals_entered": "int64",
        "deals_reached": "int64",
        "conversion_from_previous_pct": "float64",
        "conversion_from_first_pct": "float64",
        "deals_not_lost": "int64",
        "decided_conversion_pct": "float64",
    },
    checks=[
        rule(
            "conversions_are_shares",
            lambda steps: (
                steps.conversion_from_previous_pct.fill_null(0).between(0, 100)
                & steps.conversion_from_first_pct.fill_null(0).between(0, 100)
                & steps.decided_conversion_pct.fill_null(0).between(0, 100)
            ),
        ),
        total_agrees(
            "total_volume",
            lambda steps: steps.total_volume.sum(),
            lambda rep_sales_funnel_monthly: rep_sales_funnel_monthly.deals_count.sum(),
        ),
    ],
)
def rep_funnel_dropoff(
    rep_sales_funnel_monthly: Table,
    int_deal_funnel_entries: Table,
    stg_funnel_steps: Table,
    obt_deals: Table,
) -> Table:
    """One row per step of the funnel: volume, deals that reached it, conversion.

    Conversions are counted on deals. Main steps (stages) are held against main steps; a deal that
    skipped a step and went on has passed it. Calls stand beside the main steps and are never a
    denominator. A rate without deals to compare with is null, and so is that of calls and losses of
    which none is of a deal in a main step.

    Columns:
        funnel_step: number of the step, as text
        kpi_name: its name
        kind: what enters it: stage (a main step), activity (a call) or loss
        total_volume: sum of deals_count over all months
        retention_rate_pct: total_volume over the previous row's, the plain LAG; null for Lost, and
            read the conversions instead
        deals_entered: distinct deals that entered this very step
        deals_reached: distinct deals that entered this main step or a later one; deals_entered for
            calls and Lost
        conversion_from_previous_pct: share of the deals that reached the previous main step which
            reached this one too (for calls: which had the call); null for the first step and Lost
        conversion_from_first_pct: the same share of the deals that reached the first main step
        deals_not_lost: deals that reached this main step and no later one, and are not lost; null
            for calls and Lost
        decided_conversion_pct: conversion_from_previous_pct without those of the previous main
            step, so of the deals that went on from there or were lost; null for calls and Lost
    """
    steps = _with_main_steps(stg_funnel_steps)
    counted = _counted(int_deal_funnel_entries, steps)
    monthly = rep_sales_funnel_monthly
    volume = monthly.group_by("funnel_step").agg(total_volume=monthly.deals_count.sum())

    remaining = obt_deals.filter(obt_deals.status != "lost").rename(funnel_step="furthest_step")
    remaining = remaining.group_by("funnel_step").agg(deals_not_lost=remaining.count())

    joined = joined_by("funnel_step", steps, volume, counted, remaining)
    joined = joined.mutate(
        total_volume=joined.total_volume.fill_null(0),
        deals_entered=joined.deals_entered.fill_null(0),
        reached_this=joined.reached_this.fill_null(0),
        deals_not_lost=ibis.cases((joined.kind == "stage", joined.deals_not_lost.fill_null(0))),
    )
    is_main, is_call = joined.kind == "stage", joined.kind == "activity"
    shares_deals = joined.also_reached_first > 0
    volume_before = joined.total_volume.lag().over(order_by=joined.step_order)
    not_lost_before = joined.deals_not_lost.lag().over(group_by="kind", order_by=joined.step_order)
    decided = joined.reached_previous - not_lost_before
    return joined.select(
        "funnel_step",
        "kpi_name",
        "kind",
        "total_volume",
        "deals_entered",
        "deals_not_lost",
        retention_rate_pct=ibis.cases(
            (joined.kind != "loss", percent(joined.total_volume, volume_before))
        ),
        deals_reached=ibis.ifelse(is_main, joined.reached_this, joined.deals_entered),
        conversion_from_previous_pct=ibis.cases(
            (is_main, percent(joined.reached_this, joined.reached_previous)),
            (
                is_call & shares_deals,
                percent(joined.also_reached_previous, joined.reached_previous),
            ),
        ),
        conversion_from_first_pct=ibis.cases(
            (is_main, percent(joined.reached_this, joined.reached_first)),
            (shares_deals, percent(joined.also_reached_first, joined.reached_first)),
        ),
        decided_conversion_pct=ibis.cases((is_main, percent(joined.reached_this, decided))),
    )


def _counted(int_deal_funnel_entries: Table, steps: Table) -> Table:
    """One row per step, where there are entries: of how many deals each of these holds.

    `steps`: as `_with_main_steps` gives them.
    """
    entries = int_deal_funnel_entries.inner_join(steps, "funnel_step")
    per_deal = entries.group_by("deal_id").agg(steps_entered=entries.bit.bit_or())
    # Deals that entered the same steps count alike: a few rows are left.
    alike = per_deal.group_by("steps_entered").agg(deals=per_deal.count())
    each = alike.cross_join(steps)
    has_entered = (each.steps_entered & each.bit) != 0
    furthest = each.group_by("steps_entered", "deals").agg(
        furthest=each.step_order.max(where=has_entered & (each.kind == "stage"))
    )
    each = furthest.cross_join(steps)
    has_entered = (each.steps_entered & each.bit) != 0
    has_reached_previous = each.furthest >= each.previous_main
    deals_where = {
        "deals_entered": has_entered,
        "also_reached_previous": has_entered & has_reached_previous,
        "also_reached_first": has_entered & each.furthest.notnull(),
        "reached_this": each.furthest >= each.step_order,
        "reached_previous": has_reached_previous,
        "reached_first": each.furthest.notnull(),
    }
    return each.group_by("funnel_step").agg(
        **{name: is_so.ifelse(each.deals, 0).sum() for name, is_so in deals_where.items()}
    )


def _with_main_steps(steps: Table) -> Table:
    """The steps, each with a bit of its own, and the order of the main step before it, if any."""
    main_order = ibis.ifelse(steps.kind == "stage", steps.step_order, None)
    so_far = main_order.max().over(order_by=steps.step_order, rows=(None, 0))
    bit = ibis.literal(1, "int64") << steps.step_order.cast("int32")
    steps = steps.mutate(main_so_far=so_far, bit=bit)
    return steps.mutate(previous_main=steps.main_so_far.lag().over(order_by=steps.step_order))
