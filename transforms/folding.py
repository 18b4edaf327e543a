"""Reps with few deals, shown together: a bar of its own would tell what one person did."""

import ibis
from ibis import Table
from ibis.expr.types import BooleanColumn, NumericColumn, NumericScalar, Value

from transforms import text
from transforms.reps import UNASSIGNED, UNKNOWN_USER
from transforms.staging.stg_activities import dated_and_done


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
    return folded_by(mart, _deals_worked(stg_users, stg_activities), min_deals)


def folded_by(mart: Table, deals_of_reps: Table, min_deals: int) -> Table:
    """The same where the deals of each `sales_rep_name` are known already, as `deals`.

    Who is no known user is never shown alone.
    """
    is_known = ~deals_of_reps.sales_rep_name.startswith(UNKNOWN_USER)
    named = deals_of_reps.filter(is_known).select("sales_rep_name", "deals")
    reps = mart.filter(mart.sales_rep_name != UNASSIGNED).select("sales_rep_name").distinct()
    counted = reps.left_join(named, "sales_rep_name").select(
        rep="sales_rep_name", deals=lambda joined: joined.deals.fill_null(0)
    )
    others = _others(counted, min_deals)
    is_other = mart.sales_rep_name.isin(others.rep).fill_null(False)
    changed = _unnamed(mart, is_other, others)
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


def with_owners_folded(
    deals: Table, stg_users: Table, stg_activities: Table, min_deals: int
) -> Table:
    """A table of deals in which owners with fewer deals are one, by the name of "12 other reps".

    An owner is shown alone who owns so many of these deals, and whose done activities name so many:
    one who is not alone in `folded` for few deals is not found here either. An owner whom nobody
    knows is never shown alone.

    Args:
        deals: with the columns `user_id` and `sales_rep_name`, of the owner.
        stg_users: who has which name.
        stg_activities: what they did.
        min_deals: of an owner who is shown alone.
    """
    of_somebody = deals.filter(deals.user_id.notnull())
    owned = of_somebody.group_by("user_id").agg(owned=of_somebody.count())
    worked = _deals_worked(stg_users, stg_activities).select("user_id", "deals")
    counted = owned.left_join(worked, "user_id").select(
        rep="user_id", deals=lambda joined: ibis.least(joined.owned, joined.deals.fill_null(0))
    )
    others = _others(counted, min_deals)
    is_other = deals.user_id.isin(others.rep).fill_null(False)
    return deals.mutate(**_unnamed(deals, is_other, others))


def _deals_worked(stg_users: Table, stg_activities: Table) -> Table:
    """Deals that the done activities of each known user name."""
    done = dated_and_done(stg_activities)
    deals = done.group_by("user_id").agg(deals=done.deal_id.nunique())
    return deals.inner_join(stg_users, "user_id").select("user_id", "sales_rep_name", "deals")


def _others(counted: Table, min_deals: int) -> Table:
    """Of reps with their deals, those with few, and never one alone."""
    few = counted.deals < min_deals
    # How texts are sorted depends on the database: of equals, any, but everywhere the same.
    any_of_equals = text.md5(counted.rep.cast("string"))
    ranked = counted.mutate(
        place=ibis.row_number().over(order_by=[counted.deals, any_of_equals]),
        with_few=few.sum().over(),
    )
    return ranked.filter(
        (ranked.deals < min_deals) | ((ranked.with_few == 1) & (ranked.place == 1))
    )


def _unnamed(rows: Table, is_other: BooleanColumn, others: Table) -> dict[str, Value]:
    """The columns that say who it was."""
    name = others.count().as_scalar().cast("string") + " other reps"
    changed = {"sales_rep_name": ibis.ifelse(is_other, name, rows.sales_rep_name)}
    if "user_id" in rows.columns:
        changed["user_id"] = ibis.ifelse(is_other, None, rows.user_id)
    return changed


def _together(measure: NumericColumn) -> NumericScalar:
    if not measure.type().is_integer():
        return ibis.null(measure.type())
    # As floating point numbers: DuckDB sums integers in a type of its own. These are exact.
    return measure.cast("float64").sum().cast(measure.type())
