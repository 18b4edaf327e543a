"""What the report shows of the marts."""

from collections.abc import Mapping

import pyarrow as pa
from ibis import Table

from flows.warehouse.rows import read
from transforms.folding import folded, with_owners_folded

# Of so many rows nobody reads a table or sees a chart: rep_sales_rep_totals sums them up.
NOT_SHOWN = {"rep_sales_rep_performance_monthly"}
SORTED_BY = ("month", "step_order", "lost_reason_label", "user_id", "category", "value", "status")


def is_shown(name: str) -> bool:
    """Whether the report shows a table, so that its process needs the rows."""
    return name.startswith("rep_") and name not in NOT_SHOWN


def report_table(name: str, tables: Mapping[str, Table], min_deals_per_rep: int) -> pa.Table:
    """A `rep_` mart, read: months in order, steps in the order of the funnel.

    Reps with fewer deals than `min_deals_per_rep`, if that is more than 1, are folded into one.
    """
    mart, keys = shown_rows(name, tables, min_deals_per_rep)
    return read(mart.order_by(keys or mart.columns).select(tables[name].columns))


def shown_rows(
    name: str, tables: Mapping[str, Table], min_deals_per_rep: int
) -> tuple[Table, list[str]]:
    """The rows of a mart as anybody may see them, and columns that bring them in order.

    One of these, `step_order`, is not of the mart.
    """
    mart = tables[name]
    if min_deals_per_rep > 1 and "sales_rep_name" in mart.columns:
        is_of_deals = {"deal_id", "user_id"} <= {*mart.columns}
        fold = with_owners_folded if is_of_deals else folded
        mart = fold(mart, tables["stg_users"], tables["stg_activities"], min_deals_per_rep)
    if "funnel_step" in mart.columns:
        order = tables["stg_funnel_steps"].select("step_order", step="funnel_step")
        mart = mart.left_join(order, mart.funnel_step == order.step)
    return mart, [key for key in SORTED_BY if key in mart.columns]
