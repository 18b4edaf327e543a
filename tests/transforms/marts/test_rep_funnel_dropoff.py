"""Volumes and conversions of each step, on a funnel of three main steps."""

import pytest

from transforms.funnel import Funnel, Step

FUNNEL = Funnel(
    (
        Step("1", "Leads", "stage", ("leads",)),
        Step("1.1", "Call", "activity", ("call",)),
        Step("2", "Offer", "stage", ("offer",)),
        Step("3", "Deal", "stage", ("deal",)),
        Step("Lost", "Lost", "loss"),
    )
)


def by_step(run, columns, **tables):
    """The given columns of each step: one value, or a tuple of them."""
    rows = run("rep_funnel_dropoff", f"funnel_step, {columns}", **{"funnel": FUNNEL, **tables})
    return {step: values[0] if len(values) == 1 else tuple(values) for step, *values in rows}


def entries(*deals: str) -> str:
    """Entries by deal, each deal given by the steps it enters, as in "1 2 Lost"."""
    rows = [f"{n} | {step}" for n, steps in enumerate(deals) for step in steps.split()]
    return "\n".join(["deal_id | funnel_step", *rows])


MONTHLY = """
    month      | funnel_step | deals_count
    2024-01-01 | 1           | 30
    2024-02-01 | 1           | 10
    2024-01-01 | 1.1         | 10
    2024-01-01 | 2           | 25
    2024-01-01 | 3           | 0
    2024-01-01 | Lost        | 8
"""


def test_total_volume_is_the_sum_of_all_months(run):
    assert by_step(run, "kpi_name, total_volume", rep_sales_funnel_monthly=MONTHLY) == {
        "1": ("Leads", 40),
        "1.1": ("Call", 10),
        "2": ("Offer", 25),
        "3": ("Deal", 0),
        "Lost": ("Lost", 8),
    }


def test_retention_is_held_against_the_row_before_calls_too_but_not_for_lost(run):
    assert by_step(run, "retention_rate_pct", rep_sales_funnel_monthly=MONTHLY) == {
        "1": None,
        "1.1": 25.0,
        "2": 250.0,
        "3": 0.0,
        "Lost": None,
    }


def test_retention_over_nothing_is_not_available(run):
    retention = by_step(
        run,
        "retention_rate_pct",
        rep_sales_funnel_monthly="""
            month      | funnel_step | deals_count
            2024-01-01 | 1           | 0
            2024-01-01 | 1.1         | 5
            2024-01-01 | 3           | 5
        """,
    )
    assert retention == {"1": None, "1.1": None, "2": 0.0, "3": None, "Lost": None}


def test_deals_entered_counts_a_deal_once_and_only_in_the_steps_it_entered(run):
    given = entries("1 1 3", "1 2", "1.1 1.1", "Lost Lost")
    assert by_step(run, "deals_entered", int_deal_funnel_entries=given) == {
        "1": 2,
        "1.1": 1,
        "2": 1,
        "3": 1,
        "Lost": 1,
    }


def test_a_deal_that_skipped_a_main_step_and_went_on_has_reached_it(run):
    given = entries("1 3", "2", "1", "1.1", "Lost")
    assert by_step(run, "deals_reached", int_deal_funnel_entries=given) == {
        "1": 3,
        "1.1": 1,
        "2": 2,
        "3": 1,
        "Lost": 1,
    }


def test_going_back_takes_nothing_from_what_was_reached(run):
    given = entries("3 2 1")
    reached = by_step(run, "deals_reached", int_deal_funnel_entries=given)
    assert reached == {"1": 1, "1.1": 0, "2": 1, "3": 1, "Lost": 0}


def test_main_steps_convert_from_the_main_step_before_and_from_the_first(run):
    given = entries("1 2 3", "1 2", "1 2", "2", "1")
    conversions = by_step(
        run,
        "conversion_from_previous_pct, conversion_from_first_pct",
        int_deal_funnel_entries=given,
    )
    assert conversions["1"] == (None, 100.0)
    assert conversions["2"] == (80.0, 80.0)
    assert conversions["3"] == (25.0, 20.0)


def test_a_call_converts_the_deals_of_the_main_step_before_it(run):
    given = entries("1 1.1", "1 1.1 2", "1 2", "1", "1.1")
    conversions = by_step(
        run,
        "deals_entered, conversion_from_previous_pct, conversion_from_first_pct",
        int_deal_funnel_entries=given,
    )
    assert conversions["1.1"] == (3, 50.0, 50.0)
    assert conversions["2"] == (2, 50.0, 50.0)  # the call is no denominator


def test_a_call_after_a_later_step_is_held_against_the_deals_that_reached_that_step(run):
    funnel = Funnel((*FUNNEL.steps[:1], FUNNEL.steps[2], FUNNEL.steps[1], *FUNNEL.steps[3:]))
    given = entries("1 1.1", "1 1.1 2", "1 2", "1", "1.1")
    conversions = by_step(
        run,
        "conversion_from_previous_pct, conversion_from_first_pct",
        funnel=funnel,
        int_deal_funnel_entries=given,
    )
    assert conversions["1.1"] == (50.0, 50.0)  # one of the two that reached 2; two of all four
    assert conversions["3"] == (0.0, 0.0)


def test_a_call_before_the_first_main_step_has_nothing_to_convert_from(run):
    funnel = Funnel((FUNNEL.steps[1], FUNNEL.steps[0]))
    conversions = by_step(
        run,
        "conversion_from_previous_pct, conversion_from_first_pct",
        funnel=funnel,
        int_deal_funnel_entries=entries("1.1 1", "1"),
    )
    assert conversions == {"1.1": (None, 50.0), "1": (None, 100.0)}


def test_calls_of_other_deals_are_not_held_against_the_deals_of_the_funnel(run):
    given = entries("1", "1 2", "1.1", "1.1")
    assert by_step(
        run,
        "deals_entered, conversion_from_previous_pct, conversion_from_first_pct",
        int_deal_funnel_entries=given,
    )["1.1"] == (2, None, None)


def test_lost_converts_from_the_first_step_only_by_the_deals_that_reached_it(run):
    given = entries("1 Lost", "2 Lost", "1", "3", "Lost")
    assert by_step(
        run,
        "deals_entered, conversion_from_previous_pct, conversion_from_first_pct",
        int_deal_funnel_entries=given,
    )["Lost"] == (3, None, 50.0)


@pytest.mark.parametrize("given", [entries(), entries("Lost", "1.1")])
def test_without_a_deal_in_a_main_step_every_conversion_is_not_available(run, given):
    conversions = by_step(
        run,
        "conversion_from_previous_pct, conversion_from_first_pct",
        int_deal_funnel_entries=given,
    )
    assert set(conversions.values()) == {(None, None)}
    assert conversions.keys() == {"1", "1.1", "2", "3", "Lost"}


def test_deals_that_are_not_lost_stand_at_their_furthest_main_step(run):
    deals = """
        deal_id | status | furthest_step
        1       | open   | 1
        2       | won    | 1
        3       | lost   | 1
        4       | won    | 2
        5       | open   | -
    """
    assert by_step(run, "deals_not_lost", obt_deals=deals) == {
        "1": 2,
        "1.1": None,
        "2": 1,
        "3": 0,
        "Lost": None,
    }


def test_of_deals_that_are_not_lost_it_is_not_decided_whether_they_go_on(run):
    found = by_step(
        run,
        "conversion_from_previous_pct, decided_conversion_pct",
        int_deal_funnel_entries=entries("1", "1", "1 Lost", "1 2", "1 2 3"),
        obt_deals="""
            deal_id | status | furthest_step
            0       | open   | 1
            1       | won    | 1
            2       | lost   | 1
            3       | open   | 2
            4       | open   | 3
        """,
    )
    assert {step: rates for step, rates in found.items() if step in ("1", "2", "3")} == {
        "1": (None, None),
        "2": (40.0, pytest.approx(200 / 3)),
        "3": (50.0, 100.0),
    }
