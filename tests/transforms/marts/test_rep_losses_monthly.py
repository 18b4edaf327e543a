"""Losses per month, reason and step."""

from datetime import date

STAGES = """
    stage_id | funnel_step
    1        | 1
    5        | 4
    6        | -
"""


def test_losses_are_counted_by_month_reason_and_step(run):
    assert run(
        "rep_losses_monthly",
        "month, lost_reason_label, funnel_step, deals_count",
        stg_stages=STAGES,
        int_deal_losses="""
            deal_id | lost_at          | lost_reason_label | stage_id
            1       | 2024-01-01 09:00 | Price             | 5
            2       | 2024-01-31 09:00 | Price             | 5
            3       | 2024-01-15 09:00 | Price             | 1
            4       | 2024-01-15 09:00 | Unknown reason    | 1
            5       | 2024-02-01 09:00 | Price             | 5
        """,
    ) == [
        (date(2024, 1, 1), "Price", "1", 1),
        (date(2024, 1, 1), "Price", "4", 2),
        (date(2024, 1, 1), "Unknown reason", "1", 1),
        (date(2024, 2, 1), "Price", "4", 1),
    ]


def test_a_deal_lost_twice_for_one_reason_in_a_month_counts_once(run):
    assert run(
        "rep_losses_monthly",
        "month, deals_count",
        stg_stages=STAGES,
        int_deal_losses="""
            deal_id | lost_at          | lost_reason_label | stage_id
            1       | 2024-01-01 09:00 | Price             | 5
            1       | 2024-01-31 09:00 | Price             | 5
            1       | 2024-02-01 09:00 | Price             | 5
        """,
    ) == [(date(2024, 1, 1), 1), (date(2024, 2, 1), 1)]


def test_a_loss_in_no_stage_of_the_funnel_is_in_step_none(run):
    assert run(
        "rep_losses_monthly",
        "funnel_step, deals_count",
        stg_stages=STAGES,
        int_deal_losses="""
            deal_id | lost_at          | lost_reason_label | stage_id
            1       | 2024-01-01 09:00 | Price             | -
            2       | 2024-01-01 09:00 | Price             | 6
            3       | 2024-01-01 09:00 | Price             | 12345
        """,
    ) == [("none", 3)]


def test_months_are_cut_in_the_time_zone(run):
    assert run(
        "rep_losses_monthly",
        "month, deals_count",
        timezone="Europe/Berlin",
        int_deal_losses="""
            deal_id | lost_at          | lost_reason_label
            1       | 2024-01-31 22:30 | Price
            2       | 2024-01-31 23:30 | Price
        """,
    ) == [(date(2024, 1, 1), 1), (date(2024, 2, 1), 1)]
