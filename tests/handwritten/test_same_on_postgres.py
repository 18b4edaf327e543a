"""The handwritten SQL for PostgreSQL, a baseline of the benchmarks, gives the same rows too."""

from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import datetime

import duckdb
import psycopg2
import pytest

from tests.handwritten.run import build as build_on_duckdb
from tests.handwritten.run_postgres import build as build_on_postgres
from tests.handwritten.test_same_results import COMPARED, OF_THE_RUN, ROOT
from tests.whole_run import KEY

AS_OF = datetime(2026, 8, 1)
TIMEZONE = "America/New_York"

Rows = Counter[tuple[object, ...]]


@pytest.fixture(scope="module")
def scripts(
    new_database: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[duckdb.DuckDBPyConnection, str]:
    """What both made of the sample."""
    file = tmp_path_factory.mktemp("scripts") / "by_hand.duckdb"
    build_on_duckdb(ROOT / "data/sample", file, KEY, as_of=AS_OF, timezone=TIMEZONE)
    url = new_database("by_hand")
    build_on_postgres(ROOT / "data/sample", url, KEY, as_of=AS_OF, timezone=TIMEZONE)
    return duckdb.connect(file, read_only=True), url


def rows(cursor, columns: list[str], schema: str, table: str) -> Rows:
    """How often each row is there; means and rates to nine digits."""
    cursor.execute(f"SELECT {', '.join(columns)} FROM {schema}.{table}")
    return Counter(
        tuple(round(value, 9) if isinstance(value, float) else value for value in row)
        for row in cursor.fetchall()
    )


@pytest.mark.parametrize(("schema", "table"), COMPARED, ids=lambda value: value)
def test_same_rows(scripts, schema: str, table: str) -> None:
    on_duckdb, url = scripts
    columns = sorted({*on_duckdb.sql(f"FROM {schema}.{table} LIMIT 0").columns} - OF_THE_RUN)
    expected = rows(on_duckdb.cursor(), columns, schema, table)
    with closing(psycopg2.connect(url)) as session, session.cursor() as cursor:
        found = rows(cursor, columns, schema, table)
    assert (list((found - expected).items())[:3], list((expected - found).items())[:3]) == ([], [])
    assert found
