"""Reps with few deals, shown together: a bar of its own would tell what one person did."""

import ibis
from ibis import Table
from ibis.expr.types import NumericColumn, NumericScalar
from transforms.marts.rep_sales_rep_performance_monthly import UNASSIGNED


def folded(mart: Table, stg_users: Table, stg_activities: Table, min_deals: int) -> Table:
    """A mart in which reps with fewer deals are one, by the name of "12 other reps".

    Deals of a rep are those that the rep's done activities name, of all months. The last rep with
    few deals is not left alone: the one with the next fewest comes along. Whole numbers of these
    reps are added up, whatever else was measured of them is null.

    Args:
        mart: with a column `sales_rep_name`, and maybe `user_id`.
        stg_users: who has which name.
        stg_activities: what they did.
        min_deals: of a rep who is shown alone.
    """
    done = stg_activities.filter(stg_activities.is_done, stg_activities.due_at.notnull())
    deals = done.group_by("user_id").agg(deals=done.deal_id.nunique())
    named = deals.inner_join(stg_users, "user_id").select("sales_rep_name", "deals")
    reps = mart.filter(mart.sales_rep_name != UNASSIGNED).select("sales_rep_name").distinct()
    counted = reps.left_join(named, "sales_rep_name").select(
        "sales_rep_name", deals=lambda joined: joined.deals.fill_null(0)
    )
    few = counted.deals < min_deals
    ranked = counted.mutate(
        place=ibis.row_number().over(order_by=[counted.deals, counted.sales_rep_name]),
        with_few=few.sum().over(),
    )
    others = ranked.filter(
        (ranked.deals < min_deals) | ((ranked.with_few == 1) & (ranked.place == 1))
    )
    is_other = mart.sales_rep_name.isin(others.sales_rep_name).fill_null(False)
    name = others.count().as_scalar().cast("string") + " other reps"
    changed = {"sales_rep_name": ibis.ifelse(is_other, name, mart.sales_rep_name)}
    if "user_id" in mart.columns:
        changed["user_id"] = ibis.ifelse(is_other, None, mart.user_id)
    together = mart.mutate(**changed, is_other=is_other)
    kept = together.filter(~together.is_other).select(mart.columns)
    measures = [
        column
        for column, dtype in mart.schema().items()
        if dtype.is_numeric() and column not in changed
    ]
    of_others = together.filter(together.is_other)
    sums = of_others.group_by([c for c in mart.columns if c not in measures]).agg(
        **{column: _together(of_others[column]) for column in measures}
    )
    return kept.union(sums.select(mart.columns))


def _together(measure: NumericColumn) -> NumericScalar:
    if not measure.type().is_integer():
        return ibis.null(measure.type())
    # As floating point numbers: DuckDB sums integers in a type of its own. These are exact.
    return measure.cast("float64").sum().cast(measure.type())
