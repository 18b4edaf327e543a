"""Activities, normalised."""

from datetime import datetime


def test_types_are_codes(run):
    assert run(
        "stg_activities",
        "activity_id, activity_type",
        raw_activity="""
            activity_id | type
            1           | SC-2
            2           | sc_2
            3           | Follow   Up
            4           | Meeting
            5           | -
        """,
    ) == [(1, "sc_2"), (2, "sc_2"), (3, "follow_up"), (4, "meeting"), (5, None)]


def test_not_said_to_be_done_counts_as_not_done(run):
    assert run(
        "stg_activities",
        "activity_id, is_done",
        raw_activity="""
            activity_id | done
            1           | true
            2           | false
            3           | -
        """,
    ) == [(1, True), (2, False), (3, False)]


def test_different_activities_under_one_id_all_stay(run):
    assert run(
        "stg_activities",
        "activity_id, user_id, deal_id, due_at",
        raw_activity="""
            activity_id | assigned_to_user | deal_id | due_to
            1           | 7                | 10      | 2024-01-01 09:00
            1           | 8                | 20      | 2024-01-02 09:00
        """,
    ) == [(1, 7, 10, datetime(2024, 1, 1, 9)), (1, 8, 20, datetime(2024, 1, 2, 9))]


def test_an_activity_without_deal_user_and_time_stays(run):
    assert run(
        "stg_activities",
        "activity_id, user_id, deal_id, due_at",
        raw_activity="""
            activity_id | type
            1           | meeting
        """,
    ) == [(1, None, None, None)]
