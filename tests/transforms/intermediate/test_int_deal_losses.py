"""When and why deals were lost, and where they stood."""

from datetime import datetime

OPTIONS = """
    field_key   | option_id | option_label
    lost_reason | 1         | Pricing Issues
    lost_reason | 2         | Duplicate Entry
    other_field | 3         | Not a reason
"""


def losses(run, columns, **tables):
    """The given columns of the losses, with the options above."""
    return run(
        "int_deal_losses", columns, **{"stg_field_options": OPTIONS, "stg_deals": "", **tables}
    )


def test_the_reason_is_named_by_the_field_options(run):
    assert losses(
        run,
        "deal_id, lost_at, lost_reason_id, lost_reason_label",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            7       | 2024-01-01 09:00 | lost_reason       | 2
            8       | 2024-01-02 09:00 | lost_reason       | 1.0
        """,
    ) == [
        (7, datetime(2024, 1, 1, 9), 2, "Duplicate Entry"),
        (8, datetime(2024, 1, 2, 9), 1, "Pricing Issues"),
    ]


def test_a_reason_that_no_option_has_is_unknown(run):
    assert losses(
        run,
        "deal_id, lost_reason_id, lost_reason_label",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            1       | 2024-01-01 09:00 | lost_reason       | 3
            2       | 2024-01-01 09:00 | lost_reason       | 77
            3       | 2024-01-01 09:00 | lost_reason       | ~0123456789abcdef
        """,
    ) == [
        (1, 3, "Unknown reason"),
        (2, 77, "Unknown reason"),
        (3, None, "Unknown reason"),
    ]


def test_an_option_without_a_label_is_an_unknown_reason(run):
    assert losses(
        run,
        "lost_reason_id, lost_reason_label",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            1       | 2024-01-01 09:00 | lost_reason       | 5
        """,
        stg_field_options="""
            field_key   | option_id | option_label
            lost_reason | 5         | -
        """,
    ) == [(5, "Unknown reason")]


def test_an_emptied_reason_is_no_loss(run):
    assert (
        losses(
            run,
            "deal_id",
            stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            7       | 2024-01-01 09:00 | lost_reason       | -
            """,
        )
        == []
    )


def test_a_deal_can_be_lost_more_than_once(run):
    assert losses(
        run,
        "deal_id, lost_at, lost_reason_id",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            7       | 2024-01-01 09:00 | lost_reason       | 1
            7       | 2024-02-01 09:00 | stage_id          | 1
            7       | 2024-03-01 09:00 | lost_reason       | 2
            7       | 2024-03-01 09:00 | lost_reason       | 1
        """,
    ) == [
        (7, datetime(2024, 1, 1, 9), 1),
        (7, datetime(2024, 3, 1, 9), 1),
        (7, datetime(2024, 3, 1, 9), 2),
    ]


def test_stage_at_loss_is_the_latest_one_entered_by_then(run):
    assert losses(
        run,
        "deal_id, stage_id",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            7       | 2024-01-01 09:00 | stage_id          | 5
            7       | 2024-01-02 09:00 | stage_id          | 3
            7       | 2024-01-03 09:00 | stage_id          | ~0123456789abcdef
            7       | 2024-01-03 09:00 | user_id           | 8
            7       | 2024-02-01 09:00 | lost_reason       | 1
            7       | 2024-03-01 09:00 | stage_id          | 6
            8       | 2024-01-31 09:00 | stage_id          | 9
        """,
    ) == [(7, 3)]


def test_a_stage_entered_at_the_very_time_of_the_loss_comes_after_it(run):
    assert losses(
        run,
        "stage_id",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            7       | 2024-01-01 09:00 | stage_id          | 5
            7       | 2024-02-01 09:00 | lost_reason       | 1
            7       | 2024-02-01 09:00 | stage_id          | 10
            7       | 2024-02-01 09:00 | stage_id          | 9
        """,
    ) == [(5,)]


def test_a_deal_that_was_lost_as_it_was_made_was_in_its_first_stage(run):
    assert losses(
        run,
        "stage_id",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            7       | 2024-02-01 09:00 | lost_reason       | 1
            7       | 2024-02-01 09:00 | stage_id          | 10
            7       | 2024-02-01 09:00 | stage_id          | 9
        """,
    ) == [(9,)]


def test_a_deal_that_enters_a_stage_at_the_very_time_of_a_loss_can_be_lost_again(run):
    assert losses(
        run,
        "lost_at, stage_id",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            7       | 2024-01-01 09:00 | stage_id          | 5
            7       | 2024-02-01 09:00 | lost_reason       | 1
            7       | 2024-02-01 09:00 | stage_id          | 9
        """,
        stg_deals="""
            deal_id | status | closed_at
            7       | lost   | 2024-06-01 09:00
        """,
    ) == [(datetime(2024, 2, 1, 9), 5), (datetime(2024, 6, 1, 9), 9)]


def test_a_deal_lost_before_its_first_stage_was_in_none(run):
    assert losses(
        run,
        "stage_id",
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            7       | 2024-02-01 09:00 | lost_reason       | 1
            7       | 2024-03-01 09:00 | stage_id          | 5
        """,
    ) == [(None,)]


def test_a_deal_that_only_the_deals_table_calls_lost_is_a_loss_of_unknown_reason(run):
    assert losses(
        run,
        "deal_id, lost_at, lost_reason_id, lost_reason_label, stage_id",
        stg_deals="""
            deal_id | status | closed_at
            7       | lost   | 2024-02-01 09:00
        """,
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            7       | 2024-01-01 09:00 | stage_id          | 5
            7       | 2024-01-31 09:00 | lost_reason       | -
        """,
    ) == [(7, datetime(2024, 2, 1, 9), None, "Unknown reason", 5)]


def test_the_deals_table_adds_no_loss_to_those_of_the_log(run):
    assert losses(
        run,
        "deal_id, lost_at",
        stg_deals="""
            deal_id | status | closed_at
            7       | lost   | 2024-02-01 09:00
        """,
        stg_deal_changes="""
            deal_id | changed_at       | changed_field_key | new_value
            7       | 2024-01-01 09:00 | lost_reason       | 1
        """,
    ) == [(7, datetime(2024, 1, 1, 9))]


REOPENED = """
    deal_id | changed_at       | changed_field_key | new_value
    7       | 2024-01-01 09:00 | stage_id          | 5
    7       | 2024-01-02 09:00 | lost_reason       | 1
    7       | 2024-01-03 09:00 | lost_reason       | -
    7       | 2024-01-04 09:00 | stage_id          | 6
"""


def test_a_reopened_deal_that_the_deals_table_calls_lost_is_lost_again(run):
    assert losses(
        run,
        "lost_at, lost_reason_id, stage_id",
        stg_deals="""
            deal_id | status | closed_at
            7       | lost   | 2024-02-01 09:00
        """,
        stg_deal_changes=REOPENED,
    ) == [(datetime(2024, 1, 2, 9), 1, 5), (datetime(2024, 2, 1, 9), None, 6)]


def test_a_reopened_deal_that_the_deals_table_calls_lost_before_that_is_not(run):
    assert losses(
        run,
        "lost_at",
        stg_deals="""
            deal_id | status | closed_at
            7       | lost   | 2024-01-03 09:00
        """,
        stg_deal_changes=REOPENED,
    ) == [(datetime(2024, 1, 2, 9),)]


def test_a_deal_that_is_won_or_open_or_lost_nobody_knows_when_is_no_loss(run):
    assert (
        losses(
            run,
            "deal_id",
            stg_deals="""
            deal_id | status | closed_at
            1       | won    | 2024-02-01 09:00
            2       | open   | -
            3       | lost   | -
            """,
        )
        == []
    )
