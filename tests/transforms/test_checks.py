"""Each rule finds the rows that break it, and no others."""

from datetime import datetime

import pytest

from transforms.checks import (
    accepted_values,
    has_happened,
    newest_within,
    not_negative,
    not_null,
    references,
    rule,
    steady_volume,
    total_agrees,
    unique,
)


@pytest.fixture
def broken(engine):
    """The rows of a table that break a rule, as tuples of their first columns, sorted."""

    def rows(check, table, tables=None, **settings):
        assert (tables or {}).keys() == set(check.needs)
        failing = engine.to_pyarrow(check.failing(table, tables or {}, settings))
        found = [tuple(row.values()) for row in failing.to_pylist()]
        return sorted(found, key=lambda row: [str(value) for value in row])

    return rows


@pytest.fixture
def users(draw):
    """A small table of users: one without a name, one known twice."""
    return draw(
        """
            user_id | name | age
            1       | Ann  | 30
            2       | -    | 0
            3       | Cid  | -1
            3       | Cid  | -
        """,
        user_id="int64",
        name="string",
        age="int64",
    )


def test_not_null(broken, users):
    assert broken(not_null("name"), users) == [(2, None, 0)]
    assert broken(not_null("user_id"), users) == []


def test_accepted_values_lets_null_pass(broken, users):
    assert broken(accepted_values("name", ["Ann"]), users) == [(3, "Cid", -1), (3, "Cid", None)]
    assert broken(accepted_values("name", ("Ann", "Cid")), users) == []


def test_accepted_values_tells_case_apart(broken, users):
    assert len(broken(accepted_values("name", ["ann", "Cid"]), users)) == 1


def test_not_negative_lets_zero_and_null_pass(broken, users):
    assert broken(not_negative("age"), users) == [(3, "Cid", -1)]
    assert broken(not_negative("user_id"), users) == []


def test_unique(broken, users):
    assert broken(unique("user_id"), users) == [(3, 2)]
    assert broken(unique("user_id", "age"), users) == []


def test_unique_holds_two_nulls_for_equal(broken, draw):
    table = draw("month | user_id\n1 | -\n1 | -\n2 | -", month="int64", user_id="int64")
    assert broken(unique("month", "user_id"), table) == [(1, None, 2)]


def test_rule_is_broken_where_it_is_unknown_too(broken, users):
    assert broken(rule("grown up", lambda table: table.age >= 18), users) == [
        (2, None, 0),
        (3, "Cid", -1),
        (3, "Cid", None),
    ]
    assert broken(rule("has an id", lambda table: table.user_id > 0), users) == []


def test_references_finds_what_the_other_table_does_not_know(broken, draw, users):
    deals = draw(
        "deal_id | user_id\n10 | 1\n11 | 3\n12 | 99\n13 | -", deal_id="int64", user_id="int64"
    )
    check = references("user_id", "stg_users.user_id")
    assert check.needs == ("stg_users",)
    assert broken(check, deals, {"stg_users": users}) == [(12, 99)]
    assert broken(check, deals.filter(deals.deal_id != 12), {"stg_users": users}) == []


def test_references_to_a_column_of_another_name(broken, draw, users):
    deals = draw("deal_id | owner\n10 | 1\n12 | 99", deal_id="int64", owner="int64")
    check = references("owner", "stg_users.user_id")
    assert broken(check, deals, {"stg_users": users}) == [(12, 99)]


def test_references_into_an_empty_table_are_all_broken(broken, users):
    check = references("user_id", "others.user_id")
    nobody = users.filter(users.user_id < 0)
    assert len(broken(check, users, {"others": nobody})) == 4


def test_a_total_that_does_not_agree_is_one_row(broken, draw, users):
    check = total_agrees("rows", lambda table: table.count(), lambda others: others.count())
    assert broken(check, users, {"others": users}) == []
    assert broken(check, users, {"others": users.limit(2)}) == [(4,)]


def test_a_total_of_no_rows_is_zero(broken, draw, users):
    check = total_agrees("age", lambda table: table.age.sum(), lambda users: users.age.sum())
    nobody = users.filter(users.user_id < 0)
    assert broken(check, nobody, {"users": nobody}) == []
    assert broken(check, nobody, {"users": users}) == [(0,)]


def test_has_happened_finds_what_is_after_the_run(broken, draw):
    table = draw(
        "at | is_done\n2024-01-31 | True\n2099-01-01 | True\n2099-01-02 | False\n- | True",
        at="timestamp(6)",
        is_done="boolean",
    )
    now, later = datetime(2024, 4, 1), [datetime(2099, 1, day) for day in (1, 2)]
    assert broken(has_happened("at"), table, now=now) == [(later[0], True), (later[1], False)]
    done = has_happened("at", of=lambda rows: rows.is_done)
    assert broken(done, table, now=now) == [(later[0], True)]
    assert broken(done, table, now=later[0]) == []


def test_newest_within_is_measured_from_the_run(broken, draw):
    table = draw("at\n2024-01-01\n2024-01-31\n-", at="timestamp(6)")
    check = newest_within("at", days=45)
    assert broken(check, table, now=datetime(2024, 3, 16)) == []
    assert broken(check, table, now=datetime(2024, 3, 16, 0, 0, 1)) == [(datetime(2024, 1, 31),)]


def test_newest_within_is_not_misled_by_a_value_in_the_future(broken, draw):
    table = draw("at\n2024-01-31\n2099-01-01", at="timestamp(6)")
    check = newest_within("at", days=45)
    assert broken(check, table, now=datetime(2024, 4, 1)) == [(datetime(2024, 1, 31),)]


def test_newest_within_has_nothing_to_say_of_no_rows(broken, draw):
    table = draw("", at="timestamp(6)")
    assert broken(newest_within("at", days=1), table, now=datetime(2024, 3, 16)) == []


@pytest.fixture
def unsteady(broken, draw):
    """Places (from 0) of the months whose volume is out of line, the groups given by name."""

    def places(**volumes: list[int]) -> list[tuple[str, int]]:
        rows = [
            f"{2020 + place // 12}-{place % 12 + 1:02}-01 | {group} | {volume}"
            for group, series in volumes.items()
            for place, volume in enumerate(series)
        ]
        table = draw(
            "\n".join(["month | step | deals", *rows]), month="date", step="string", deals="int64"
        )
        check = steady_volume(
            "deals", by="step", over="month", until=lambda volumes: volumes.month.max().as_scalar()
        )
        found = broken(check, table, {"volumes": table})
        return [(step, place) for step, _, place, *_ in found]

    return places


LIVELY = [100, 104, 97, 103, 99, 101, 98, 102]


def test_steady_volume_finds_a_fall_and_a_peak(unsteady):
    assert unsteady(a=[*LIVELY, 0, 100, 100], b=[*LIVELY, 100, 500, 100]) == [("a", 8), ("b", 9)]


def test_steady_volume_lets_the_usual_ups_and_downs_pass(unsteady):
    assert unsteady(a=[*LIVELY, 90, 112, 100]) == []


def test_steady_volume_leaves_the_last_month_out(unsteady):
    assert unsteady(a=[*LIVELY, 0]) == []
    assert unsteady(a=[*LIVELY, 0, 0]) == [("a", 8)]


def test_steady_volume_needs_six_months_before(unsteady):
    assert unsteady(a=[*LIVELY[:5], 0, 100]) == []
    assert unsteady(a=[*LIVELY[:6], 0, 100]) == [("a", 6)]


def test_steady_volume_lets_small_numbers_move(unsteady):
    assert unsteady(a=[1, 1, 1, 1, 1, 1, 6, 1]) == []
    assert unsteady(a=[1, 1, 1, 1, 1, 1, 7, 1]) == [("a", 6)]


@pytest.mark.parametrize("volume", [10, 1000])
def test_steady_volume_looks_back_twelve_months_no_more_and_no_fewer(unsteady, volume):
    # Half of the twelve months before are high, half low; one month more or fewer tips the median.
    assert ("a", 13) not in unsteady(a=[1000] * 7 + [10] * 6 + [volume, 0])


def test_steady_volume_holds_each_group_against_itself(unsteady):
    assert unsteady(a=[100] * 8, b=[100] * 8, c=[5] * 8) == []


@pytest.mark.parametrize(
    "check",
    [
        not_null("x", severity="warn"),
        unique("x", severity="warn"),
        accepted_values("x", ["y"], severity="warn"),
        not_negative("x", severity="warn"),
        references("x", "t.x", severity="warn"),
        steady_volume("x", by="y", over="z", until=lambda volumes: volumes.z.max()),
        newest_within("x", days=1),
        has_happened("x"),
    ],
    ids=lambda check: check.name,
)
def test_a_check_can_be_a_warning(check):
    assert check.severity == "warn"


def test_a_check_stops_publication_unless_it_says_otherwise():
    assert {not_null("x").severity, unique("x").severity, references("x", "t.x").severity} == {
        "error"
    }


def test_a_check_is_named_by_its_rule_and_columns():
    checks = [not_null("a"), unique("a", "b"), references("a", "t.b"), newest_within("a", days=9)]
    assert [check.name for check in checks] == [
        "not_null(a)",
        "unique(a, b)",
        "references(a, t.b)",
        "newest_within_9_days(a)",
    ]
