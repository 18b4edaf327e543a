"""Odd exports give a whole page all the same: honest text, no NaN, and never too large."""

from collections.abc import Callable

import pandas
import pytest
from pandas import DataFrame, DateOffset, concat, date_range

from reports.render import render
from tests.reports.conftest import (
    INTAKE_ENDS,
    funnel_monthly,
    month_cohorts,
    monthly_figures,
    rep_monthly,
    rep_totals,
)
from tests.reports.test_render import Page

Tables = dict[str, DataFrame]
Run = dict[str, str | int | None]

MOST_BYTES = 1_000_000


def without_losses(tables: Tables) -> None:
    """Nobody has lost a deal yet."""
    tables["rep_losses_monthly"] = tables["rep_losses_monthly"].head(0)
    key = tables["rep_key_figures"]
    tables["rep_key_figures"] = key.assign(deals_lost=0, win_rate_pct=None)


def of_one_month(tables: Tables) -> None:
    """The first one."""
    for name, table in tables.items():
        if "month" in table:
            tables[name] = table[table["month"] == table["month"].min()]


def of_one_deal(tables: Tables) -> None:
    """One deal, in one step of one month, of one rep."""
    of_one_month(tables)
    for name, table in tables.items():
        if name.startswith("rep_"):
            counts = table.select_dtypes("integer").columns.difference(["user_id"])
            tables[name] = table.head(1).assign(**dict.fromkeys(counts, 1))


def without_users(tables: Tables) -> None:
    """Nobody is known to have done anything."""
    tables["rep_sales_rep_totals"] = tables["rep_sales_rep_totals"].head(0)


def of_forty_stages(tables: Tables) -> None:
    """A funnel of a large house."""
    stages = [(str(number), f"Stage {number} of a large house") for number in range(1, 41)]
    for name in (
        "rep_funnel_dropoff",
        "rep_stage_dwell",
        "rep_sales_funnel_monthly",
        "rep_cohorts",
    ):
        first = tables[name][tables[name]["funnel_step"] == "1"]
        each = [first.assign(funnel_step=step, kpi_name=kpi) for step, kpi in stages]
        tables[name] = concat(each, ignore_index=True)
    losses = tables["rep_losses_monthly"].head(40)
    tables["rep_losses_monthly"] = losses.assign(funnel_step=[step for step, _ in stages])


def of_two_hundred_months(tables: Tables) -> None:
    """Since 2008."""
    months = date_range("2008-08-01", periods=200, freq="MS")
    tables["rep_sales_funnel_monthly"] = funnel_monthly(months)
    tables["rep_monthly_figures"] = monthly_figures(months)
    cohorts = month_cohorts(months[:INTAKE_ENDS])
    years = [cohorts.assign(month=cohorts["month"] + DateOffset(years=n)) for n in range(16)]
    tables["rep_cohorts"] = concat(years, ignore_index=True)
    losses = tables["rep_losses_monthly"]
    each = [losses.assign(month=month) for month in months]
    tables["rep_losses_monthly"] = concat(each, ignore_index=True)


def of_three_thousand_reps(tables: Tables) -> None:
    """Of whom a page shows the first ones, and says how many it leaves out."""
    tables["rep_sales_rep_totals"] = rep_totals(rep_monthly(reps=3_000))


def without_rows(tables: Tables) -> None:
    """Nothing at all."""
    for name, table in tables.items():
        tables[name] = table.head(0)


CASES = {
    "no losses": (without_losses, "No data to show"),
    "one month": (of_one_month, "Months from January 2024"),
    "one deal": (of_one_deal, "Deals 1 known"),
    "no users": (without_users, "No data to show"),
    "forty stages": (of_forty_stages, "Stage 40 of a large house"),
    "two hundred months": (of_two_hundred_months, "February 2025"),
    "three thousand reps": (of_three_thousand_reps, "2,940 more are in the warehouse"),
    "no rows": (without_rows, "No month is complete yet"),
}


@pytest.mark.parametrize(("change", "said"), CASES.values(), ids=CASES)
def test_an_odd_export_has_a_whole_page(
    tables: Tables, run: Run, change: Callable[[Tables], None], said: str
) -> None:
    change(tables)
    html = render(tables, run)
    text = Page(html).text
    assert said in text
    assert not {"nan", "NaN", "None", "NaT", "<NA>", "inf"} & set(text.split())
    assert "nan" not in html.lower().split("<script>")[0].replace("finance", "")
    assert len(html.encode()) < MOST_BYTES


def test_the_typical_page_has_none_of_these(tables: Tables, run: Run) -> None:
    """So that the cases above are no matter of course."""
    text = Page(render(tables, run)).text
    assert "No data to show" not in text
    assert "2,940 more rows" not in text
    assert isinstance(tables["rep_cohorts"]["month"].iloc[0], pandas.Timestamp)
