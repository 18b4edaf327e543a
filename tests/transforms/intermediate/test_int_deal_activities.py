"""The first done call of a deal."""

from datetime import datetime

from transforms.funnel import Funnel, Step


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


def test_a_deal_has_a_row_for_each_of_its_call_steps(run):
    assert run(
        "int_deal_activities",
        "deal_id, funnel_step, kpi_name, done_activities",
        stg_activities="""
            activity_type | deal_id | is_done | due_at
            meeting       | 7       | true    | 2024-02-01 09:00
            sc_2          | 7       | true    | 2024-03-01 09:00
            sc_2          | 8       | true    | 2024-03-01 09:00
        """,
    ) == [
        (7, "2.1", "Sales Call 1", 1),
        (7, "3.1", "Sales Call 2", 1),
        (8, "3.1", "Sales Call 2", 1),
    ]


def test_activities_of_other_types_enter_no_step(run):
    assert (
        run(
            "int_deal_activities",
            "deal_id",
            stg_activities="""
            activity_type | deal_id | is_done | due_at
            follow_up     | 7       | true    | 2024-02-01 09:00
            -             | 7       | true    | 2024-02-01 09:00
            """,
        )
        == []
    )


def test_without_a_deal_or_a_time_an_activity_does_not_count(run):
    assert run(
        "int_deal_activities",
        "deal_id, entered_at, done_activities",
        stg_activities="""
            activity_type | deal_id | is_done | due_at
            meeting       | -       | true    | 2024-01-01 09:00
            meeting       | 7       | true    | -
            meeting       | 7       | true    | 2024-02-01 09:00
        """,
    ) == [(7, datetime(2024, 2, 1, 9), 1)]


def test_a_deal_whose_calls_are_all_open_is_not_there(run):
    assert (
        run(
            "int_deal_activities",
            "deal_id",
            stg_activities="""
            activity_type | deal_id | is_done | due_at
            meeting       | 7       | false   | 2024-01-01 09:00
            """,
        )
        == []
    )


def test_a_step_can_match_several_types(run):
    step = Step("1.5", "Call", "activity", ("Phone Call", "video"))
    assert run(
        "int_deal_activities",
        "deal_id, funnel_step, kpi_name, entered_at, done_activities",
        funnel=Funnel((step,)),
        stg_activities="""
            activity_type | deal_id | is_done | due_at
            video         | 7       | true    | 2024-03-01 09:00
            phone_call    | 7       | true    | 2024-02-01 09:00
            meeting       | 7       | true    | 2024-01-01 09:00
        """,
    ) == [(7, "1.5", "Call", datetime(2024, 2, 1, 9), 2)]


def test_a_funnel_without_activity_steps_has_no_entries_by_activity(run):
    assert (
        run(
            "int_deal_activities",
            "deal_id",
            funnel=Funnel((Step("1", "Leads", "stage", ("leads",)),)),
            stg_activities="""
            activity_type | deal_id | is_done | due_at
            meeting       | 7       | true    | 2024-01-01 09:00
            """,
        )
        == []
    )
