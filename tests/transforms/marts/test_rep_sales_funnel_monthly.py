"""Deals per month and step."""

from datetime import date

import pytest

from transforms.funnel import Funnel, Step
from transforms.marts.rep_sales_funnel_monthly import intake_end

TWO_STEPS = Funnel((Step("1", "Leads", "stage", ("leads",)), Step("Lost", "Lost", "loss")))


def test_every_month_has_every_step_gaps_and_empty_steps_as_well(run):
    assert run(
        "rep_sales_funnel_monthly",
        "month, funnel_step, kpi_name, deals_count",
        funnel=TWO_STEPS,
        int_deal_funnel_entries="""
            deal_id | funnel_step | entered_at
            1       | 1           | 2023-12-31 09:00
            2       | 1           | 2024-02-01 00:00
        """,
    ) == [
        (date(2023, 12, 1), "1", "Leads", 1),
        (date(2023, 12, 1), "Lost", "Lost", 0),
        (date(2024, 1, 1), "1", "Leads", 0),
        (date(2024, 1, 1), "Lost", "Lost", 0),
        (date(2024, 2, 1), "1", "Leads", 1),
        (date(2024, 2, 1), "Lost", "Lost", 0),
    ]


def test_the_committed_funnel_has_twelve_rows_a_month(run):
    rows = run(
        "rep_sales_funnel_monthly",
        "month, funnel_step",
        int_deal_funnel_entries="""
            deal_id | funnel_step | entered_at
            1       | 1           | 2024-01-15 09:00
            1       | 9           | 2025-03-15 09:00
        """,
    )
    assert len(rows) == len(set(rows)) == 15 * 12


def test_a_deal_counts_once_in_a_month_however_often_it_enters_the_step(run):
    assert run(
        "rep_sales_funnel_monthly",
        "month, deals_count",
        funnel=Funnel(TWO_STEPS.steps[:1]),
        int_deal_funnel_entries="""
            deal_id | funnel_step | entered_at
            1       | 1           | 2024-01-01 09:00
            1       | 1           | 2024-01-31 09:00
            2       | 1           | 2024-01-15 09:00
            1       | 1           | 2024-02-01 09:00
        """,
    ) == [(date(2024, 1, 1), 2), (date(2024, 2, 1), 1)]


@pytest.mark.parametrize(
    ("entered_at", "timezone", "month"),
    [
        ("2024-01-31 23:30", "UTC", date(2024, 1, 1)),
        ("2024-01-31 23:30", "Europe/Berlin", date(2024, 2, 1)),
        ("2024-01-31 22:59:59.999999", "Europe/Berlin", date(2024, 1, 1)),
        ("2024-02-01 04:59", "America/New_York", date(2024, 1, 1)),
        ("2024-06-30 22:00", "Europe/Berlin", date(2024, 7, 1)),  # summer time: two hours
        ("2024-12-31 23:00", "Europe/Berlin", date(2025, 1, 1)),
    ],
)
def test_months_are_cut_in_the_time_zone(run, entered_at, timezone, month):
    assert run(
        "rep_sales_funnel_monthly",
        "month",
        timezone=timezone,
        funnel=Funnel(TWO_STEPS.steps[:1]),
        int_deal_funnel_entries=f"""
            deal_id | funnel_step | entered_at
            1       | 1           | {entered_at}
        """,
    ) == [(month,)]


def test_without_entries_there_are_no_months(run):
    assert run("rep_sales_funnel_monthly", "month, funnel_step") == []


@pytest.fixture
def intake_ends(engine, draw):
    """The month in which the intake of a drawn mart ends."""

    def found(entries: str, created: str = "") -> date:
        text = f"month | deals_created\n{created}"
        mart = draw(entries, month="date", funnel_step="string", deals_count="int64")
        figures = draw(text, month="date", deals_created="int64")
        return engine.to_pyarrow(intake_end(mart, figures, funnel=TWO_STEPS)).as_py()

    return found


def test_the_intake_ends_in_the_last_month_in_which_deals_were_created(intake_ends):
    mart = """
        month      | funnel_step | deals_count
        2024-01-01 | 1           | 5
        2024-03-01 | 1           | 1
    """
    assert intake_ends(mart, "2024-01-01 | 2\n2024-02-01 | 1\n2024-03-01 | 0") == date(2024, 2, 1)


def test_or_else_in_the_last_one_with_entries_into_the_first_step(intake_ends):
    mart = """
        month      | funnel_step | deals_count
        2024-01-01 | 1           | 5
        2024-02-01 | 1           | 1
        2024-02-01 | Lost        | 3
        2024-03-01 | 1           | 0
        2024-03-01 | Lost        | 2
    """
    assert intake_ends(mart) == date(2024, 2, 1)


def test_without_any_intake_all_months_but_the_last_are_over(intake_ends):
    mart = """
        month      | funnel_step | deals_count
        2024-01-01 | 1           | 0
        2024-03-01 | Lost        | 2
    """
    assert intake_ends(mart) == date(2024, 3, 1)
