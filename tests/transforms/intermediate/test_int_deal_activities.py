"""The first done call of a deal."""

from datetime import datetime


def test_entry_is_the_earliest_done_activity_even_if_an_open_one_is_earlier(run):
    assert run(
        "int_deal_activities",
        "deal_id, funnel_step, kpi_name, entered_at, done_activities",
        stg_activities="""
            activity_type | deal_id | is_done | due_at
            meeting       | 7       | false   | 2024-01-01 09:00
            meeting       | 7       | true    | 2024-02-01 09:00
            meeting       | 7       | true    | 2024-03-01 09:00
        """,
    ) == [(7, "2.1", "Sales Call 1", datetime(2024, 2, 1, 9), 2)]
