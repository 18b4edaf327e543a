"""What the deals table said, when it was something new."""

from datetime import datetime

JUNE, JULY = datetime(2024, 6, 1), datetime(2024, 7, 1)
BEFORE = """
    deal_id | observed_at      | status | user_id | owner_is_forgotten | stage_id | value | currency
    1       | 2024-06-01 00:00 | open   | 7       | false              | 2        | 10    | EUR
"""
SAME = """
    deal_id | status | user_id | user_id_is_forgotten | stage_id | value | currency | source_row
    1       | open   | 7       | false                | 2        | 10    | EUR      | 1
"""


def observed(run, table, columns="observed_at", **given):
    return run("deal_observations", columns, raw_deals=table, as_of=JULY, **given)


def test_what_the_table_says_first_is_new(run):
    columns = "deal_id, observed_at, status, user_id, stage_id, value, currency"
    assert observed(run, SAME, columns) == [(1, JULY, "open", 7, 2, 10.0, "EUR")]


def test_what_it_said_before_is_not(run):
    assert observed(run, SAME, before=BEFORE) == [(JUNE,)]


def test_what_it_says_otherwise_is(run):
    changed = SAME.replace("10 ", "12 ")
    assert observed(run, changed, "observed_at, value", before=BEFORE) == [
        (JUNE, 10.0),
        (JULY, 12.0),
    ]


def test_what_it_does_not_say_any_more_is(run):
    changed = SAME.replace("EUR", "-  ")
    assert observed(run, changed, "observed_at, currency", before=BEFORE) == [
        (JUNE, "EUR"),
        (JULY, None),
    ]


def test_what_it_says_again_after_the_log_changed_is(run):
    log = """
        deal_id | changed_at       | changed_field_key | new_value
        1       | 2024-06-09 00:00 | stage_id          | 3
    """
    assert observed(run, SAME, before=BEFORE, stg_deal_changes=log) == [(JUNE,), (JULY,)]


def test_a_deal_that_the_table_does_not_have_any_more_stays(run):
    other = SAME.replace("    1  ", "    2  ", 1)
    assert observed(run, other, "deal_id", before=BEFORE) == [(1,), (2,)]


def test_what_a_table_says_was_not_observed_in_the_future(run):
    columns, start = "observed_at, value", datetime(2024, 6, 20)
    said = SAME.replace("10 ", "12 ")
    from_the_future = BEFORE.replace("2024-06", "2024-07")
    found = observed(run, said, columns, before=from_the_future, now=start)
    assert found == [(start, 12.0)]


def test_a_change_in_the_future_makes_nothing_new(run):
    log = """
        deal_id | changed_at       | changed_field_key | new_value
        1       | 2099-01-01 00:00 | stage_id          | 3
    """
    assert observed(run, SAME, before=BEFORE, stg_deal_changes=log) == [(JUNE,)]


def test_a_second_look_at_the_same_time_replaces_the_first(run):
    before = BEFORE.replace("2024-06", "2024-07")
    changed = SAME.replace("10 ", "12 ")
    assert observed(run, changed, "observed_at, value", before=before) == [(JULY, 12.0)]


def test_a_look_back_replaces_what_was_said_last(run):
    later = BEFORE.replace("2024-06", "2024-08").replace("10 ", "12 ")
    before = BEFORE + "\n".join(later.splitlines()[2:])
    august = datetime(2024, 8, 1)
    assert observed(run, SAME, "observed_at, value", before=before) == [(JUNE, 10), (august, 10)]


def test_what_the_table_says_comes_after_what_the_log_of_the_same_export_says(run):
    log = """
        deal_id | changed_at       | changed_field_key | new_value
        1       | 2024-07-15 00:00 | stage_id          | 3
    """
    assert observed(run, SAME, stg_deal_changes=log) == [(datetime(2024, 7, 15),)]


def test_codes_are_normalised_and_an_unknown_status_is_nothing(run):
    odd = SAME.replace("open", "OPEN").replace("EUR", "eur")
    assert observed(run, odd, "status, currency") == [("open", "EUR")]
    assert observed(run, SAME.replace("open", "gone"), "status") == [(None,)]


def test_an_owner_who_is_forgotten_since_is_known_to_be_one(run):
    forgotten = SAME.replace("7       | false", "-       | true ")
    columns = "observed_at, user_id, owner_is_forgotten"
    assert observed(run, forgotten, columns, before=BEFORE, forgotten=[7]) == [(JUNE, None, True)]


def test_what_is_no_currency_is_not_kept(run):
    """The key of its pseudonym can be another one now; earlier versions did not mask it."""
    masked, named = SAME.replace("EUR", "~7f"), BEFORE.replace("EUR", "Ann Doe")
    assert observed(run, masked, "observed_at, currency", before=named) == [(JUNE, None)]
