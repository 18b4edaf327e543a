"""What the export holds, by category."""

from datetime import datetime


def test_rows_are_counted_by_value_with_the_time_that_they_span(run):
    assert run(
        "rep_source_mix",
        "category, value, rows_count, first_at, last_at",
        stg_deal_changes="""
            deal_id | changed_at | changed_field_key
            1       | 2024-01-03 | stage_id
            1       | 2024-01-01 | stage_id
            2       | 2024-01-02 | add_time
        """,
        int_deal_stage_transitions="",
        obt_deals="",
    ) == [
        ("changes by field", "add_time", 1, datetime(2024, 1, 2), datetime(2024, 1, 2)),
        ("changes by field", "stage_id", 2, datetime(2024, 1, 1), datetime(2024, 1, 3)),
    ]


def test_activities_are_counted_twice_all_and_done(run):
    assert run(
        "rep_source_mix",
        "category, value, rows_count",
        stg_activities="""
            activity_id | activity_type | is_done
            1           | meeting       | True
            2           | meeting       | False
            3           | -             | True
        """,
        stg_activity_types="""
            activity_type_id | activity_type
            1                | meeting
        """,
        obt_deals="",
    ) == [
        ("activities by type", None, 1),
        ("activities by type", "meeting", 2),
        ("completed activities by type", None, 1),
        ("completed activities by type", "meeting", 1),
        ("unknown activity types", None, 1),
    ]


def test_stages_outside_the_funnel_are_shown(run):
    rows = run(
        "rep_source_mix",
        "category, value, rows_count",
        int_deal_stage_transitions="""
            deal_id | stage_id | stage_name | funnel_step
            1       | 1        | Leads      | 1
            1       | 2        | Limbo      | -
            2       | 2        | Limbo      | -
            2       | 42       | -          | -
        """,
        obt_deals="",
    )
    assert [row[1:] for row in rows if row[0] == "stages outside the funnel"] == [
        ("Limbo", 2),
        ("Unknown stage #42", 1),
    ]


def test_types_that_are_listed_nowhere_are_shown(run):
    rows = run(
        "rep_source_mix",
        "category, value, rows_count",
        stg_activities="""
            activity_id | activity_type | is_done
            1           | meeting       | False
            2           | lunch         | False
            3           | lunch         | True
        """,
        stg_activity_types="""
            activity_type_id | activity_type
            1                | meeting
        """,
        obt_deals="",
    )
    assert [row[1:] for row in rows if row[0] == "unknown activity types"] == [("lunch", 2)]


def test_deals_are_counted_by_status_and_by_what_they_went_through(run):
    assert run(
        "rep_source_mix",
        "category, value, rows_count",
        obt_deals="""
            deal_id | status | stages_entered | activities_completed
            1       | lost   | 3              | 0
            2       | lost   | 1              | 0
            3       | open   | 3              | 10
        """,
        int_deal_stage_transitions="""
            deal_id | stage_name
            1       | Leads
        """,
    ) == [
        ("deals by completed activities", "0", 2),
        ("deals by completed activities", "10", 1),
        ("deals by stages entered", "1", 1),
        ("deals by stages entered", "3", 2),
        ("deals by status", "lost", 2),
        ("deals by status", "open", 1),
        ("stage entries by stage", "Leads", 1),
        ("stages outside the funnel", "Leads", 1),
    ]
