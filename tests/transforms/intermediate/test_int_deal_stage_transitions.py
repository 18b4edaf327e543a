"""Entries of deals into stages: order, stays, owners."""

from datetime import datetime

STAGES = """
    stage_id | stage_name      | funnel_step
    1        | Lead Generation | 1
    2        | Qualified lead  | 2
    3        | Needs           | 3
    9        | Parking Lot     | -
"""


def transitions(run, columns, changes, **given):
    """The given columns of the transitions, with the stages above."""
    tables = {"stg_stages": STAGES, "stg_deal_changes": changes, "int_deal_losses": ""}
    return run("int_deal_stage_transitions", columns, **tables | given)


def test_a_stay_ends_with_the_next_entry(run):
    assert transitions(
        run,
        "transition_number, previous_stage_id, stage_id, entered_at, left_at, days_in_stage",
        """
            deal_id | changed_at       | changed_field_key | new_value
            7       | 2024-01-04 12:00 | stage_id          | 2
            7       | 2024-01-01 00:00 | stage_id          | 1
            8       | 2024-01-02 00:00 | stage_id          | 3
        """,
        as_of=datetime(2024, 1, 5),
    ) == [
        (1, None, 1, datetime(2024, 1, 1), datetime(2024, 1, 4, 12), 3.5),
        (1, None, 3, datetime(2024, 1, 2), None, 3.0),
        (2, 1, 2, datetime(2024, 1, 4, 12), None, 0.5),
    ]


def test_a_stage_brings_its_name_and_step_and_an_unknown_one_stays(run):
    assert transitions(
        run,
        "transition_number, stage_id, stage_name, funnel_step",
        """
            deal_id | changed_at       | changed_field_key | new_value
            7       | 2024-01-01 00:00 | stage_id          | 2
            7       | 2024-01-02 00:00 | stage_id          | 9
            7       | 2024-01-03 00:00 | stage_id          | 12345
        """,
    ) == [
        (1, 2, "Qualified lead", "2"),
        (2, 9, "Parking Lot", None),
        (3, 12345, None, None),
    ]


def test_a_loss_before_the_next_entry_ends_the_stay(run):
    assert transitions(
        run,
        "stage_id, next_stage_id, left_at, days_in_stage",
        """
            deal_id | changed_at       | changed_field_key | new_value
            7       | 2024-01-01 00:00 | stage_id          | 1
            7       | 2024-01-11 00:00 | stage_id          | 2
        """,
        int_deal_losses="""
            deal_id | lost_at
            7       | 2024-01-06 00:00
            7       | 2024-01-07 00:00
            7       | 2024-01-12 00:00
            8       | 2024-01-02 00:00
        """,
    ) == [(1, None, datetime(2024, 1, 6), 5.0), (2, None, datetime(2024, 1, 12), 1.0)]


def test_a_loss_after_the_next_entry_does_not_end_the_stay(run):
    assert transitions(
        run,
        "stage_id, next_stage_id, left_at",
        """
            deal_id | changed_at       | changed_field_key | new_value
            7       | 2024-01-01 00:00 | stage_id          | 1
            7       | 2024-01-02 00:00 | stage_id          | 2
        """,
        int_deal_losses="""
            deal_id | lost_at
            7       | 2024-01-03 00:00
        """,
    ) == [(1, 2, datetime(2024, 1, 2)), (2, None, datetime(2024, 1, 3))]


def test_a_loss_at_the_very_time_of_an_entry_does_not_end_it(run):
    assert transitions(
        run,
        "stage_id, next_stage_id, left_at, days_in_stage",
        """
            deal_id | changed_at       | changed_field_key | new_value
            7       | 2024-01-01 00:00 | stage_id          | 1
            7       | 2024-01-02 00:00 | stage_id          | 2
        """,
        int_deal_losses="""
            deal_id | lost_at
            7       | 2024-01-02 00:00
        """,
        as_of=datetime(2024, 1, 12),
    ) == [(1, None, datetime(2024, 1, 2), 1.0), (2, None, None, 10.0)]


def test_an_open_stay_is_measured_up_to_as_of(run):
    assert transitions(
        run,
        "left_at, days_in_stage",
        """
            deal_id | changed_at       | changed_field_key | new_value
            7       | 2024-01-01 00:00 | stage_id          | 1
        """,
        as_of=datetime(2024, 1, 3, 6),
    ) == [(None, 2.25)]


def test_an_as_of_before_the_entry_measures_zero_days(run):
    assert transitions(
        run,
        "left_at, days_in_stage",
        """
            deal_id | changed_at       | changed_field_key | new_value
            7       | 2024-01-01 00:00 | stage_id          | 1
        """,
        as_of=datetime(2023, 1, 1),
    ) == [(None, 0.0)]


def test_a_stay_that_ended_is_not_measured_by_as_of(run):
    assert transitions(
        run,
        "days_in_stage",
        """
            deal_id | changed_at       | changed_field_key | new_value
            7       | 2024-01-01 00:00 | stage_id          | 1
        """,
        int_deal_losses="""
            deal_id | lost_at
            7       | 2024-01-05 00:00
        """,
        as_of=datetime(2023, 1, 1),
    ) == [(4.0,)]


def test_entries_at_the_same_time_are_in_order_of_stage_id(run):
    noon = datetime(2024, 1, 1, 12)
    assert transitions(
        run,
        "transition_number, stage_id, previous_stage_id, left_at, days_in_stage",
        """
            deal_id | changed_at       | changed_field_key | new_value
            7       | 2024-01-01 12:00 | stage_id          | 10
            7       | 2024-01-01 12:00 | stage_id          | 9
            7       | 2024-01-01 11:00 | stage_id          | 11
        """,
        as_of=datetime(2024, 1, 2, 12),
    ) == [
        (1, 11, None, noon, 1 / 24),
        (2, 9, 11, noon, 0.0),
        (3, 10, 9, None, 1.0),
    ]


def test_stages_can_be_skipped_repeated_and_gone_back_to(run):
    assert transitions(
        run,
        "transition_number, stage_id, previous_stage_id",
        """
            deal_id | changed_at       | changed_field_key | new_value
            7       | 2024-01-01 00:00 | stage_id          | 1
            7       | 2024-01-02 00:00 | stage_id          | 3
            7       | 2024-01-03 00:00 | stage_id          | 1
            7       | 2024-01-04 00:00 | stage_id          | 1
        """,
    ) == [(1, 1, None), (2, 3, 1), (3, 1, 3), (4, 1, 1)]


def test_a_stage_that_is_not_a_number_is_no_entry(run):
    assert transitions(
        run,
        "transition_number, stage_id, left_at",
        """
            deal_id | changed_at       | changed_field_key | new_value
            7       | 2024-01-01 00:00 | stage_id          | 1
            7       | 2024-01-02 00:00 | stage_id          | ~0123456789abcdef
            7       | 2024-01-03 00:00 | stage_id          | -
            7       | 2024-01-04 00:00 | stage_id          | 2.0
        """,
    ) == [(1, 1, datetime(2024, 1, 4)), (2, 2, None)]


def test_the_owner_is_the_one_at_that_time(run):
    assert transitions(
        run,
        "transition_number, user_id",
        """
            deal_id | changed_at       | changed_field_key | new_value
            7       | 2024-01-01 00:00 | stage_id          | 1
            7       | 2024-01-02 00:00 | user_id           | 50
            7       | 2024-01-03 00:00 | stage_id          | 2
            7       | 2024-01-04 00:00 | user_id           | 40
            7       | 2024-01-05 00:00 | stage_id          | 3
            7       | 2024-01-06 00:00 | stage_id          | 1
            8       | 2024-01-01 00:00 | user_id           | 60
        """,
    ) == [(1, None), (2, 50), (3, 40), (4, 40)]


def test_an_owner_of_the_same_instant_already_owns_the_deal(run):
    assert transitions(
        run,
        "stage_id, user_id",
        """
            deal_id | changed_at       | changed_field_key | new_value
            7       | 2024-01-01 00:00 | user_id           | 99
            7       | 2024-01-02 00:00 | stage_id          | 1
            7       | 2024-01-02 00:00 | user_id           | 10
            7       | 2024-01-02 00:00 | user_id           | 9
        """,
    ) == [(1, 10)]


def test_an_owner_that_is_not_a_number_leaves_the_one_before(run):
    assert transitions(
        run,
        "stage_id, user_id",
        """
            deal_id | changed_at       | changed_field_key | new_value
            7       | 2024-01-01 00:00 | user_id           | 40
            7       | 2024-01-02 00:00 | user_id           | ~0123456789abcdef
            7       | 2024-01-03 00:00 | stage_id          | 1
        """,
    ) == [(1, 40)]
