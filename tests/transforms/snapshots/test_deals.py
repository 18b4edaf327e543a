"""The history of deals: what held of each, and when."""

from datetime import datetime

import pytest

STAGES = """
    stage_id | funnel_step
    1        | 1
    2        | 2
    9        | 9
"""
STEPS = """
    funnel_step | is_won
    1           | false
    2           | false
    9           | true
"""
CREATED = """
    deal_id | changed_at       | changed_field_key | new_value
    1       | 2024-01-01 00:00 | add_time          | 2024-01-01 00:00
"""


def day(month: int, day: int) -> datetime:
    return datetime(2024, month, day)


def history(run, columns, changes="", **tables):
    """Columns of the history, from rows of the change log after that of CREATED."""
    log = CREATED.rstrip() + changes if changes else ""
    return run(
        "deals",
        columns,
        stg_stages=STAGES,
        stg_funnel_steps=STEPS,
        stg_deal_changes=log,
        **tables,
    )


def test_each_row_lasts_until_the_next_and_the_last_is_current(run):
    changes = """
    1       | 2024-01-02 00:00 | stage_id          | 1
    1       | 2024-01-05 00:00 | user_id           | 7
    """
    assert history(run, "valid_from, valid_to, is_current, user_id, stage_id", changes) == [
        (day(1, 1), day(1, 2), False, None, None),
        (day(1, 2), day(1, 5), False, None, 1),
        (day(1, 5), None, True, 7, 1),
    ]


def test_without_a_creation_it_begins_with_the_first_change(run):
    log = """
        deal_id | changed_at       | changed_field_key | new_value
        1       | 2024-02-01 00:00 | title             | x
        1       | 2024-03-01 00:00 | title             | y
    """
    assert run("deals", "deal_id, valid_from, status", stg_deal_changes=log) == [
        (1, day(2, 1), "open")
    ]


def test_what_changes_at_the_same_time_is_one_row(run):
    changes = """
    1       | 2024-01-01 00:00 | stage_id          | 1
    1       | 2024-01-01 00:00 | user_id           | 7
    """
    assert history(run, "valid_from, user_id, stage_id", changes) == [(day(1, 1), 7, 1)]


def test_a_change_to_what_holds_already_is_no_row(run):
    changes = """
    1       | 2024-01-01 00:00 | stage_id          | 1
    1       | 2024-01-03 00:00 | stage_id          | 1
    1       | 2024-01-04 00:00 | title             | x
    """
    assert history(run, "valid_from, valid_to", changes) == [(day(1, 1), None)]


def test_of_two_changes_at_the_same_time_the_greater_id_is_the_later(run):
    changes = """
    1       | 2024-01-02 00:00 | stage_id          | 2
    1       | 2024-01-02 00:00 | stage_id          | 1
    1       | 2024-01-02 00:00 | user_id           | 8
    1       | 2024-01-02 00:00 | user_id           | 7
    """
    assert history(run, "valid_from, user_id, stage_id", changes)[1:] == [(day(1, 2), 8, 2)]


def test_a_change_to_nobody_ends_the_time_of_the_owner(run):
    changes = """
    1       | 2024-01-02 00:00 | user_id           | 7
    1       | 2024-01-04 00:00 | user_id           | -
    """
    assert history(run, "valid_from, user_id", changes) == [
        (day(1, 1), None),
        (day(1, 2), 7),
        (day(1, 4), None),
    ]


def test_the_hash_is_the_same_where_the_five_columns_are(run):
    changes = """
    1       | 2024-01-02 00:00 | stage_id          | 1
    1       | 2024-01-03 00:00 | stage_id          | 2
    1       | 2024-01-04 00:00 | stage_id          | 1
    """
    hashes = [row_hash for _, row_hash in history(run, "valid_from, row_hash", changes)]
    assert len(hashes[0]) == 32
    assert hashes[1] == hashes[3]
    assert len({*hashes}) == 3


# Status, by the log.


def test_a_loss_makes_it_lost_until_it_enters_a_stage_again(run):
    changes = """
    1       | 2024-01-02 00:00 | stage_id          | 1
    1       | 2024-02-01 00:00 | lost_reason       | 4
    1       | 2024-02-09 00:00 | lost_reason       | -
    1       | 2024-03-01 00:00 | stage_id          | 2
    """
    assert history(run, "valid_from, status", changes) == [
        (day(1, 1), "open"),
        (day(1, 2), "open"),
        (day(2, 1), "lost"),
        (day(3, 1), "open"),
    ]


def test_a_stage_that_it_enters_at_the_very_time_of_a_loss_comes_after_it(run):
    changes = """
    1       | 2024-01-02 00:00 | stage_id          | 1
    1       | 2024-02-01 00:00 | lost_reason       | 4
    1       | 2024-02-01 00:00 | stage_id          | 2
    """
    assert history(run, "valid_from, status, stage_id", changes)[-1] == (day(2, 1), "open", 2)


def test_of_a_change_to_somebody_and_one_to_nobody_at_the_same_time_nobody_is_the_later(run):
    changes = """
    1       | 2024-01-02 00:00 | user_id           | 6
    1       | 2024-02-01 00:00 | user_id           | -
    1       | 2024-02-01 00:00 | user_id           | 7
    """
    assert history(run, "valid_from, user_id", changes)[-1] == (day(2, 1), None)


def test_a_loss_before_any_stage_makes_it_lost(run):
    changes = """
    1       | 2024-02-01 00:00 | lost_reason       | 4
    """
    assert history(run, "valid_from, status", changes)[-1] == (day(2, 1), "lost")


def test_a_won_stage_makes_it_won_whatever_stage_comes_after(run):
    changes = """
    1       | 2024-01-02 00:00 | stage_id          | 9
    1       | 2024-01-03 00:00 | stage_id          | 2
    """
    assert history(run, "valid_from, status, stage_id", changes)[1:] == [
        (day(1, 2), "won", 9),
        (day(1, 3), "won", 2),
    ]


def test_a_won_stage_that_lasts_no_time_counts(run):
    changes = """
    1       | 2024-01-02 00:00 | stage_id          | 9
    1       | 2024-01-02 00:00 | stage_id          | 77
    1       | 2024-01-03 00:00 | stage_id          | 1
    """
    assert history(run, "valid_from, status, stage_id", changes)[1:] == [
        (day(1, 2), "won", 77),
        (day(1, 3), "won", 1),
    ]


# What the deals table says.


def test_the_deals_table_counts_from_when_it_was_observed(run):
    changes = """
    1       | 2024-01-02 00:00 | stage_id          | 1
    """
    assert history(
        run,
        "valid_from, status, user_id, stage_id, value, currency",
        changes,
        deal_observations="""
            deal_id | observed_at | status | user_id | stage_id | value | currency
            1       | 2024-06-01  | lost   | 7       | 2        | 10.5  | EUR
            1       | 2024-07-01  | lost   | 7       | 2        | 99    | EUR
        """,
    ) == [
        (day(1, 1), "open", None, None, None, None),
        (day(1, 2), "open", None, 1, None, None),
        (day(6, 1), "lost", 7, 2, 10.5, "EUR"),
        (day(7, 1), "lost", 7, 2, 99.0, "EUR"),
    ]


def test_it_is_closed_when_the_deals_table_says_so(run):
    assert history(
        run,
        "valid_from, status",
        stg_deals="""
            deal_id | created_at       | status | closed_at
            1       | 2024-01-01 00:00 | lost   | 2024-03-01 00:00
        """,
    ) == [(day(1, 1), "open"), (day(3, 1), "lost")]


def test_what_the_deals_table_says_is_won_stays_won_in_another_stage(run):
    """As it does where a later run reads in the history that it was won."""
    log = """
        deal_id | changed_at       | changed_field_key | new_value
        1       | 2024-02-02 00:00 | stage_id          | 1
    """
    tables = {
        "stg_deals": """
            deal_id | created_at | status | closed_at
            1       | -          | won    | 2024-01-05 00:00
        """,
        "stg_deal_changes": log,
    }
    expected = [(day(1, 5), "won", None), (day(2, 2), "won", 1)]
    assert run("deals", "valid_from, status, stage_id", **tables) == expected


def test_what_the_table_does_not_say_is_what_the_log_says(run):
    changes = """
    1       | 2024-01-01 00:00 | stage_id          | 1
    1       | 2024-01-01 00:00 | user_id           | 7
    1       | 2024-02-01 00:00 | lost_reason       | 4
    """
    observation = """
        deal_id | observed_at      | status | stage_id
        1       | 2024-06-01 00:00 | -      | 2
    """
    assert history(
        run, "valid_from, status, user_id, stage_id", changes, deal_observations=observation
    )[1:] == [(day(2, 1), "lost", 7, 1), (day(6, 1), "lost", 7, 2)]


def test_the_log_counts_again_when_it_says_something_later(run):
    changes = """
    1       | 2024-07-01 00:00 | stage_id          | 1
    1       | 2024-07-01 00:00 | user_id           | 8
    """
    observation = """
        deal_id | observed_at      | status | user_id | stage_id
        1       | 2024-06-01 00:00 | lost   | 7       | 2
    """
    assert history(
        run, "valid_from, status, user_id, stage_id", changes, deal_observations=observation
    )[1:] == [(day(6, 1), "lost", 7, 2), (day(7, 1), "open", 8, 1)]


def test_at_the_same_time_the_table_counts(run):
    changes = """
    1       | 2024-06-01 00:00 | stage_id          | 3
    1       | 2024-06-01 00:00 | user_id           | 8
    """
    observation = """
        deal_id | observed_at      | status | user_id | stage_id
        1       | 2024-06-01 00:00 | won    | 7       | 2
    """
    assert history(
        run, "valid_from, status, user_id, stage_id", changes, deal_observations=observation
    )[1:] == [(day(6, 1), "won", 7, 2)]


# What earlier runs saw.

BEFORE = """
    deal_id | valid_from       | valid_to         | is_current | status | user_id | stage_id | value
    1       | 2024-01-01 00:00 | 2024-03-01 00:00 | false      | open   | 7       | 1        | -
    1       | 2024-03-01 00:00 | -                | true       | won    | 7       | 9        | 5
"""


def test_a_log_that_begins_late_leaves_what_was_seen_before_it(run):
    log = """
        deal_id | changed_at       | changed_field_key | new_value
        1       | 2024-02-01 00:00 | stage_id          | 2
    """
    assert run(
        "deals",
        "valid_from, valid_to, status, user_id, stage_id",
        before=BEFORE,
        stg_stages=STAGES,
        stg_funnel_steps=STEPS,
        stg_deal_changes=log,
    ) == [(day(1, 1), day(2, 1), "open", 7, 1), (day(2, 1), None, "open", 7, 2)]


def test_what_is_no_currency_does_not_stay(run):
    before = """
        deal_id | valid_from       | valid_to | is_current | status | value | currency
        1       | 2024-01-01 00:00 | -        | true       | open   | 5     | ~0f
        2       | 2024-01-01 00:00 | -        | true       | open   | 5     | EUR
    """
    assert run("deals", "deal_id, currency", before=before) == [(1, None), (2, "EUR")]


def test_what_was_won_before_the_log_begins_stays_won(run):
    log = """
        deal_id | changed_at       | changed_field_key | new_value
        1       | 2024-04-01 00:00 | stage_id          | 2
    """
    assert run(
        "deals",
        "valid_from, status, stage_id, value",
        before=BEFORE,
        stg_stages=STAGES,
        stg_funnel_steps=STEPS,
        stg_deal_changes=log,
    )[1:] == [(day(3, 1), "won", 9, 5.0), (day(4, 1), "won", 2, 5.0)]


def test_a_log_with_the_creation_of_the_deal_knows_it_all(run):
    assert history(run, "valid_from, status, user_id", "\n", before=BEFORE) == [
        (day(1, 1), "open", None)
    ]


def test_what_was_seen_since_the_deals_table_was_observed_stays_too(run):
    observation = """
        deal_id | observed_at      | status | user_id
        1       | 2024-02-01 00:00 | lost   | 8
    """
    assert run(
        "deals",
        "valid_from, status, user_id, stage_id",
        before=BEFORE,
        deal_observations=observation,
    ) == [
        (day(1, 1), "open", 7, 1),
        (day(2, 1), "lost", 8, 1),
        (day(3, 1), "won", 7, 9),
    ]


def test_what_the_table_says_at_the_same_time_outdoes_what_was_seen(run):
    observation = """
        deal_id | observed_at      | status | user_id
        1       | 2024-03-01 00:00 | lost   | -
    """
    assert run(
        "deals",
        "valid_from, status, user_id, stage_id",
        before=BEFORE,
        deal_observations=observation,
    )[-1] == (day(3, 1), "lost", 7, 9)


def test_a_log_that_begins_late_knows_of_a_change_to_nobody(run):
    log = """
        deal_id | changed_at       | changed_field_key | new_value
        1       | 2024-04-01 00:00 | user_id           | -
    """
    assert run("deals", "valid_from, user_id", before=BEFORE, stg_deal_changes=log)[-1] == (
        day(4, 1),
        None,
    )


def test_a_deal_that_is_not_in_the_export_stays(run):
    assert run("deals", "deal_id, valid_from, valid_to, status", before=BEFORE) == [
        (1, day(1, 1), day(3, 1), "open"),
        (1, day(3, 1), None, "won"),
    ]


def test_an_owner_who_is_forgotten_since_is_nobody(run):
    assert run("deals", "valid_from, user_id, stage_id", before=BEFORE, forgotten=[7]) == [
        (day(1, 1), None, 1),
        (day(3, 1), None, 9),
    ]


def test_rows_that_told_owners_apart_who_are_forgotten_become_one(run):
    before = """
        deal_id | valid_from       | valid_to         | is_current | status | user_id
        1       | 2024-01-01 00:00 | 2024-03-01 00:00 | false      | open   | 7
        1       | 2024-03-01 00:00 | -                | true       | open   | 8
    """
    assert run("deals", "valid_from, valid_to, user_id", before=before, forgotten=[7, 8]) == [
        (day(1, 1), None, None)
    ]


@pytest.mark.parametrize("times", [1, 2])
def test_made_again_of_the_same_it_is_the_same(run, times):
    changes = """
    1       | 2024-01-02 00:00 | stage_id          | 1
    1       | 2024-01-05 00:00 | user_id           | 7
    """
    columns = "deal_id, valid_from, valid_to, is_current, status, user_id, stage_id, row_hash"
    rows = once = history(run, columns, changes)
    for _ in range(times):
        lines = (" | ".join("-" if cell is None else str(cell) for cell in row) for row in rows)
        before = "\n".join([columns.replace(",", " |"), *lines])
        rows = history(run, columns, changes, before=before)
    assert rows == once
