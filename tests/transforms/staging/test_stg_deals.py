"""Deals: what the change log says of them, and what the deals table says."""

from datetime import datetime

import pytest

STAGES = """
    stage_id | funnel_step
    1        | 1
    6        | 6
    7        | 7
    8        | 8
    99       | -
"""


def deals(run, columns, **tables):
    """The given columns of the deals, with the stages above."""
    return run("stg_deals", columns, stg_stages=STAGES, **tables)


# Status, derived.


def test_a_deal_with_stages_and_no_loss_is_open(run):
    assert deals(
        run,
        "deal_id, status, closed_at, lost_reason_id",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            1       | 2024-01-01 00:00 | add_time          | 2024-01-01 00:00
            1       | 2024-01-02 00:00 | stage_id          | 1
        """,
    ) == [(1, "open", None, None)]


def test_a_loss_after_the_last_stage_makes_a_deal_lost(run):
    assert deals(
        run,
        "status, closed_at, lost_reason_id",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            1       | 2024-01-02 00:00 | stage_id          | 1
            1       | 2024-02-02 00:00 | lost_reason       | 4
        """,
    ) == [("lost", datetime(2024, 2, 2), 4)]


def test_a_lost_deal_that_enters_a_stage_again_is_open(run):
    assert deals(
        run,
        "status, closed_at, lost_reason_id",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            1       | 2024-01-02 00:00 | stage_id          | 1
            1       | 2024-02-02 00:00 | lost_reason       | 4
            1       | 2024-03-02 00:00 | stage_id          | 6
        """,
    ) == [("open", None, None)]


def test_a_loss_at_the_very_time_of_the_last_stage_is_not_later(run):
    assert deals(
        run,
        "status, closed_at",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            1       | 2024-01-02 00:00 | stage_id          | 1
            1       | 2024-01-02 00:00 | lost_reason       | 4
        """,
    ) == [("open", None)]


def test_a_loss_a_microsecond_after_the_last_stage_is_later(run):
    assert deals(
        run,
        "status",
        stg_deal_changes="""
            deal_id | changed_at                 | changed_field_key | new_value
            1       | 2024-01-02 00:00:00.000000 | stage_id          | 1
            1       | 2024-01-02 00:00:00.000001 | lost_reason       | 4
        """,
    ) == [("lost",)]


def test_a_loss_without_any_stage_makes_a_deal_lost(run):
    assert deals(
        run,
        "status, closed_at",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            1       | 2024-02-02 00:00 | lost_reason       | 4
        """,
    ) == [("lost", datetime(2024, 2, 2))]


def test_an_emptied_lost_reason_is_no_loss(run):
    assert deals(
        run,
        "status, closed_at",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            1       | 2024-01-02 00:00 | stage_id          | 1
            1       | 2024-02-02 00:00 | lost_reason       | -
        """,
    ) == [("open", None)]


def test_the_reason_of_an_earlier_loss_is_not_that_of_one_which_only_the_deals_table_has(run):
    assert deals(
        run,
        "deal_id, closed_at, lost_reason_id",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            1       | 2024-01-02 00:00 | lost_reason       | 4
            1       | 2024-01-03 00:00 | stage_id          | 1
            2       | 2024-01-02 00:00 | lost_reason       | 4
            2       | 2024-01-03 00:00 | stage_id          | 1
            3       | 2024-01-02 00:00 | lost_reason       | 4
        """,
        raw_deals="""
            deal_id | source_row | status | lost_time
            1       | 1          | lost   | 2024-02-01
            2       | 2          | lost   | 2024-01-02
            3       | 3          | lost   | 2024-02-01
        """,
    ) == [
        (1, datetime(2024, 2, 1), None),
        (2, datetime(2024, 1, 2), 4),
        (3, datetime(2024, 2, 1), 4),
    ]


def test_a_reason_that_is_not_a_number_is_a_loss_without_reason_id(run):
    assert deals(
        run,
        "status, closed_at, lost_reason_id",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            1       | 2024-01-02 00:00 | stage_id          | 1
            1       | 2024-02-02 00:00 | lost_reason       | 4
            1       | 2024-03-02 00:00 | lost_reason       | ~0123456789abcdef
        """,
    ) == [("lost", datetime(2024, 3, 2), None)]


def test_a_stage_that_is_not_a_number_does_not_reopen_a_deal(run):
    assert deals(
        run,
        "status, stage_id",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            1       | 2024-01-02 00:00 | stage_id          | 1
            1       | 2024-02-02 00:00 | lost_reason       | 4
            1       | 2024-03-02 00:00 | stage_id          | ~0123456789abcdef
            1       | 2024-03-03 00:00 | stage_id          | 6.5
            1       | 2024-03-04 00:00 | stage_id          | -
        """,
    ) == [("lost", 1)]


def test_a_deal_that_entered_a_won_step_is_won_since_the_first_time(run):
    assert deals(
        run,
        "status, closed_at",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            1       | 2024-01-02 00:00 | stage_id          | 6
            1       | 2024-02-02 00:00 | stage_id          | 7
            1       | 2024-03-02 00:00 | stage_id          | 8
        """,
    ) == [("won", datetime(2024, 2, 2))]


def test_a_won_deal_stays_won_when_it_goes_back_to_an_earlier_stage(run):
    assert deals(
        run,
        "status, closed_at, stage_id",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            1       | 2024-02-02 00:00 | stage_id          | 7
            1       | 2024-03-02 00:00 | stage_id          | 1
        """,
    ) == [("won", datetime(2024, 2, 2), 1)]


def test_a_won_deal_that_is_lost_later_is_lost(run):
    assert deals(
        run,
        "status, closed_at",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            1       | 2024-02-02 00:00 | stage_id          | 7
            1       | 2024-03-02 00:00 | lost_reason       | 1
        """,
    ) == [("lost", datetime(2024, 3, 2))]


def test_a_lost_deal_that_is_won_later_is_won(run):
    assert deals(
        run,
        "status, closed_at, lost_reason_id",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            1       | 2024-02-02 00:00 | lost_reason       | 1
            1       | 2024-03-02 00:00 | stage_id          | 7
        """,
    ) == [("won", datetime(2024, 3, 2), None)]


def test_unknown_stages_and_stages_of_no_step_do_not_win(run):
    assert deals(
        run,
        "deal_id, status, stage_id",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            1       | 2024-02-02 00:00 | stage_id          | 99
            2       | 2024-02-02 00:00 | stage_id          | 12345
        """,
    ) == [(1, "open", 99), (2, "open", 12345)]


def test_a_user_id_equal_to_a_won_stage_does_not_win(run):
    assert deals(
        run,
        "status, user_id, stage_id",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            1       | 2024-02-02 00:00 | user_id           | 7
        """,
    ) == [("open", 7, None)]


# The other columns, derived.


def test_a_deal_was_created_at_its_first_add_time_change(run):
    assert deals(
        run,
        "deal_id, created_at",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            1       | 2024-05-05 00:00 | add_time          | 2024-05-05 00:00
            1       | 2024-01-01 00:00 | add_time          | 2023-07-07 00:00
            1       | 2023-12-01 00:00 | stage_id          | 1
            2       | 2024-01-01 00:00 | stage_id          | 1
        """,
    ) == [(1, datetime(2024, 1, 1)), (2, None)]


def test_owner_and_stage_are_those_of_the_latest_change(run):
    assert deals(
        run,
        "user_id, stage_id",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            1       | 2024-03-01 00:00 | user_id           | 30
            1       | 2024-01-01 00:00 | user_id           | 50
            1       | 2024-04-01 00:00 | user_id           | ~0123456789abcdef
            1       | 2024-01-01 00:00 | stage_id          | 6
            1       | 2024-02-01 00:00 | stage_id          | 1
        """,
    ) == [(30, 1)]


@pytest.mark.parametrize("field", ["user_id", "stage_id", "lost_reason"])
def test_of_changes_at_the_same_time_the_greater_number_is_the_later(run, field):
    assert deals(
        run,
        {"lost_reason": "lost_reason_id"}.get(field, field),
        stg_deal_changes=f"""
            deal_id | changed_at       | changed_field_key | new_value
            1       | 2024-01-01 00:00 | {field}           | 9
            1       | 2024-01-01 00:00 | {field}           | 10
            1       | 2024-01-01 00:00 | {field}           | 8
            1       | 2024-01-01 00:00 | {field}           | ~0123456789abcdef
        """,
    ) == [(10,)]


# The deals table.


def test_a_deal_that_is_only_in_the_deals_table_is_a_deal(run):
    assert deals(
        run,
        "deal_id, created_at, user_id, stage_id, status, closed_at, value, currency",
        raw_deals="""
            deal_id | status | user_id | stage_id | value | currency | add_time   | won_time
            5       | won    | 3       | 8        | 12.5  | eur      | 2024-01-01 | 2024-02-02
        """,
    ) == [(5, datetime(2024, 1, 1), 3, 8, "won", datetime(2024, 2, 2), 12.5, "EUR")]


def test_the_deals_table_wins_where_it_has_a_value(run):
    assert deals(
        run,
        "created_at, user_id, stage_id, status, closed_at",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            1       | 2024-01-01 00:00 | add_time          | 2024-01-01 00:00
            1       | 2024-01-01 00:00 | user_id           | 3
            1       | 2024-01-01 00:00 | stage_id          | 7
        """,
        raw_deals="""
            deal_id | status | user_id | stage_id | add_time   | lost_time
            1       | lost   | 4       | 6        | 2023-01-01 | 2024-09-09
        """,
    ) == [(datetime(2023, 1, 1), 4, 6, "lost", datetime(2024, 9, 9))]


def test_in_place_of_an_owner_who_is_forgotten_there_is_not_the_one_of_the_log(run):
    assert deals(
        run,
        "deal_id, user_id",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            1       | 2024-01-01 00:00 | user_id           | 3
            2       | 2024-01-01 00:00 | user_id           | 3
        """,
        raw_deals="""
            deal_id | user_id | user_id_is_forgotten
            1       | -       | true
            2       | -       | false
        """,
    ) == [(1, None), (2, 3)]


def test_the_log_fills_what_the_deals_table_leaves_empty(run):
    assert deals(
        run,
        "created_at, user_id, stage_id, status, closed_at, lost_reason_id, value",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            1       | 2024-01-01 00:00 | add_time          | 2024-01-01 00:00
            1       | 2024-01-01 00:00 | user_id           | 3
            1       | 2024-01-01 00:00 | stage_id          | 7
            1       | 2024-02-02 00:00 | lost_reason       | 4
        """,
        raw_deals="""
            deal_id | value
            1       | 100
        """,
    ) == [(datetime(2024, 1, 1), 3, 7, "lost", datetime(2024, 2, 2), 4, 100.0)]


def test_a_won_deal_without_won_time_closed_when_it_entered_a_won_step(run):
    assert deals(
        run,
        "status, closed_at, lost_reason_id",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            1       | 2024-01-01 00:00 | stage_id          | 7
            1       | 2024-02-02 00:00 | lost_reason       | 4
        """,
        raw_deals="""
            deal_id | status | lost_time
            1       | won    | 2024-02-02
        """,
    ) == [("won", datetime(2024, 1, 1), None)]


def test_when_a_deal_was_closed_is_what_the_deals_table_says(run):
    assert deals(
        run,
        "deal_id, status, closed_at, lost_reason_id",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            1       | 2024-01-01 00:00 | stage_id          | 7
            2       | 2024-01-01 00:00 | lost_reason       | 4
        """,
        raw_deals="""
            deal_id | status | won_time   | lost_time
            1       | won    | 2024-05-05 | 2024-06-06
            2       | lost   | 2024-05-05 | 2024-06-06
        """,
    ) == [(1, "won", datetime(2024, 5, 5), None), (2, "lost", datetime(2024, 6, 6), 4)]


def test_a_deal_said_to_be_open_is_not_closed_whatever_the_log_says(run):
    assert deals(
        run,
        "status, closed_at, lost_reason_id",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            1       | 2024-02-02 00:00 | lost_reason       | 4
        """,
        raw_deals="""
            deal_id | status | lost_time  | won_time
            1       | open   | 2024-02-02 | 2024-03-03
        """,
    ) == [("open", None, None)]


def test_a_status_is_understood_in_any_case_and_an_unknown_one_falls_back_to_the_log(run):
    assert deals(
        run,
        "deal_id, status",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            1       | 2024-01-01 00:00 | stage_id          | 7
            2       | 2024-01-01 00:00 | stage_id          | 7
            3       | 2024-01-01 00:00 | stage_id          | 7
        """,
        raw_deals="""
            deal_id | status
            1       | LOST
            2       | deleted
            3       | -
            4       | deleted
        """,
    ) == [(1, "lost"), (2, "won"), (3, "won"), (4, "open")]


def test_of_a_deal_given_twice_the_last_row_wins(run):
    assert deals(
        run,
        "deal_id, status, user_id",
        raw_deals="""
            deal_id | status | user_id | source_row
            1       | won    | -       | 20
            1       | lost   | 3       | 3
        """,
    ) == [(1, "won", None)]


def test_deals_of_both_sources_are_there_once(run):
    assert deals(
        run,
        "deal_id",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            1       | 2024-01-01 00:00 | stage_id          | 1
            2       | 2024-01-01 00:00 | title             | ~0123456789abcdef
        """,
        raw_deals="""
            deal_id
            2
            3
        """,
    ) == [(1,), (2,), (3,)]
