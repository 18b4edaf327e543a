"""The owners of a deal, one after the other."""

from datetime import datetime


def test_an_owner_owns_a_deal_until_the_next_one_does(run):
    assert run(
        "stg_deal_owner_changes",
        "deal_id, user_id, owned_from, owned_until",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            7       | 2024-01-03 00:00 | user_id           | 40
            7       | 2024-01-01 00:00 | user_id           | 50
            8       | 2024-01-02 00:00 | user_id           | 60
        """,
    ) == [
        (7, 40, datetime(2024, 1, 3), None),
        (7, 50, datetime(2024, 1, 1), datetime(2024, 1, 3)),
        (8, 60, datetime(2024, 1, 2), None),
    ]


def test_of_two_owners_at_the_same_time_the_greater_id_stays(run):
    assert run(
        "stg_deal_owner_changes",
        "user_id, owned_until",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            7       | 2024-01-01 00:00 | user_id           | 10
            7       | 2024-01-01 00:00 | user_id           | 9
        """,
    ) == [(10, None), (9, datetime(2024, 1, 1))]


def test_other_fields_and_owners_that_are_no_number_are_left_out(run):
    assert run(
        "stg_deal_owner_changes",
        "user_id, owned_until",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            7       | 2024-01-01 00:00 | user_id           | 40
            7       | 2024-01-02 00:00 | user_id           | ~0123456789abcdef
            7       | 2024-01-04 00:00 | stage_id          | 1
        """,
    ) == [(40, None)]


def test_a_change_to_nobody_ends_the_time_of_an_owner(run):
    assert run(
        "stg_deal_owner_changes",
        "user_id, owned_from, owned_until",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            7       | 2024-01-01 00:00 | user_id           | 40
            7       | 2024-01-03 00:00 | user_id           | -
            7       | 2024-01-05 00:00 | user_id           | 50
        """,
    ) == [
        (40, datetime(2024, 1, 1), datetime(2024, 1, 3)),
        (50, datetime(2024, 1, 5), None),
    ]


def test_of_an_owner_and_nobody_at_the_same_time_nobody_stays(run):
    assert run(
        "stg_deal_owner_changes",
        "user_id, owned_until",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            7       | 2024-01-01 00:00 | user_id           | -
            7       | 2024-01-01 00:00 | user_id           | 40
        """,
    ) == [(40, datetime(2024, 1, 1))]
