"""The stages of a deal, one after the other."""

from datetime import datetime


def test_changes_are_numbered_in_order_of_time_then_of_stage_id(run):
    two = datetime(2024, 1, 2)
    assert run(
        "stg_deal_stage_changes",
        "transition_number, stage_id, previous_stage_id, next_stage_id, next_entered_at",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            7       | 2024-01-02 00:00 | stage_id          | 10
            7       | 2024-01-02 00:00 | stage_id          | 9
            7       | 2024-01-01 00:00 | stage_id          | 11
        """,
    ) == [(1, 11, None, 9, two), (2, 9, 11, 10, two), (3, 10, 9, None, None)]


def test_each_deal_begins_anew(run):
    assert run(
        "stg_deal_stage_changes",
        "deal_id, transition_number, previous_stage_id, next_stage_id",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            7       | 2024-01-01 00:00 | stage_id          | 1
            8       | 2024-01-02 00:00 | stage_id          | 2
        """,
    ) == [(7, 1, None, None), (8, 1, None, None)]


def test_other_fields_and_stages_that_are_no_number_are_left_out(run):
    assert run(
        "stg_deal_stage_changes",
        "transition_number, stage_id",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            7       | 2024-01-01 00:00 | user_id           | 1
            7       | 2024-01-02 00:00 | stage_id          | ~0123456789abcdef
            7       | 2024-01-03 00:00 | stage_id          | -
            7       | 2024-01-04 00:00 | stage_id          | 2.0
        """,
    ) == [(1, 2)]
