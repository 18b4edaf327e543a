"""Activity types, normalised."""


def test_the_type_is_a_code_and_the_name_keeps_its_case(run):
    assert run(
        "stg_activity_types",
        "activity_type_id, activity_type, activity_type_name, is_active",
        raw_activity_types="""
            id | name           | active | type
            1  | Sales   Call 2 | true   | SC-2
        """,
    ) == [(1, "sc_2", "Sales Call 2", True)]


def test_inactive_types_stay(run):
    assert run(
        "stg_activity_types",
        "activity_type, is_active",
        raw_activity_types="""
            id | active | type
            1  | false  | follow_up
            2  | -      | meeting
        """,
    ) == [("follow_up", False), ("meeting", None)]


def test_of_an_id_given_twice_the_last_row_wins(run):
    assert run(
        "stg_activity_types",
        "activity_type_id, activity_type_name",
        raw_activity_types="""
            id | name | source_row
            1  | New  | 9
            1  | Old  | 3
            2  | Only | 4
        """,
    ) == [(1, "New"), (2, "Only")]


def test_two_ids_can_have_the_same_type(run):
    assert run(
        "stg_activity_types",
        "activity_type_id, activity_type",
        raw_activity_types="""
            id | type
            1  | SC-2
            2  | sc_2
        """,
    ) == [(1, "sc_2"), (2, "sc_2")]
