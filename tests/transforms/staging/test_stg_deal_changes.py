"""The change log, normalised."""

from datetime import datetime


def test_field_keys_are_codes(run):
    assert run(
        "stg_deal_changes",
        "deal_id, changed_field_key",
        raw_deal_changes="""
            deal_id | changed_field_key
            1       | stage_id
            2       | Stage-ID
            3       | Lost Reason
        """,
    ) == [(1, "stage_id"), (2, "stage_id"), (3, "lost_reason")]


def test_values_stay_text_whatever_they_hold(run):
    assert run(
        "stg_deal_changes",
        "new_value",
        raw_deal_changes="""
            deal_id | new_value
            1       | 007
            2       | 2024-01-01T00:00:00
            3       | ~0123456789abcdef
            4       | -
        """,
    ) == [("007",), ("2024-01-01T00:00:00",), (None,), ("~0123456789abcdef",)]


def test_every_change_stays_also_two_at_the_same_time(run):
    noon = datetime(2024, 1, 1, 12)
    assert run(
        "stg_deal_changes",
        "deal_id, changed_at, changed_field_key, new_value",
        raw_deal_changes="""
            deal_id | change_time      | changed_field_key | new_value
            1       | 2024-01-01 12:00 | stage_id          | 1
            1       | 2024-01-01 12:00 | stage_id          | 2
        """,
    ) == [(1, noon, "stage_id", "1"), (1, noon, "stage_id", "2")]


def test_fields_the_funnel_does_not_use_stay(run):
    assert run(
        "stg_deal_changes",
        "changed_field_key",
        raw_deal_changes="""
            deal_id | changed_field_key
            1       | Expected Close Date
        """,
    ) == [("expected_close_date",)]
