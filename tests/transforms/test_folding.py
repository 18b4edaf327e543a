"""Reps with few deals: who is shown together, and what of them."""

from datetime import date, datetime
from typing import Any

import ibis
import pyarrow as pa
import pytest
from ibis import Table

from transforms.folding import folded, folded_by, with_owners_folded

MART = {
    "month": "date",
    "user_id": "int64",
    "sales_rep_name": "string",
    "activities_completed": "int64",
    "mean_days": "float64",
}
ACTIVITIES = {
    "user_id": "int64",
    "deal_id": "int64",
    "is_done": "boolean",
    "due_at": "timestamp(6)",
}
JANUARY, FEBRUARY = date(2024, 1, 1), date(2024, 2, 1)


def activity(user_id: int | None, deal_id: int | None, *, is_done: bool = True) -> dict[str, Any]:
    """An activity of a user."""
    return dict(zip(ACTIVITIES, (user_id, deal_id, is_done, datetime(2024, 1, 9)), strict=True))


def deals(**numbers: int) -> list[dict[str, Any]]:
    """Activities of users, called a1, b2, …, each with as many deals as it says."""
    return [
        activity(int(name[1:]), deal) for name, number in numbers.items() for deal in range(number)
    ]


def as_table(rows: list[dict[str, Any]], columns: dict[str, str]) -> Table:
    """The rows as a table."""
    return ibis.memtable(pa.Table.from_pylist(rows, schema=ibis.schema(columns).to_pyarrow()))


@pytest.fixture
def shown(engine):
    """The reps of a report, each with the number of its activities, in order of their names."""

    def rows(mart, activities, min_deals, columns=("sales_rep_name", "activities_completed")):
        users = {"user_id": "int64", "sales_rep_name": "string"}
        names = [{"user_id": n, "sales_rep_name": f"{chr(96 + n)}{n}"} for n in range(1, 9)]
        rows_of_mart = [dict(zip(MART, row, strict=True)) for row in mart]
        made = folded(
            as_table(rows_of_mart, MART),
            as_table(names, users),
            as_table(activities, ACTIVITIES),
            min_deals,
        )
        assert list(made.columns) == list(MART)
        assert made.schema() == ibis.schema(MART)
        found = engine.to_pyarrow(made.select(*columns)).to_pylist()
        return sorted((tuple(row.values()) for row in found), key=str)

    return rows


def reps(*names: str) -> list[tuple[Any, ...]]:
    """Rows of a mart: a month of each rep, with an activity."""
    return [(JANUARY, int(name[1:]), name, 1, 2.5) for name in names]


def test_reps_with_fewer_deals_are_one(shown):
    few = deals(a1=5, b2=4, c3=3)
    assert shown(reps("a1", "b2", "c3"), few, 5) == [("2 other reps", 2), ("a1", 1)]


def test_a_rep_with_exactly_as_many_is_shown_alone(shown):
    assert shown(reps("a1", "b2"), deals(a1=5, b2=5), 5) == [("a1", 1), ("b2", 1)]


def test_the_only_one_with_few_deals_takes_the_next_along(shown):
    few = deals(a1=9, b2=4, c3=6)
    assert shown(reps("a1", "b2", "c3"), few, 5) == [("2 other reps", 2), ("a1", 1)]


def test_a_deal_counts_once_over_all_months(shown):
    mart = [*reps("a1", "b2"), (FEBRUARY, 1, "a1", 1, 2.5)]
    assert shown(mart, deals(a1=2, b2=2) * 5, 3, ["month", "sales_rep_name"]) == [
        (JANUARY, "2 other reps"),
        (FEBRUARY, "2 other reps"),
    ]


def test_activities_that_are_not_done_or_name_no_deal_do_not_count(shown):
    activities = deals(a1=3)
    activities += [activity(2, deal, is_done=False) for deal in range(9)]
    activities += [activity(3, None) for _ in range(9)]
    assert shown(reps("a1", "b2", "c3"), activities, 3) == [("2 other reps", 2), ("a1", 1)]


def test_users_who_are_unknown_have_no_deals_that_count(shown):
    mart = [*reps("a1", "b2"), (JANUARY, 99, "Unknown user #99", 1, 2.5)]
    activities = [*deals(a1=3, b2=1), *[activity(99, deal) for deal in range(9)]]
    assert shown(mart, activities, 3) == [("2 other reps", 2), ("a1", 1)]


def test_so_it_is_where_the_deals_of_each_name_are_known_already(engine):
    names = ["a1", "b2", "Unknown user #99"]
    mart = [
        dict(zip(MART, (JANUARY, n, name, 1, 2.5), strict=True)) for n, name in enumerate(names)
    ]
    known = [{"sales_rep_name": name, "deals": 9} for name in names]
    named = as_table(known, {"sales_rep_name": "string", "deals": "int64"})
    made = folded_by(as_table(mart, MART), named, 3)
    found = engine.to_pyarrow(made.select("sales_rep_name"))["sales_rep_name"].to_pylist()
    assert sorted(found) == ["2 other reps", "b2"]


def test_activities_of_nobody_stay_as_they_are(shown):
    mart = [*reps("a1", "b2"), (JANUARY, None, "Unassigned", 7, 2.5)]
    assert shown(mart, deals(a1=1, b2=1), 3) == [("2 other reps", 2), ("Unassigned", 7)]


def test_of_those_together_no_id_and_no_mean_is_shown(shown):
    columns = ["sales_rep_name", "user_id", "mean_days"]
    assert shown(reps("a1", "b2", "c3"), deals(a1=3), 3, columns) == [
        ("2 other reps", None, None),
        ("a1", 1, 2.5),
    ]


def test_no_activity_is_lost(shown):
    mart = reps(*(f"{chr(96 + n)}{n}" for n in range(1, 9)))
    found = shown(mart, deals(a1=1, b2=2, c3=3, d4=4, e5=5), 4)
    assert sum(count for _, count in found) == 8
    assert found[0] == ("6 other reps", 6)


def test_without_reps_nothing_is_shown(shown):
    assert shown([], [], 5) == []


@pytest.fixture
def owners(engine):
    """The owners of deals as they are shown: `owners([1, 1, 2], activities, 2)`."""

    def rows(user_ids, activities, min_deals):
        known = {n: f"{chr(96 + n)}{n}" for n in range(1, 9)}
        columns = {"deal_id": "int64", "user_id": "int64", "sales_rep_name": "string"}
        deals_of = [
            dict(zip(columns, (deal, user, known.get(user)), strict=True))
            for deal, user in enumerate(user_ids)
        ]
        users = [{"user_id": n, "sales_rep_name": name} for n, name in known.items()]
        made = with_owners_folded(
            as_table(deals_of, columns),
            as_table(users, {"user_id": "int64", "sales_rep_name": "string"}),
            as_table(activities, ACTIVITIES),
            min_deals,
        )
        assert made.schema() == ibis.schema(columns)
        found = engine.to_pyarrow(made.order_by("deal_id")).to_pylist()
        return [(row["user_id"], row["sales_rep_name"]) for row in found]

    return rows


def test_owners_of_few_deals_are_one_and_every_deal_is_there(owners):
    assert owners([1, 1, 2, 3, None], deals(a1=2, b2=9, c3=9), 2) == [
        *[(1, "a1")] * 2,
        *[(None, "2 other reps")] * 2,
        (None, None),
    ]


def test_owners_who_worked_on_few_deals_are_not_alone_among_deals_either(owners):
    together = [(None, "2 other reps")] * 4
    assert owners([1, 1, 1, 2, 2, 3, 3], deals(a1=3, b2=1, c3=1), 2) == [(1, "a1")] * 3 + together


def test_owners_whom_nobody_knows_are_not_alone_among_deals(owners):
    found = owners([1, 1, 1, 2, 2, 99, 99], deals(a1=3, b2=2), 2)
    assert found == [(1, "a1")] * 3 + [(None, "2 other reps")] * 4
