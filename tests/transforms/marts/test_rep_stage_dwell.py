"""How long deals stay in a step."""

from datetime import datetime

import pytest

from transforms.funnel import Funnel, Step

ONE_STEP = Funnel((Step("1", "Leads", "stage", ("leads",)),))


def test_completed_stays_have_mean_median_and_interpolated_p90(run):
    [(completed, mean, median, p75, p90)] = run(
        "rep_stage_dwell",
        "completed_stays, mean_days, median_days, p75_days, p90_days",
        funnel=ONE_STEP,
        int_deal_stage_transitions="""
            funnel_step | left_at    | days_in_stage
            1           | 2024-01-02 | 1
            1           | 2024-01-02 | 2
            1           | 2024-01-02 | 4
            1           | 2024-01-02 | 13
        """,
    )
    assert (completed, mean, median, p75) == (4, 5.0, 3.0, 6.25)
    assert p90 == pytest.approx(4 + 0.7 * (13 - 4))


def test_days_can_add_up_to_more_than_64_bits_of_microseconds(run):
    assert run(
        "rep_stage_dwell",
        "completed_stays, mean_days",
        funnel=ONE_STEP,
        int_deal_stage_transitions="""
            funnel_step | left_at    | days_in_stage
            1           | 2024-01-02 | 100000000
            1           | 2024-01-02 | 100000000
        """,
    ) == [(2, 1e8)]


def test_open_stays_are_measured_apart(run):
    assert run(
        "rep_stage_dwell",
        "completed_stays, mean_days, median_days, p90_days, open_stays, open_median_days",
        funnel=ONE_STEP,
        int_deal_stage_transitions="""
            funnel_step | entered_at | left_at    | days_in_stage
            1           | 2022-01-01 | 2024-01-02 | 3
            1           | 2022-01-01 | -          | 500
            1           | 2022-01-01 | -          | 600
        """,
    ) == [(1, 3.0, 3.0, 3.0, 2, 550.0)]


def test_open_stays_that_had_not_begun_are_not_measured(run):
    assert run(
        "rep_stage_dwell",
        "open_stays, open_median_days",
        funnel=ONE_STEP,
        as_of=datetime(2024, 1, 3),
        int_deal_stage_transitions="""
            funnel_step | entered_at          | left_at | days_in_stage
            1           | 2024-01-01          | -       | 2
            1           | 2024-01-03          | -       | 0
            1           | 2024-01-03 00:00:01 | -       | 0
        """,
    ) == [(3, 1.0)]


def test_a_step_with_open_stays_only_has_no_measures(run):
    assert run(
        "rep_stage_dwell",
        "completed_stays, mean_days, median_days, p90_days, open_stays",
        funnel=ONE_STEP,
        int_deal_stage_transitions="""
            funnel_step | left_at | days_in_stage
            1           | -       | 500
        """,
    ) == [(0, None, None, None, 1)]


def test_every_stage_step_is_there_and_no_other(run):
    rows = run(
        "rep_stage_dwell",
        "funnel_step, kpi_name, completed_stays, mean_days, open_stays",
        int_deal_stage_transitions="""
            funnel_step | left_at    | days_in_stage
            2           | 2024-01-02 | 3
            -           | 2024-01-02 | 3
        """,
    )
    assert [step for step, *_ in rows] == list("123456789")
    assert rows[1] == ("2", "Qualified Lead", 1, 3.0, 0)
    assert rows[2] == ("3", "Needs Assessment", 0, None, 0)
