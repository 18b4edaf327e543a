"""What was known of the funnel, and when."""

from datetime import datetime

JUNE, JULY, AUGUST = datetime(2024, 6, 1), datetime(2024, 7, 1), datetime(2024, 8, 1)
ENTRIES = """
    deal_id | funnel_step | entered_at
    1       | 1           | 2024-05-02 00:00
    1       | 2           | 2024-05-03 00:00
"""
BEFORE = """
    deal_id | funnel_step | entered_at       | known_from       | known_to
    1       | 1           | 2024-05-02 00:00 | 2024-06-01 00:00 | -
"""
COLUMNS = "deal_id, funnel_step, known_from, known_to"


def known(run, entries, before="", now=JULY):
    return run(
        "deal_funnel_entries", COLUMNS, int_deal_funnel_entries=entries, before=before, now=now
    )


def test_what_the_first_run_is_told_is_known_from_then_on(run):
    assert known(run, ENTRIES) == [(1, "1", JULY, None), (1, "2", JULY, None)]


def test_what_was_known_before_stays_so(run):
    assert known(run, ENTRIES, BEFORE) == [(1, "1", JUNE, None), (1, "2", JULY, None)]


def test_what_is_not_told_any_more_was_known_until_then(run):
    assert known(run, "", BEFORE) == [(1, "1", JUNE, JULY)]


def test_an_entry_at_another_time_takes_the_place_of_the_one_known(run):
    moved = ENTRIES.replace("05-02", "04-02")
    assert known(run, moved, BEFORE) == [
        (1, "1", JUNE, JULY),
        (1, "1", JULY, None),
        (1, "2", JULY, None),
    ]


def test_what_is_told_again_is_known_for_a_second_time(run):
    ended = BEFORE.replace("| -", "| 2024-07-01 00:00")
    only_first = "\n".join(ENTRIES.splitlines()[:3])
    assert known(run, only_first, ended, AUGUST) == [(1, "1", JUNE, JULY), (1, "1", AUGUST, None)]


def test_two_changes_into_a_step_at_the_same_moment_are_one_entry(run):
    twice = ENTRIES + ENTRIES.splitlines()[2]
    assert known(run, twice) == [(1, "1", JULY, None), (1, "2", JULY, None)]


def test_a_clock_that_went_back_makes_no_span_that_ends_before_it_begins(run):
    assert known(run, "", BEFORE, datetime(2024, 5, 31)) == [(1, "1", JUNE, JUNE)]
