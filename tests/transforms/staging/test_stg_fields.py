"""Fields of deals, normalised."""


def test_the_key_is_a_code_and_the_name_keeps_its_case(run):
    assert run(
        "stg_fields",
        "field_id, field_key, field_name",
        raw_fields="""
            id | field_key   | name
            1  | Lost-Reason | Lost   Reason
        """,
    ) == [(1, "lost_reason", "Lost Reason")]


def test_a_field_with_and_one_without_options_both_stay(run):
    assert run(
        "stg_fields",
        "field_id, field_key",
        raw_fields="""
            id | field_key   | field_value_options
            1  | lost_reason | [{"id": 1, "label": "Price"}, {"id": 2, "label": "Time"}]
            2  | add_time    | -
        """,
    ) == [(1, "lost_reason"), (2, "add_time")]


def test_of_a_field_given_twice_the_last_row_wins(run):
    assert run(
        "stg_fields",
        "field_id, field_name",
        raw_fields="""
            id | field_key | name | source_row
            1  | a         | New  | 8
            1  | a         | Old  | 7
        """,
    ) == [(1, "New")]
