"""The latest row of a key wins."""

import pytest

from transforms.lookups import latest_row


@pytest.fixture
def winners(engine, draw):
    """Key and name of the rows that win."""

    def found(text, **options):
        table = draw(text, key="int64", name="string", changed="timestamp(6)", source_row="int64")
        rows = engine.to_pyarrow(latest_row(table, "key", **options)).to_pylist()
        assert all(list(row) == ["key", "name", "changed", "source_row"] for row in rows)
        return sorted((row["key"], row["name"]) for row in rows)

    return found


def test_the_last_row_of_each_key_wins(winners):
    assert winners(
        """
            key | name  | source_row
            1   | old   | 9
            1   | new   | 10
            2   | only  | 1
        """
    ) == [(1, "new"), (2, "only")]


ROWS = """
    key | name    | changed    | source_row
    1   | older   | 2024-01-01 | 4
    1   | newer   | 2024-02-01 | 2
    1   | as new  | 2024-02-01 | 1
    1   | no time | -          | 5
"""


def test_the_one_changed_last_wins_where_rows_say_when(winners):
    assert winners(ROWS, changed="changed") == [(1, "newer")]


def test_the_time_of_change_counts_only_if_it_is_asked_for(winners):
    assert winners(ROWS) == [(1, "no time")]


def test_a_row_with_empty_columns_wins_as_a_whole(winners):
    assert winners("key | name | source_row\n1 | old | 1\n1 | - | 2") == [(1, None)]
