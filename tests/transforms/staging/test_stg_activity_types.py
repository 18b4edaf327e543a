"""Activity types, normalised."""

from transforms.funnel import Funnel, Step
from transforms.graph import load_models


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


def test_types_that_enter_no_step_are_counted(engine, draw):
    """A check finds them, also where the funnel has no step of activities at all."""
    [check] = (
        check
        for check in load_models()["stg_activity_types"].checks
        if check.name == "types_have_a_step"
    )
    types = draw("activity_type\nmeeting\nfollow_up\n-", activity_type="string")
    calls = (Step("1", "Lead", "stage", ("Lead",)), Step("1.1", "Call", "activity", ("Meeting",)))

    def outside(steps):
        found = check.failing(types, {}, {"funnel": Funnel(steps)}).activity_type
        return sorted(map(str, engine.to_pyarrow(found).to_pylist()))

    assert outside(calls) == ["None", "follow_up"]
    assert outside(calls[:1]) == ["None", "follow_up", "meeting"]
