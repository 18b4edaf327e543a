"""The latest complete month: which it is, and what changed."""

import pandas
import pytest
from pandas import DataFrame, Series, Timestamp, concat

from reports.latest import (
    FIGURES,
    Latest,
    Line,
    end_of_intake,
    latest_month,
    step_conversions,
)
from reports.render import render
from reports.text import decimal, rate

Tables = dict[str, DataFrame]


def marts(
    counts: dict[str, list[int]], done: list[int] | None = None, begun: str = "2024-01-01 09:00"
) -> Tables:
    """Marts of a funnel with these entries per step, month by month from January 2024 on."""
    months = pandas.date_range("2024-01-01", periods=len(next(iter(counts.values()))), freq="MS")
    rows = [
        (month, f"Step {step}", step, count)
        for step, deals in counts.items()
        for month, count in zip(months, deals, strict=True)
    ]
    columns = ["month", "kpi_name", "funnel_step", "deals_count"]
    return {
        "rep_sales_funnel_monthly": DataFrame(rows, columns=columns),
        "rep_funnel_dropoff": DataFrame(
            [(step, f"Step {step}", "loss" if step == "Lost" else "stage") for step in counts],
            columns=["funnel_step", "kpi_name", "kind"],
        ),
        "rep_monthly_figures": DataFrame(
            {"month": months[: len(done or [])], "calls_completed": done or []},
            columns=["month", *(column for column, *_ in FIGURES)],
        ),
        "rep_source_mix": DataFrame(
            {"category": ["changes by field"], "first_at": [Timestamp(begun)]}
        ),
    }


def latest(tables: Tables, as_of: str, timezone: str = "UTC") -> Latest:
    """The latest month; there is one."""
    found = latest_month(tables, Timestamp(as_of), timezone)
    assert found is not None
    return found


def test_the_month_in_which_the_data_ends_is_not_over() -> None:
    tables = marts({"1": [5, 6, 7], "Lost": [1, 1, 1]})
    assert latest(tables, "2024-03-31 23:59").month == Timestamp("2024-02-01")


def test_a_month_is_over_by_the_calendar_of_its_time_zone() -> None:
    tables = marts({"1": [5, 6, 7], "Lost": [1, 1, 1]})
    assert latest(tables, "2024-04-01 02:00").month == Timestamp("2024-03-01")
    assert latest(tables, "2024-04-01 02:00", "America/New_York").month == Timestamp("2024-02-01")


def test_months_that_the_data_does_not_reach_are_not_the_latest() -> None:
    tables = marts({"1": [5, 6, 7], "Lost": [1, 1, 1]})
    assert latest(tables, "2026-01-01").month == Timestamp("2024-03-01")


@pytest.mark.parametrize("as_of", ["2024-01-20", None])
def test_without_a_month_that_is_over_there_is_none(as_of: str | None) -> None:
    tables = marts({"1": [5], "Lost": [1]})
    assert latest_month(tables, Timestamp(as_of), "UTC") is None


def test_a_mart_without_rows_has_no_latest_month() -> None:
    assert latest_month(marts({"1": [], "Lost": []}), Timestamp("2024-05-01"), "UTC") is None


def test_there_is_a_line_per_step_in_the_order_of_the_funnel() -> None:
    found = latest(marts({"1": [5, 6], "2.1": [3, 4], "Lost": [1, 1]}), "2024-03-01")
    assert [(line.name, line.latest) for line in found.lines] == [
        ("1 Step 1", "6"),
        ("2.1 Step 2.1", "4"),
        ("Lost Step Lost", "1"),
    ]


def test_a_change_is_told_in_deals_and_percent_and_less_of_a_loss_is_good() -> None:
    found = latest(
        marts({"1": [40, 80], "2": [50, 10], "3": [4, 4], "Lost": [40, 10]}), "2024-03-01"
    )
    assert [line.change(1) for line in found.lines] == [
        ("▲ 40 (+100%)", "good"),
        ("▼ 40 (-80%)", "bad"),
        ("the same", ""),
        ("▼ 30 (-75%)", "good"),
    ]


@pytest.mark.parametrize(("now", "news"), [(71, ""), (72, "good")])
def test_a_change_that_can_be_chance_is_neither_good_nor_bad(now: int, news: str) -> None:
    """Of a dozen steps, one goes from 40 deals to more than 71 by chance in one month of 30."""
    [line, *_] = latest(marts({"1": [40, now], "Lost": [0, 0]}), "2024-03-01").lines
    assert line.change(1)[1] == news


def test_a_change_from_nothing_has_no_percentage() -> None:
    [line, *_] = latest(marts({"1": [0, 50], "Lost": [0, 0]}), "2024-03-01").lines
    assert line.change(1) == ("▲ 50", "good")


def test_after_the_end_of_the_intake_no_change_is_good_or_bad() -> None:
    tables = marts({"1": [40, 50, 0, 0], "2": [40, 30, 20, 1], "Lost": [10, 5, 4, 1]}, [4, 5, 6])
    found = latest(tables, "2024-04-01")
    changes = [line.change(1) for line in [*found.lines, *found.figures]]
    assert changes[1] == ("▼ 10 (-33%)", "")
    assert {news for _, news in changes} == {""}


@pytest.mark.parametrize(
    ("entries", "created"),
    [([40, 50, 0], []), ([40, 0, 0, 0], [40, 0, 0, 7])],
    ids=["a month has just begun", "deals skip the first step"],
)
def test_the_intake_goes_on(entries: list[int], created: list[int]) -> None:
    tables = marts({"1": entries, "2": [9] * len(entries), "Lost": [0] * len(entries)})
    monthly = tables["rep_sales_funnel_monthly"]
    figures = DataFrame(
        {"month": monthly["month"].unique()[: len(created)], "deals_created": created}
    )
    assert end_of_intake(monthly, figures) is None
    assert end_of_intake(monthly, figures.iloc[:0]) == (
        Timestamp("2024-01-01") if created else None
    )


def test_a_month_in_which_the_data_begins_is_nothing_to_compare_with() -> None:
    counts = {"1": [5, 60], "Lost": [1, 10]}
    begins = latest(marts(counts, [1, 9], begun="2024-01-04 00:00"), "2024-03-01")
    assert begins.lines[0].change(1)[0] == "▲ 55 (+1,100%)"
    found = latest(marts(counts, [1, 9], begun="2024-01-04 00:01"), "2024-03-01")
    assert {line.change(1) for line in [*found.lines, *found.figures]} == {("n/a", "")}
    assert found.lines[0].latest == "60"


def test_older_deals_do_not_make_the_first_month_of_the_log_whole() -> None:
    tables = marts({"1": [5, 60], "Lost": [1, 10]}, [1, 9], begun="2024-01-20 00:00")
    older = DataFrame({"category": ["deals by status"], "first_at": [Timestamp("2019-03-01")]})
    tables["rep_source_mix"] = concat([tables["rep_source_mix"], older])
    assert latest(tables, "2024-03-01").lines[0].change(1) == ("n/a", "")


def test_a_change_that_rounds_to_nothing_is_none() -> None:
    line = Line("Median days to close", Series([12.34, 12.31]), None, decimal)
    assert line.change(1) == ("the same", "")


def test_a_change_needs_a_month_to_compare_with() -> None:
    found = latest(marts({"1": [5 * n for n in range(13)], "Lost": [0] * 13}), "2025-02-01")
    assert found.year_before == Timestamp("2024-01-01")
    assert found.lines[0].change(12) == ("▲ 60", "good")
    shorter = latest(marts({"1": list(range(12)), "Lost": [0] * 12}), "2025-02-01")
    assert shorter.lines[0].change(12) == ("n/a", "")


def test_a_month_without_calls_counts_none() -> None:
    *_, done = latest(marts({"1": [5, 6], "Lost": [1, 1]}, [70]), "2024-03-01").figures
    assert (done.latest, done.change(1)) == ("0", ("▼ 70 (-100%)", "bad"))


def test_deals_stay_open_in_a_month_in_which_nothing_happens_to_them() -> None:
    tables = marts({"1": [5, 1, 1], "Lost": [0, 0, 0]})
    tables["rep_monthly_figures"] = DataFrame(
        {"month": [Timestamp("2024-02-01")], "open_deals": [6]},
        columns=["month", *(column for column, *_ in FIGURES)],
    )
    of_open = latest(tables, "2026-01-01").figures[5]
    assert of_open.counts.tolist() == [0, 6, 6]


def test_the_last_step_of_a_funnel_need_not_be_a_loss() -> None:
    *_, renewed = latest(marts({"1": [5, 6], "9": [10, 30]}), "2024-03-01").lines
    assert renewed.change(1) == ("▲ 20 (+200%)", "good")


def figure(name: str, *values: float | None) -> Line:
    """What a manager asks for, month by month."""
    tables = marts({"1": [1] * len(values), "Lost": [1] * len(values)})
    tables["rep_monthly_figures"] = DataFrame(
        {"month": tables["rep_sales_funnel_monthly"]["month"].unique(), name: values},
        columns=["month", *(column for column, *_ in FIGURES)],
    )
    place = [column for column, *_ in FIGURES].index(name)
    return latest(tables, "2026-01-01").figures[place]


def test_of_two_rates_the_difference_is_in_points() -> None:
    for deals, news in ((1000, ""), (1100, "good")):
        of = Series([deals, deals])
        share = Line("Win rate", Series([20.0, 25.5]), more_is_good=True, write=rate, of=of)
        assert (share.latest, share.change(1)) == ("25.5%", ("▲ 5.5 points", news))


def test_of_stocks_and_days_a_change_is_no_news() -> None:
    assert figure("stalled_deals", 100, 50).change(1) == ("▼ 50 (-50%)", "")
    assert figure("open_deals", 100, 150).change(1) == ("▲ 50 (+50%)", "")
    assert figure("median_days_to_close", 100.0, 50.0).change(1) == ("▼ 50.0 (-50%)", "")


@pytest.mark.parametrize(("now", "news"), [(29, ""), (30, "good")])
def test_a_change_of_few_is_no_news(now: int, news: str) -> None:
    [line, *_] = latest(marts({"1": [0, now], "Lost": [0, 0]}), "2024-03-01").lines
    assert line.change(1)[1] == news
    deals = Series([30, now])
    share = Line("Win rate", Series([0.0, 100.0]), more_is_good=True, write=rate, of=deals)
    assert share.change(1)[1] == news


def test_a_measure_of_no_deals_is_not_available_and_not_zero() -> None:
    days = figure("median_days_to_close", 20.0, None)
    assert (days.latest, days.change(1)) == ("n/a", ("n/a", ""))


def test_the_line_has_a_point_per_month_of_two_years_within_its_box() -> None:
    [line, *_] = latest(marts({"1": list(range(40)), "Lost": [0] * 40}), "2027-05-01").lines
    points = [tuple(map(float, point.split(","))) for point in line.spark.split()]
    assert len(points) == 24
    assert points[-1] == (line.spark_width - 1, 1)
    assert all(0 <= x <= line.spark_width and 0 <= y <= 20 for x, y in points)


def cohort(month: str, *reached: int, is_mature: bool = True) -> list[tuple[object, ...]]:
    """The deals of a month that reached each main step."""
    return [
        (Timestamp(month), str(step), f"Step {step}", deals, is_mature)
        for step, deals in enumerate(reached, 1)
    ]


def test_conversions_are_from_step_to_step_of_the_latest_mature_month() -> None:
    """Of few deals there is no rate."""
    columns = ["month", "funnel_step", "kpi_name", "deals_reached", "is_mature"]
    rows = [
        *cohort("2024-01-01", 100, 50, 10, 5),
        *cohort("2024-02-01", 60, 48, 0, 0),
        *cohort("2024-03-01", 40, 40, 40, is_mature=False),
    ]
    found = step_conversions(DataFrame(rows, columns=columns))
    assert found is not None
    assert found.month == Timestamp("2024-02-01")
    assert [(line.name, line.latest, line.change(1)) for line in found.lines] == [
        ("2 Step 2", "80.0%", ("▲ 30.0 points", "good")),
        ("3 Step 3", "0.0%", ("▼ 20.0 points", "bad")),
        ("4 Step 4", "n/a", ("n/a", "")),
    ]
    assert step_conversions(DataFrame(rows[-3:], columns=columns)) is None


def test_the_page_shows_the_month(tables: Tables, run: dict[str, str | int | None]) -> None:
    page = render(tables, run)
    assert "<h2>February 2025</h2>" in page
    month = tables["rep_sales_funnel_monthly"].query("month == '2025-02-01'")
    for count in month["deals_count"]:
        assert f'<td class="number">{count:,}</td>' in page
