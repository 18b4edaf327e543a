"""What was true of a deal at a moment."""

from datetime import datetime

import pytest

from transforms.timeline import at_the_time, changes_to_ids, newest_event

CHANGES = {"deal_id": "int64", "changed_at": "timestamp(6)", "changed_field_key": "string"}
ACTIVITIES = {"is_done": "boolean", "due_at": "timestamp(6)"}
DEALS = {"created_at": "timestamp(6)", "closed_at": "timestamp(6)"}


@pytest.fixture
def stage_at(engine, draw):
    """The stage of each event, by the name of the event."""

    def found(events, spans):
        joined = at_the_time(
            draw(events, event="string", deal_id="int64", at="timestamp(6)"),
            draw(spans, deal_id="int64", stage="int64", since="timestamp(6)", until="timestamp(6)"),
        )
        rows = engine.to_pyarrow(joined).to_pylist()
        assert all(row.keys() == {"event", "deal_id", "at", "stage"} for row in rows)
        return sorted((row["event"], row["stage"]) for row in rows)

    return found


def test_an_event_has_the_span_it_falls_into(stage_at):
    assert stage_at(
        """
            event  | deal_id | at
            before | 7       | 2024-01-01
            first  | 7       | 2024-01-03
            second | 7       | 2024-01-09
            other  | 8       | 2024-01-03
        """,
        """
            deal_id | stage | since      | until
            7       | 1     | 2024-01-02 | 2024-01-04
            7       | 2     | 2024-01-04 | -
        """,
    ) == [("before", None), ("first", 1), ("other", None), ("second", 2)]


def test_the_moment_between_two_spans_belongs_to_the_later_one(stage_at):
    assert stage_at(
        """
            event | deal_id | at
            begin | 7       | 2024-01-02
            turn  | 7       | 2024-01-04
        """,
        """
            deal_id | stage | since      | until
            7       | 1     | 2024-01-02 | 2024-01-04
            7       | 2     | 2024-01-04 | -
        """,
    ) == [("begin", 1), ("turn", 2)]


def test_a_span_of_no_time_holds_nothing(stage_at):
    assert stage_at(
        """
            event | deal_id | at
            turn  | 7       | 2024-01-02
        """,
        """
            deal_id | stage | since      | until
            7       | 1     | 2024-01-02 | 2024-01-02
            7       | 2     | 2024-01-02 | -
        """,
    ) == [("turn", 2)]


def test_events_at_the_same_time_all_stay(stage_at):
    assert stage_at(
        """
            event | deal_id | at
            a     | 7       | 2024-01-02
            a     | 7       | 2024-01-02
        """,
        """
            deal_id | stage | since      | until
            7       | 1     | 2024-01-01 | -
        """,
    ) == [("a", 1), ("a", 1)]


def test_changes_to_ids_are_those_of_one_field_that_hold_an_id(engine, draw):
    changes = draw(
        """
            deal_id | changed_at | changed_field_key | new_value
            7       | 2024-01-01 | stage_id          | 3
            7       | 2024-01-02 | stage_id          | 2.5
            7       | 2024-01-03 | stage_id          | -
            7       | 2024-01-04 | user_id           | 4
        """,
        **CHANGES,
        new_value="string",
    )
    assert engine.to_pyarrow(changes_to_ids(changes, "stage_id")).to_pylist() == [
        {"deal_id": 7, "stage_id": 3, "at": datetime(2024, 1, 1)}
    ]


@pytest.mark.parametrize(
    ("changed_at", "due_at", "created_at", "closed_at", "newest"),
    [
        ("2024-01-01", "2024-02-02", "2024-01-01", "-", datetime(2024, 2, 2)),
        ("2024-03-03", "2024-02-02", "-", "-", datetime(2024, 3, 3)),
        ("2024-03-03", "-", "-", "-", datetime(2024, 3, 3)),
        ("2024-03-03", "-", "2024-03-04", "-", datetime(2024, 3, 4)),
        ("2024-03-03", "-", "2024-03-04", "2024-03-05", datetime(2024, 3, 5)),
    ],
)
def test_the_data_ends_with_the_newest_change_done_activity_creation_or_closing(
    engine, draw, changed_at, due_at, created_at, closed_at, newest
):
    changes = draw(f"deal_id | changed_at\n7 | {changed_at}\n7 | 2023-01-01", **CHANGES)
    activities = draw(
        f"""
            is_done | due_at
            true    | {due_at}
            true    | 2023-01-01
            false   | 2030-01-01
        """,
        **ACTIVITIES,
    )
    times = f"created_at | closed_at\n{created_at} | {closed_at}\n2023-01-01 | 2023-01-01"
    deals = draw(times, **DEALS)
    assert engine.to_pyarrow(newest_event(changes, activities, deals)).as_py() == newest


def test_of_events_until_a_moment_the_newest_is_the_last_one_not_after_it(engine, draw):
    changes = draw("deal_id | changed_at\n7 | 2024-01-01\n7 | 2024-01-03", **CHANGES)
    activities = draw("is_done | due_at\ntrue | 2024-02-02", **ACTIVITIES)
    deals = draw("created_at | closed_at\n2024-01-01 | 2024-03-01", **DEALS)
    newest = newest_event(changes, activities, deals, until=datetime(2024, 1, 3))
    assert engine.to_pyarrow(newest).as_py() == datetime(2024, 1, 3)


def test_one_empty_table_leaves_the_end_to_the_other(engine, draw):
    changes = draw("deal_id | changed_at\n7 | 2024-01-01", **CHANGES)
    activities = draw("is_done | due_at\ntrue | 2024-02-02", **ACTIVITIES)
    no_changes, no_activities = draw("", **CHANGES), draw("", **ACTIVITIES)
    no_deals = draw("", **DEALS)
    ends = [
        engine.to_pyarrow(newest_event(*tables, no_deals)).as_py()
        for tables in ((changes, no_activities), (no_changes, activities))
    ]
    assert ends == [datetime(2024, 1, 1), datetime(2024, 2, 2)]


def test_without_events_the_data_has_no_end(engine, draw):
    newest = newest_event(draw("", **CHANGES), draw("", **ACTIVITIES), draw("", **DEALS))
    assert engine.to_pyarrow(newest).as_py() is None
