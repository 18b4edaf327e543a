"""Where the funnel leaks."""

import ibis
from ibis import Table
from ibis.expr.types import FloatingValue, NumericValue

from transforms.checks import rule
from transforms.graph import model


@model(
    key=["funnel_step"],
    schema={
        "funnel_step": "string",
        "kpi_name": "string",
        "total_volume": "int64",
        "retention_rate_pct": "float64",
        "deals_entered": "int64",
        "deals_reached": "int64",
        "conversion_from_previous_pct": "float64",
        "conversion_from_first_pct": "float64",
    },
    checks=[
        rule(
            "conversions_are_shares",
            lambda steps: (
                steps.conversion_from_previous_pct.fill_null(0).between(0, 100)
                & steps.conversion_from_first_pct.fill_null(0).between(0, 100)
            ),
        )
    ],
)
def rep_funnel_dropoff(
    rep_sales_funnel_monthly: Table, int_deal_funnel_entries: Table, stg_funnel_steps: Table
) -> Table:
    """One row per step of the funnel.

    Conversions are counted on deals. Main steps (stages) are held against main steps; a deal that
    skipped a step and went on has passed it. Calls stand beside the main steps and are never a
    denominator. A rate without deals to compare with is null.

    Columns:
        funnel_step: number of the step, as text
        kpi_name: its name
        total_volume: sum of deals_count over all months
        retention_rate_pct: total_volume over the previous row's, the plain LAG; see conversions
        deals_entered: distinct deals that entered this very step
        deals_reached: distinct deals that entered this main step or a later one; deals_entered for
            calls and Lost
        conversion_from_previous_pct: share of the deals that reached the previous main step which
            reached this one too (for calls: which had the call); null for the first step and Lost
        conversion_from_first_pct: the same share of the deals that reached the first main step
    """
    steps = _with_main_steps(stg_funnel_steps)
    entered = int_deal_funnel_entries.select("deal_id", "funnel_step").distinct()
    on_main = entered.inner_join(steps.filter(steps.kind == "stage"), "funnel_step")
    furthest = on_main.group_by("deal_id").agg(furthest=on_main.step_order.max())

    # Main steps are counted on the furthest one of each deal, over a handful of rows.
    by_furthest = furthest.group_by("furthest").agg(deals=furthest.count())
    against_main = steps.cross_join(by_furthest)
    reached = against_main.group_by("funnel_step").agg(
        reached_this=against_main.deals.sum(where=against_main.furthest >= against_main.step_order),
        reached_previous=against_main.deals.sum(
            where=against_main.furthest >= against_main.previous_main
        ),
        reached_first=against_main.deals.sum(),
    )
    of_step = entered.inner_join(steps, "funnel_step").left_join(furthest, "deal_id")
    counted = of_step.group_by("funnel_step").agg(
        deals_entered=of_step.count(),
        also_reached_previous=(of_step.furthest >= of_step.previous_main).sum(),
        also_reached_first=of_step.furthest.count(),
    )
    monthly = rep_sales_funnel_monthly
    volume = monthly.group_by("funnel_step").agg(total_volume=monthly.deals_count.sum())

    joined = (
        steps.left_join(volume, "funnel_step")
        .drop("funnel_step_right")
        .left_join(counted, "funnel_step")
        .drop("funnel_step_right")
        .left_join(reached, "funnel_step")
    )
    joined = joined.mutate(
        total_volume=joined.total_volume.fill_null(0),
        deals_entered=joined.deals_entered.fill_null(0),
        reached_this=joined.reached_this.fill_null(0),
    )
    is_main, is_call = joined.kind == "stage", joined.kind == "activity"
    shares_deals = joined.also_reached_first > 0
    volume_before = joined.total_volume.lag().over(order_by=joined.step_order)
    return joined.select(
        "funnel_step",
        "kpi_name",
        "total_volume",
        "deals_entered",
        retention_rate_pct=ibis.cases(
            (joined.kind != "loss", _percent(joined.total_volume, volume_before))
        ),
        deals_reached=ibis.ifelse(is_main, joined.reached_this, joined.deals_entered),
        conversion_from_previous_pct=ibis.cases(
            (is_main, _percent(joined.reached_this, joined.reached_previous)),
            (
                is_call & shares_deals,
                _percent(joined.also_reached_previous, joined.reached_previous),
            ),
        ),
        conversion_from_first_pct=ibis.cases(
            (is_main, _percent(joined.reached_this, joined.reached_first)),
            (shares_deals, _percent(joined.also_reached_first, joined.reached_first)),
        ),
    )


def _with_main_steps(steps: Table) -> Table:
    """The steps, each with the order of the main step before it (null for the first one)."""
    main_order = ibis.ifelse(steps.kind == "stage", steps.step_order, None)
    so_far = main_order.max().over(order_by=steps.step_order, rows=(None, 0))
    steps = steps.mutate(main_so_far=so_far)
    return steps.mutate(previous_main=steps.main_so_far.lag().over(order_by=steps.step_order))


def _percent(part: NumericValue, whole: NumericValue) -> FloatingValue:
    """Part in percent of whole; null where whole is zero or null."""
    return part * 100.0 / whole.nullif(0)
