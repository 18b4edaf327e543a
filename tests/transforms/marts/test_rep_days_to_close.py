"""How long deals take until they are won or lost."""

from datetime import datetime

import pytest


def test_closed_deals_have_quantiles_of_their_days(run):
    [(deals, median, p75, p90)] = run(
        "rep_days_to_close",
        "deals, median_days, p75_days, p90_days",
        obt_deals="""
            deal_id | status | created_at | days_to_close
            1       | lost   | 2024-01-01 | 1
            2       | lost   | 2024-01-01 | 2
            3       | lost   | 2024-01-01 | 4
            4       | lost   | 2024-01-01 | 13
        """,
    )
    assert (deals, median, p75) == (4, 3.0, 6.25)
    assert p90 == pytest.approx(4 + 0.7 * (13 - 4))


def test_open_deals_are_measured_up_to_as_of(run):
    assert run(
        "rep_days_to_close",
        "status, deals, median_days",
        as_of=datetime(2024, 1, 11),
        obt_deals="""
            deal_id | status | created_at | days_to_close
            1       | open   | 2024-01-01 | -
            2       | won    | 2024-01-01 | 3
        """,
    ) == [("open", 1, 10.0), ("won", 1, 3.0)]


def test_deals_that_were_not_there_yet_are_left_out(run):
    assert run(
        "rep_days_to_close",
        "status, deals, median_days",
        as_of=datetime(2024, 1, 11),
        obt_deals="""
            deal_id | status | created_at | days_to_close
            1       | open   | 2024-01-01 | -
            2       | open   | 2024-01-11 | -
            3       | open   | 2024-01-12 | -
        """,
    ) == [("open", 2, 5.0)]


def test_deals_of_which_it_is_not_known_when_they_were_closed_are_left_out_too(run):
    assert run(
        "rep_days_to_close",
        "status, deals, median_days",
        as_of=datetime(2024, 1, 11),
        obt_deals="""
            deal_id | status | created_at | days_to_close
            1       | won    | 2024-01-01 | 3
            2       | won    | 2024-01-01 | -
            3       | lost   | 2024-01-01 | -
        """,
    ) == [("won", 1, 3.0)]


def test_deals_whose_creation_is_not_known_are_left_out(run):
    assert run(
        "rep_days_to_close",
        "status, deals",
        obt_deals="""
            deal_id | status | created_at | days_to_close
            1       | lost   | -          | -
            2       | lost   | 2024-01-01 | 3
            3       | open   | -          | -
        """,
    ) == [("lost", 1)]
